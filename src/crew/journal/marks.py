"""What people think of answers: one mark of each person for each task of a run."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from crew.sqlite_file import Database

MOST = 10_000
"""How many of the latest answers are looked at."""
SKIPPED = 0
"""The mark of an answer that somebody did not want to mark."""

MARKS = """
CREATE TABLE mark (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, task TEXT NOT NULL, user TEXT NOT NULL,
    at REAL NOT NULL, deployment TEXT NOT NULL, kind TEXT, complexity TEXT NOT NULL,
    mark INTEGER NOT NULL, why TEXT NOT NULL, UNIQUE (run, task, user)
);
"""
_ADD = """
INSERT OR IGNORE INTO mark
    (run, task, user, at, deployment, kind, complexity, mark, why)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
_ANSWERED = """
SELECT attempt.run, attempt.task, attempt.number, attempt.deployment, attempt.kind,
    attempt.complexity, run.output
FROM attempt JOIN run ON run.run = attempt.run AND NOT run.rehearsal
JOIN task ON task.run = attempt.run AND task.name = attempt.task
    AND task.status != 'failed'
WHERE attempt.at >= ? AND attempt.deployment != '' AND NOT EXISTS (
    SELECT 1 FROM attempt AS later WHERE later.run = attempt.run
    AND later.task = attempt.task AND later.number > attempt.number
) ORDER BY attempt.id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A task that is done, and who did it last. `output` is the directory of its
    run."""

    run: str
    task: str
    number: int
    deployment: str
    kind: str | None
    complexity: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRecord:
    """One mark, from 1 (useless) to 5 (as if I had written it); `SKIPPED` is none.
    `why` is the person's own words, without secrets. `at` is in seconds since the
    epoch."""

    run: str
    task: str
    user: str
    at: float
    deployment: str
    kind: str | None
    complexity: str
    mark: int
    why: str


class MarkTable:
    """The marks of one journal. Every method raises StoreUnavailable when it cannot
    work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def answered(self, since: float) -> list[Answered]:
        """The tasks that are done since then, newest first; rehearsals do not
        count."""
        rows = self._db.run(_ANSWERED, (since, MOST))
        return [Answered(**_values(row)) for row in rows]

    def add(self, made: MarkRecord) -> bool:
        """Keep a mark; whether that person had none for the task."""
        return bool(
            self._db.run(
                _ADD,
                (
                    made.run,
                    made.task,
                    made.user,
                    made.at,
                    made.deployment,
                    made.kind,
                    made.complexity,
                    made.mark,
                    made.why,
                ),
            )
        )

    def since(self, moment: float) -> list[MarkRecord]:
        """The marks since then, oldest first, with those that were skipped."""
        rows = self._db.run("SELECT * FROM mark WHERE at >= ? ORDER BY id", (moment,))
        return [MarkRecord(**_values(row, but="id")) for row in rows]


def _values(row: sqlite3.Row, but: str = "") -> dict[str, Any]:
    return {name: value for name, value in dict(row).items() if name != but}
