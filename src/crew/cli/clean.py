"""`crew clean`: what runs left behind, removed."""

import sys
from collections.abc import Sequence

import click

from crew.cli.console import DONE, FAILED, print_safe
from crew.cli.known_runs import Age, known_runs
from crew.clock import SystemClock
from crew.errors import CrewError
from crew.runs.cleaning import Leftover, clean, leftover
from crew.runs.listing import ListedRun, pick

_WEEK = 604_800.0


@click.command(
    help="Remove what runs left: worktrees, branches, refs, output (default: of all "
    "runs older than 7d). What is not merged stays, unless --force; a run that is "
    "running stays in any case."
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--older", type=Age(), metavar="AGE", help="Only runs older than 7d, 12h, ..."
)
@click.option("--force", is_flag=True, help="Remove what is not merged, too.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.pass_obj
def command(
    config: str | None,
    runs: Sequence[str],
    older: float | None,
    force: bool,
    dry_run: bool,
) -> int:
    """Remove what may go, and print what that frees; returns the exit code."""
    settings, known = known_runs(config)
    code, freed = DONE, 0
    for one in _chosen(known, runs, older):
        found = leftover(one)
        if found.running or (found.kept_for and not force):
            _keep(found)
            code = FAILED if runs else code
            continue
        try:
            if not dry_run:
                clean(found, settings.state_dir)
        except CrewError as exc:
            print_safe(f"crew: {exc}", file=sys.stderr)
            code = FAILED
            continue
        freed += found.bytes
        done = "would be removed" if dry_run else "removed"
        print_safe(f"{one.run}: {done}, {_size(found.bytes)}")
    word = "would be freed" if dry_run else "freed"
    print(f"{_size(freed)} {word}")
    return code


def _chosen(
    known: Sequence[ListedRun], names: Sequence[str], older: float | None
) -> list[ListedRun]:
    here = [run for run in known if run.is_there]
    if names:
        here = list(
            {run.run: run for run in (pick(here, name) for name in names)}.values()
        )
    age = _WEEK if older is None and not names else older
    latest = SystemClock().now() - (age or 0.0)
    return [run for run in here if run.started_at <= latest]


def _keep(found: Leftover) -> None:
    print_safe(f"{found.run.run}: stays", file=sys.stderr)
    for line in found.kept_for:
        print_safe(f"  {line}", file=sys.stderr)
    if not found.running:
        print_safe("  see crew apply, or remove it with --force", file=sys.stderr)


def _size(size: int) -> str:
    if size >= 1024**3:
        return f"{size / 1024**3:.1f} GB"
    return f"{size / 1024**2:.1f} MB"
