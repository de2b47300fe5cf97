"""`crew status`."""

import json

import click

from crew.cli.console import DONE, clear_screen, print_notice, terminal_lines
from crew.cli.place import placed
from crew.clock import SystemClock
from crew.errors import SettingsError
from crew.guard import QuotaGuard
from crew.reports.document import status_document
from crew.reports.text import status_lines
from crew.settings import Settings
from crew.settings.loader import load_settings, load_tiers


@click.command(help="Show how full each limit is.")
@click.option("--watch", is_flag=True, help="Refresh every 2 seconds.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show the limits that do not fit the screen, too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def command(config: str | None, watch: bool, everything: bool, as_json: bool) -> int:
    """Print how full each limit is, once or again and again; returns the exit code."""
    guard = QuotaGuard.open(_settings(config), listener=print_notice)
    clock = SystemClock()
    try:
        while True:
            pools = guard.status()
            if as_json:
                print(json.dumps(status_document(pools, guard.held_plans()), indent=2))
            else:
                if watch:
                    clear_screen()
                height = None if everything else _height()
                plans = guard.held_plans()
                print(status_lines(pools, plans, now=clock.now(), height=height))
            if not watch:
                return DONE
            clock.sleep(2.0)
    finally:
        guard.close()


def _height() -> int | None:
    """How many lines fit on the terminal above the prompt; None where there is none."""
    lines = terminal_lines()
    return None if lines is None else lines - 1


def _settings(config: str | None) -> Settings:
    """The settings; without the roles where those are a project's of CrewAI's."""
    place = placed(config)
    try:
        return load_settings(place)
    except SettingsError:
        return load_tiers(place)
