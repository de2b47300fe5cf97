"""`crew runs`: which runs there are."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from crew.cli.console import DONE, print_safe
from crew.cli.known_runs import Age, known_runs
from crew.clock import SystemClock
from crew.runs.listing import ListedRun
from crew.runs.messages import one_line

STATUSES = ("running", "done", "failed", "closed", "interrupted")
_WIDTH = 80
_SMALLEST = 0.0001
"""US dollars; what the column can show."""


@click.command(help="List the runs, newest first.")
@click.option("--status", type=click.Choice(STATUSES), help="Only runs that ended so.")
@click.option(
    "--since", type=Age(), metavar="AGE", help="Only runs of the last 7d, 12h, ..."
)
@click.option("--repo", metavar="PATH", help="Only runs on this repository.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    metavar="N",
    help="How many at most (default: 20).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def command(
    config: str | None,
    status: str | None,
    since: float | None,
    repo: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Print the runs that fit; returns the exit code."""
    _, runs = known_runs(config)
    oldest = SystemClock().now() - since if since is not None else 0.0
    place = str(Path(repo).expanduser().resolve()) if repo is not None else None
    fitting = [
        run
        for run in runs
        if (status is None or run.status == status)
        and run.started_at >= oldest
        and (place is None or any(_is_in(one, place) for one in run.repositories))
    ]
    if as_json:
        shown = [run.document() for run in fitting[:limit]]
        print(json.dumps({"runs": shown}, indent=2))
        return DONE
    for line in _table(fitting[:limit]):
        print_safe(line)
    if len(fitting) > limit:
        print(f"and {len(fitting) - limit} more; see them with --limit")
    return DONE


def _is_in(one: str, place: str) -> bool:
    return Path(one).is_relative_to(place) or Path(place).is_relative_to(one)


def _table(runs: Sequence[ListedRun]) -> Iterator[str]:
    if not runs:
        yield "There is no such run."
        return
    yield _row("Run", "Status", "Proved", "Took", "Files", "Cost") + "Request"
    yield "-" * _WIDTH
    for run in runs:
        took = "-" if run.seconds is None else _duration(run.seconds)
        files = "-" if run.files is None else f"{run.files:,}"
        cost = "-" if run.cost_usd is None else f"${run.cost_usd:,.4f}"
        if run.cost_usd and run.cost_usd < _SMALLEST:
            cost = f"<${_SMALLEST}"  # it was not free
        proved = "-" if run.tasks is None else f"{run.proved}/{run.tasks}"
        row = _row(run.run, run.status, proved, took, files, cost)
        request = ("(rehearsal) " if run.rehearsal else "") + one_line(run.request)
        room = max(_WIDTH - len(row), 8)
        cut = request if len(request) <= room else f"{request[: room - 3]}..."
        yield (row + cut).rstrip()


def _row(run: str, status: str, *figures: str) -> str:
    proved, took, files, cost = figures
    return f"{run:<20} {status:<11} {proved:>6} {took:>6} {files:>5} {cost:>9}  "


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole}s"
