"""`crew status`."""

import argparse
import json

from crew.cli.console import DONE, clear_screen, print_notice
from crew.cli.place import placed
from crew.clock import SystemClock
from crew.errors import SettingsError
from crew.guard import QuotaGuard
from crew.reports.document import status_document
from crew.reports.text import status_lines
from crew.settings import Settings
from crew.settings.loader import load_settings, load_tiers


def status(options: argparse.Namespace) -> int:
    """Print how full each limit is, once or again and again; returns the exit code."""
    guard = QuotaGuard.open(_settings(options), listener=print_notice)
    clock = SystemClock()
    try:
        while True:
            pools = guard.status()
            if options.json:
                print(json.dumps(status_document(pools, guard.held_plans()), indent=2))
            else:
                if options.watch:
                    clear_screen()
                print(status_lines(pools, guard.held_plans(), now=clock.now()))
            if not options.watch:
                return DONE
            clock.sleep(2.0)
    finally:
        guard.close()


def _settings(options: argparse.Namespace) -> Settings:
    """The settings; without the roles where those are a project's of CrewAI's."""
    place = placed(options.config)
    try:
        return load_settings(place)
    except SettingsError:
        return load_tiers(place)
