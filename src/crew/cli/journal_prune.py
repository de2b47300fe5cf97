"""`crew journal prune`."""

import sys
from collections import deque

import click

from crew.cli.console import DONE, FAILED, argument_error, print_safe
from crew.cli.journal_info import megabytes
from crew.cli.known_runs import Age
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.cli.signals import stoppable
from crew.clock import SystemClock
from crew.journal import Journal
from crew.runs.directory import RUNNING, RunDirectory
from crew.runs.retention import Removed, prune, survey
from crew.settings import Settings
from crew.settings.journal_shape import LEAST
from crew.settings.loader import load_tiers

_DAY = 86_400
_SHOWN = 10
_EVERY = 1_000


@click.command(
    help="Remove old runs from the journal, and make its file smaller. A run that is "
    "running, that can be resumed, or whose work is nowhere else stays; what was spent "
    "in sum, and the attempts that ladders and experiments are measured by, stay too."
)
@click.option(
    "--older-than",
    type=Age(),
    metavar="AGE",
    help="Runs older than 90d (default: keep in tiers.yaml).",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Remove it without asking.")
@click.pass_obj
def command(
    config: str | None, older_than: float | None, dry_run: bool, yes: bool
) -> int:
    """Remove what is too old; returns the exit code."""
    settings = load_tiers(placed(config))
    keep = _keep(settings, older_than)
    with stoppable(), past_runs(settings) as journal:
        found = survey(journal, keep, SystemClock())
        _say(found, keep)
        if dry_run:
            return DONE
        if found.runs and not (yes or _agreed()):
            print("nothing is removed")
            return FAILED
        before = journal.retention.contents().bytes
        done = deque(prune(journal, keep, SystemClock()), maxlen=1).pop()
        line = _smaller(journal, before)
    print(f"removed {done.runs:,} runs with {done.calls:,} calls; {line}")
    return DONE


def _keep(settings: Settings, older_than: float | None) -> float:
    """Seconds. Raises SettingsError."""
    keep = settings.keep_seconds if older_than is None else older_than
    if keep is None:
        raise argument_error("--older-than", "say how old, such as 90d")
    if keep < LEAST:
        raise argument_error(
            "--older-than",
            f"at least {LEAST / _DAY:.0f}d: reports of a month read the journal",
        )
    return keep


def _say(found: Removed, keep: float) -> None:
    print(
        f"older than {keep / _DAY:.0f} days: {found.runs:,} runs with "
        f"{found.calls:,} calls"
    )
    for run, reason in list(found.kept.items())[:_SHOWN]:
        print_safe(f"  {run} stays: {reason}", file=sys.stderr)
    if len(found.kept) > _SHOWN:
        print(f"  and {len(found.kept) - _SHOWN:,} more stay", file=sys.stderr)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise argument_error("--yes", "nobody can answer here; --yes removes them")
    try:
        return input("Remove them? [y/N] ").strip().casefold() in ("y", "yes")
    except EOFError:
        return False


def _smaller(journal: Journal, before: int) -> str:
    """Let the file on the disk become smaller; says how much."""
    held = journal.retention.contents()
    if held.free_bytes and not held.shrinks:
        if _is_used(journal):
            return (
                f"{megabytes(held.free_bytes)} of the file are free; once no run "
                "works, this command makes it smaller"
            )
        journal.retention.rewrite()
    journal.retention.settle()
    after = journal.retention.contents().bytes
    return f"the file has {megabytes(after)}, before {megabytes(before)}"


def _is_used(journal: Journal) -> bool:
    """Whether a run works now: it would wait while the file is written anew."""
    return any(
        run.status == RUNNING
        and (directory := RunDirectory(run.output)).is_begun
        and directory.status(run.status) == RUNNING
        for run in journal.runs(_EVERY)
    )
