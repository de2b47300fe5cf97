"""The journal of the runs that there were, for commands that only look."""

from collections.abc import Iterator
from contextlib import contextmanager

from crew.cli.console import argument_error, print_notice
from crew.cli.readiness import look_at_state
from crew.clock import SystemClock
from crew.journal import Journal, journal_file
from crew.settings import Settings


@contextmanager
def past_runs(settings: Settings, argument: str = "RUN") -> Iterator[Journal]:
    """The journal, open in the block. Raises SettingsError about that argument where
    there was no run yet, and StoreUnavailable."""
    look_at_state(settings.state_dir)
    path = journal_file(settings.state_dir)
    if not path.exists():
        raise argument_error(argument, f"there is no run yet in {settings.state_dir}/")
    with Journal.open(path, SystemClock(), print_notice) as journal:
        yield journal
