"""`crew attach`: watch a run of another process."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from crew.cli.console import DONE, argument_error, print_safe
from crew.cli.following import Follower, follower
from crew.cli.known_runs import known_runs
from crew.cli.live.controls import budget_of_run
from crew.cli.live.view import LiveView
from crew.cli.signals import stoppable
from crew.clock import Clock, SystemClock
from crew.progress.events import Event, RunEnded
from crew.progress.log import LogReader
from crew.runs.listing import pick

LOOK_SECONDS = 0.2


@click.command(help="Watch a run that another process works on (default: the latest).")
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--view",
    type=click.Choice(["live", "lines"]),
    help="Lines alone, or with the board below them (default: the board on a "
    "terminal).",
)
@click.pass_obj
def command(config: str | None, run: str | None, view: str | None) -> int:
    """Show the events of a run until it ends; returns the exit code."""
    settings, runs = known_runs(config)
    found = pick(runs, run)
    path = found.directory.events
    if not path.exists():
        raise argument_error("RUN", f"{found.run} has no events: {path} is not there")
    clock = SystemClock()
    shown = follower(view=view, elsewhere=True)
    if isinstance(shown, LiveView):
        shown.budget = budget_of_run(settings)
    status = _watch(shown, path, clock)
    print_safe(f"run {found.run}: {status}")
    return DONE


def _watch(shown: Follower, path: Path, clock: Clock) -> str:
    """Show the events up to the end of the run; returns how it ended."""
    status = "still running"
    try:
        with stoppable():
            for event in _followed(path, clock):
                shown(event)
                if isinstance(event, RunEnded):
                    status = event.status
    except KeyboardInterrupt:
        pass  # the run goes on without a spectator
    finally:
        shown.release()
        sys.stderr.flush()
    return status


def _followed(path: Path, clock: Clock) -> Iterator[Event]:
    """The events of the file, and those that come, until the run has ended. A run may
    have been resumed: an end counts when nothing stands behind it."""
    log = LogReader(path)
    while True:
        # Asked before: what is written meanwhile is read by the next look.
        is_gone = not path.exists()
        ends = is_gone or _ends(path)
        with suppress(FileNotFoundError):
            yield from log.new()
        if is_gone or (ends and log.is_whole):
            return
        clock.sleep(LOOK_SECONDS)


def _ends(path: Path) -> bool:
    """Whether the last whole line is the end of a run."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_536))
        last = file.read().splitlines()[-1:] or [b""]
    return b'"type":"run_ended"' in last[0]
