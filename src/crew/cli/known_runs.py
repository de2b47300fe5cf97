"""What the commands after a run share: which runs there are, and how old."""

import re

import click

from crew.cli.console import OUTPUT, print_notice
from crew.clock import SystemClock
from crew.journal import Journal, journal_file
from crew.runs.listing import ListedRun, listed
from crew.settings import Settings
from crew.settings.loader import load_tiers

_AGE = re.compile(r"(\d{1,6}) ?([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_EVERY = 100_000


class Age(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument
    """A stretch of time such as 7d, in seconds."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _AGE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no age; write 30m, 12h, 7d or 2w", param, ctx)
        return float(int(found[1]) * _SECONDS[found[2]])


def known_runs(config: str | None) -> tuple[Settings, list[ListedRun]]:
    """The settings, and all runs, newest first. Raises SettingsError and
    StoreUnavailable."""
    settings = load_tiers(config)
    path = journal_file(settings.state_dir)
    if not path.exists():
        return settings, listed((), OUTPUT)
    with Journal.open(path, SystemClock(), print_notice) as journal:
        return settings, listed(journal.runs(limit=_EVERY), OUTPUT)
