"""`crew status`."""

import json

import click

from crew.cli.console import (
    DONE,
    clear_screen,
    print_notice,
    print_safe,
    terminal_lines,
)
from crew.cli.place import placed
from crew.cli.settings_of import settings_or_tiers
from crew.clock import Clock, SystemClock
from crew.guard import QuotaGuard
from crew.journal import Journal, journal_file
from crew.journal.alerts import AlertRecord
from crew.reports.alerts import MOST, alert_documents, alert_lines
from crew.reports.benches import (
    bench_documents,
    bench_lines,
    regression_documents,
    regression_lines,
)
from crew.reports.board import Board, board_document
from crew.reports.document import status_document
from crew.reports.text import status_lines
from crew.runs.allowances import board
from crew.runs.regressions import ALERT as REGRESSION
from crew.runs.regressions import standing_regressions
from crew.settings import Settings


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
    settings, clock = settings_or_tiers(placed(config)), SystemClock()
    guard = QuotaGuard.open(settings, listener=print_notice)
    try:
        while True:
            pools, plans = guard.status(), guard.held_plans()
            benches, worse = guard.benches.standing(), standing_regressions(settings)
            alerts = _open_alerts(settings, clock)
            if as_json:
                document = status_document(pools, plans)
                document.update(board_document(_board(guard)))
                document["benches"] = bench_documents(benches)
                document["regressions"] = regression_documents(worse)
                document["alerts"] = alert_documents(alerts)
                print(json.dumps(document, indent=2))
            else:
                if watch:
                    clear_screen()
                height = None if everything else _height()
                now = clock.now()
                notes = [
                    *alert_lines(alerts, None if everything else MOST),
                    *bench_lines(benches, now),
                    *regression_lines(worse),
                ]
                print_safe(
                    status_lines(pools, plans, now=now, height=height, notes=notes)
                )
            if not watch:
                return DONE
            clock.sleep(2.0)
    finally:
        guard.close()


def _height() -> int | None:
    """How many lines fit on the terminal above the prompt; None where there is none."""
    lines = terminal_lines()
    return None if lines is None else lines - 1


def _board(guard: QuotaGuard) -> Board:
    path = journal_file(guard.settings.state_dir)
    if not path.exists():
        return board(guard, None)
    with Journal.open(path, guard.clock, print_notice) as journal:
        return board(guard, journal)


def _open_alerts(settings: Settings, clock: Clock) -> list[AlertRecord]:
    """But for regressions: the lines about them know when a bench ended."""
    path = journal_file(settings.state_dir)
    if not path.exists():
        return []
    with Journal.open(path, clock, print_notice) as journal:
        alerts = journal.alerts.open(clock.now())
    return [one for one in alerts if one.kind != REGRESSION]
