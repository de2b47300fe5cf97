"""The attempts as outcomes: what pass rates and prices are taken from."""

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crew.sqlite_file import Database

MOST = 5_000
"""How many of the latest attempts are read."""
COLUMNS = """
deployment, kind, complexity, at, number, task_trust, trust, verdict, cost_usd,
premium_usd, seconds, number > 1 AND fed_back AND EXISTS (
    SELECT 1 FROM attempt AS before WHERE before.run = attempt.run
    AND before.task = attempt.task AND before.number < attempt.number
    AND before.place = attempt.place
)
"""
"""What a try is made of, in this order."""
# The plus keeps SQLite from the index by run, which would read all rows to sort them.
_READ = f"""
SELECT {COLUMNS}
FROM attempt WHERE at >= ? AND +run IN (SELECT run FROM run WHERE NOT rehearsal)
ORDER BY id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt as an outcome. `number` counts the attempts at its task from 1;
    `is_retry`: the same step tried before, and it knew the reason. `task_trust` is the
    trust of the task's strongest gate, `trust` that of the gate that decided."""

    deployment: str
    kind: str | None
    complexity: str
    at: float
    number: int
    is_retry: bool
    task_trust: str
    trust: str
    passed: bool
    usd: Decimal | None
    premium_usd: Decimal | None
    seconds: float

    @property
    def is_further(self) -> bool:
        """Whether it was the first of its step at a task that another one failed."""
        return self.number > 1 and not self.is_retry


def read_tries(db: Database, since: float) -> list[Try]:
    """The latest attempts since then, in seconds since the epoch; rehearsals do not
    count."""
    return [one_try(row) for row in db.run(_READ, (since, MOST))]


def one_try(row: sqlite3.Row | tuple[Any, ...]) -> Try:
    """The try of a row of COLUMNS."""
    # Unpacked, not by name: a decision may read thousands.
    (
        deployment, kind, complexity, at, number, task_trust, trust, verdict, usd,
        premium, seconds, is_retry,
    ) = row  # fmt: skip
    return Try(
        deployment=deployment,
        kind=kind,
        complexity=complexity,
        at=at,
        number=number,
        is_retry=bool(is_retry),
        task_trust=task_trust,
        trust=trust,
        passed=verdict == "passed",
        usd=None if usd is None else Decimal(usd),
        premium_usd=None if premium is None else Decimal(premium),
        seconds=seconds,
    )
