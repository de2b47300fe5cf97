"""A stretch of time in the journal: its runs, tasks, attempts and calls."""

from collections.abc import Sequence
from dataclasses import dataclass

from crew.journal.attempts import AttemptRecord, attempt_record
from crew.journal.records import (
    CallRecord,
    RunRecord,
    TaskRecord,
    call_record,
    run_record,
)
from crew.journal.spending import QUARTER, read_spent
from crew.sqlite_file import Database

CALLS_BY_TIME = "CREATE INDEX call_at ON call (at);"
_REAL = "run IN (SELECT run FROM run WHERE NOT rehearsal)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What happened from `since` up to `until`, in seconds since the epoch; rehearsals
    do not count. Runs are those that began in it, tasks those that ended in it.
    `removed` counts calls that the journal no longer has."""

    since: float
    until: float
    runs: Sequence[RunRecord]
    tasks: Sequence[TaskRecord]
    attempts: Sequence[AttemptRecord]
    calls: Sequence[CallRecord]
    removed: int = 0


def read_stretch(db: Database, since: float, until: float) -> Stretch:
    """Read it, oldest first. Raises StoreUnavailable."""
    times = (since, until)
    calls = [call_record(row) for row in db.run(_between("call"), times)]
    # Whole quarters alone have sums.
    begin = -(-since // QUARTER) * QUARTER
    here = sum(call.at >= begin for call in calls)
    return Stretch(
        since=since,
        until=until,
        runs=[
            run_record(row)
            for row in db.run(
                "SELECT * FROM run WHERE NOT rehearsal AND removed_at IS NULL "
                "AND started_at >= ? AND started_at < ? ORDER BY rowid",
                times,
            )
        ],
        tasks=[
            TaskRecord(**dict(row))
            for row in db.run(
                f"SELECT * FROM task WHERE {_REAL} AND finished_at >= ? "
                "AND finished_at < ? ORDER BY rowid",
                times,
            )
        ],
        attempts=[attempt_record(row) for row in db.run(_between("attempt"), times)],
        calls=calls,
        removed=max(0, read_spent(db, begin, until).calls - here),
    )


def _between(table: str) -> str:
    return f"SELECT * FROM {table} WHERE {_REAL} AND at >= ? AND at < ? ORDER BY id"
