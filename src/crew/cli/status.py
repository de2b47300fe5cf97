"""`crew status`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from crew.cli.console import (
    DONE,
    clear_screen,
    draws_blocks,
    print_notice,
    print_safe,
    terminal_lines,
    terminal_width,
)
from crew.cli.place import placed
from crew.cli.readiness import look_at_state
from crew.cli.settings_of import settings_or_tiers
from crew.clock import Clock, SystemClock
from crew.guard import Bench, QuotaGuard
from crew.journal import Journal, RegressionRecord, journal_file
from crew.journal.alerts import AlertRecord
from crew.quota.store import PlanState, PoolState
from crew.reports.alerts import MOST, alert_documents, alert_lines
from crew.reports.benches import (
    bench_documents,
    bench_lines,
    regression_documents,
    regression_lines,
)
from crew.reports.board import Board, board_document
from crew.reports.board_text import board_text
from crew.reports.document import status_document
from crew.runs.alerting import open_alerts
from crew.runs.allowances import board
from crew.runs.regressions import standing_regressions
from crew.settings import Settings

SECONDS = 2.0
"""How often `--watch` looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One look at everything. `alerts` are without those of regressions: `worse` knows
    when a bench ended."""

    board: Board
    pools: list[PoolState]
    plans: dict[str, PlanState]
    benches: list[Bench]
    worse: list[RegressionRecord]
    alerts: list[AlertRecord]

    def document(self) -> dict[str, object]:
        """Everything as JSON."""
        return {
            **status_document(self.pools, self.plans),
            **board_document(self.board),
            "benches": bench_documents(self.benches),
            "regressions": regression_documents(self.worse),
            "alerts": alert_documents(self.alerts),
        }

    def text(self, *, everything: bool) -> str:
        """Everything, or what fits the terminal."""
        notes = [
            *alert_lines(self.alerts, None if everything else MOST),
            *bench_lines(self.benches, self.board.now),
            *regression_lines(self.worse),
        ]
        lines = terminal_lines()
        return board_text(
            self.board,
            plans=self.plans,
            notes=notes,
            width=terminal_width(),
            # The prompt needs a line, too.
            height=None if everything or lines is None else lines - 1,
            blocks=draws_blocks(),
        )


@click.command(
    help="Show what is left of each limit, what was spent, and what is closed."
)
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
    """Print how everything stands, once or again and again; returns the exit code."""
    settings, clock = settings_or_tiers(placed(config)), SystemClock()
    while True:
        with _guard(settings) as guard, _journal(settings, clock) as journal:
            seen = _look(guard, journal)
        if as_json:
            print(json.dumps(seen.document(), indent=2))
        else:
            text = seen.text(everything=everything)
            if watch:
                clear_screen()
            print_safe(text)
        if not watch:
            return DONE
        clock.sleep(SECONDS)


def _look(guard: QuotaGuard, journal: Journal | None) -> _Seen:
    alerts, worse = list[AlertRecord](), list[RegressionRecord]()
    now = guard.clock.now()
    if journal is not None:
        alerts = open_alerts(guard.settings, journal, now)
        worse = standing_regressions(journal, now)
    pools = guard.status()
    return _Seen(
        board=board(guard, journal, pools),
        pools=pools,
        plans=guard.held_plans(),
        benches=guard.benches.standing(),
        worse=worse,
        alerts=alerts,
    )


@contextmanager
def _guard(settings: Settings) -> Iterator[QuotaGuard]:
    """What knows the limits. Nothing is made by a look: where no run has counted yet,
    nothing is used."""
    look_at_state(settings.state_dir)
    kind, _, path = settings.store_url.partition("sqlite:///")
    if not kind and not Path(path).exists():
        settings = replace(settings, store_url="memory:")
    guard = QuotaGuard.open(settings, listener=print_notice)
    try:
        yield guard
    finally:
        guard.close()


@contextmanager
def _journal(settings: Settings, clock: Clock) -> Iterator[Journal | None]:
    """The journal, where there is one."""
    path = journal_file(settings.state_dir)
    if not path.exists():
        yield None
        return
    with Journal.open(path, clock, print_notice) as journal:
        yield journal
