"""What the journal no longer keeps: the calls of old runs, then the runs.

A run that is removed has no calls, and nobody finds it any more; its attempts stay
while pass rates, prices and experiments are taken from them. Sums of what was spent
stay for ever. Each step takes milliseconds: whoever writes meanwhile hardly waits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crew.journal.records import RunRecord, run_record
from crew.sqlite_file import Database

RETENTION = """
ALTER TABLE run ADD COLUMN removed_at REAL;
ALTER TABLE run ADD COLUMN kept_at REAL;
"""
STEP = 500
"""Rows that are removed in one step."""
PAGES = 256
"""Pages that the file gives back in one step."""
_DUE = """
SELECT * FROM run WHERE started_at < :before AND COALESCE(finished_at, 0) < :before
    AND COALESCE(kept_at, 0) NOT BETWEEN :checked AND :now
    AND (removed_at IS NULL OR EXISTS (SELECT 1 FROM call WHERE call.run = run.run))
    AND NOT EXISTS (
        SELECT 1 FROM call WHERE call.run = run.run AND call.at >= :before
    )
ORDER BY kept_at, rowid LIMIT :most
"""
_FORGOTTEN = """
SELECT run FROM run WHERE removed_at IS NOT NULL AND started_at < :before
    AND (rehearsal OR started_at < :rates)
    AND NOT EXISTS (SELECT 1 FROM call WHERE call.run = run.run)
    AND (rehearsal OR NOT EXISTS (
        SELECT 1 FROM attempt WHERE attempt.run = run.run
        AND (experiment != '' OR at >= :rates)
    ))
LIMIT :most
"""
_WITH_A_RUN = ("open_call", "approval")
_WITH_ITS_ATTEMPTS = ("mark", "task", "attempt", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in the file. `rows` are counted by table; `oldest` is when the first
    run began, in seconds since the epoch. `free_bytes` of the file hold nothing;
    `shrinks`: they can be given back page by page."""

    format: int
    bytes: int
    free_bytes: int
    shrinks: bool
    rows: Mapping[str, int]
    oldest: float | None


class RetentionTable:
    """The old rows of one journal. Every method raises StoreUnavailable when it cannot
    work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def due(
        self, before: float, *, checked: float, now: float, most: int
    ) -> list[RunRecord]:
        """Runs of which nothing is newer than `before`, without those that were
        needed when they were looked at, since `checked`; those that were not looked at
        for longest come first."""
        values: dict[str, object] = {
            "before": before,
            "checked": checked,
            "now": now,
            "most": most,
        }
        return [run_record(row) for row in self._db.run(_DUE, values)]

    def keep(self, run: str, now: float) -> None:
        """Note that a run is needed, so that others are looked at first."""
        self._db.run("UPDATE run SET kept_at = ? WHERE run = ?", (now, run))

    def remove(self, run: str, now: float) -> Iterator[int]:
        """Remove the calls of a run, step by step; yields how many each step
        removed. One that is broken off goes on the next time."""
        self._db.run("UPDATE run SET removed_at = ? WHERE run = ?", (now, run))
        for table in _WITH_A_RUN:
            self._db.run(f"DELETE FROM {table} WHERE run = ?", (run,))
        while gone := self._db.run(
            "DELETE FROM call WHERE id IN (SELECT id FROM call WHERE run = ? LIMIT ?) "
            "RETURNING 1",
            (run, STEP),
        ):
            yield len(gone)

    def forget(self, before: float, rates_before: float) -> Iterator[int]:
        """Remove what is left of removed runs, run by run: of those without an attempt
        since `rates_before`, and of rehearsals that began before the first moment.
        Runs with an attempt of an experiment stay."""
        values: dict[str, object] = {
            "before": before,
            "rates": rates_before,
            "most": STEP,
        }
        while runs := self._db.run(_FORGOTTEN, values):
            for (run,) in runs:
                for table in _WITH_ITS_ATTEMPTS:
                    self._db.run(f"DELETE FROM {table} WHERE run = ?", (run,))
                yield 1

    def shrink(self) -> Iterator[int]:
        """Give pages that hold nothing back to the disk, step by step; yields how many
        are left. A file of an older version has to be rewritten first."""
        before = 0
        while (left := self._number("freelist_count")) and self._shrinks:
            if left == before:
                return  # another process holds them
            yield left
            before = left
            self._db.run(f"PRAGMA incremental_vacuum({PAGES})", ())

    def rewrite(self) -> None:
        """Write the file anew, without what holds nothing; from then on it shrinks.
        Who writes meanwhile waits."""
        self._db.run("PRAGMA auto_vacuum = INCREMENTAL", ())
        self._db.run("VACUUM", ())

    def settle(self) -> None:
        """Let the file on the disk be as short as it can be, if nobody reads it now."""
        self._db.run("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def contents(self) -> Contents:
        """What is in the file."""
        tables = [
            str(row[0])
            for row in self._db.run(
                "SELECT name FROM sqlite_schema WHERE type = 'table' "
                "AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
                (),
            )
        ]
        rows = {}
        for table in tables:
            here = " WHERE removed_at IS NULL" if table == "run" else ""
            (row,) = self._db.run(f"SELECT COUNT(*) FROM {table}{here}", ())
            rows[table] = int(row[0])
        (row,) = self._db.run(
            "SELECT MIN(started_at) FROM run WHERE removed_at IS NULL", ()
        )
        size = self._number("page_size")
        return Contents(
            format=self._number("user_version"),
            bytes=size * self._number("page_count"),
            free_bytes=size * self._number("freelist_count"),
            shrinks=self._shrinks,
            rows=rows,
            oldest=row[0],
        )

    @property
    def _shrinks(self) -> bool:
        return self._number("auto_vacuum") == 2

    def _number(self, pragma: str) -> int:
        (row,) = self._db.run(f"PRAGMA {pragma}", ())
        return int(row[0])
