"""`crew status`."""

import argparse
import json

from crew.cli.console import DONE, print_notice
from crew.clock import SystemClock
from crew.guard import QuotaGuard
from crew.reports.document import status_document
from crew.reports.text import status_lines
from crew.settings.loader import load_settings


def status(options: argparse.Namespace) -> int:
    """Print how full each limit is, once or again and again; returns the exit code."""
    guard = QuotaGuard.open(load_settings(options.config), listener=print_notice)
    clock = SystemClock()
    try:
        while True:
            pools = guard.status()
            if options.json:
                print(json.dumps(status_document(pools, guard.held_plans()), indent=2))
            else:
                if options.watch:
                    print("\033[2J\033[H", end="")
                print(status_lines(pools, guard.held_plans(), now=clock.now()))
            if not options.watch:
                return DONE
            clock.sleep(2.0)
    finally:
        guard.close()
