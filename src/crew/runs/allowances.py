"""How everything stands now: the counts of the store, and what the journal knows."""

from collections.abc import Sequence
from dataclasses import replace

from crew.guard import QuotaGuard
from crew.guard.paces import paces
from crew.journal import Journal
from crew.quota.store import PoolState
from crew.reports.allowances import allowances, holds
from crew.reports.board import Board, first_of_month, midnight
from crew.runs.directory import RUNNING, RunDirectory


def board(
    guard: QuotaGuard,
    journal: Journal | None,
    pools: Sequence[PoolState] | None = None,
) -> Board:
    """The board, by one look at the store and the journal; without a journal nothing
    was spent and nothing is forecast. `pools` are what the guard's `status` said, where
    somebody asked for it already. Raises StoreUnavailable."""
    pools = guard.status() if pools is None else pools
    now = guard.clock.now()
    recent = journal.recent() if journal is not None else ()
    known = paces(guard.settings, guard.pools, recent, now)
    today, month = midnight(now), first_of_month(now)
    made = Board(
        now=now,
        allowances=allowances(pools, known, now),
        holds=tuple(holds(pools, now)),
        today_since=today,
        month_since=month,
        waiting=sum(pool.waiting for pool in pools),
    )
    if journal is None:
        return made
    return replace(
        made,
        today=journal.spent_between(today, now),
        month=journal.spent_between(month, now),
        in_flight=_in_flight(journal),
    )


def _in_flight(journal: Journal) -> int:
    """The calls of runs that somebody works on: a process that was killed leaves open
    ones behind."""
    found = 0
    for run, calls in journal.in_flight().items():
        record = journal.run(run)
        if record is not None:
            status = RunDirectory(record.output).status(record.status)
            found += calls if status == RUNNING else 0
    return found
