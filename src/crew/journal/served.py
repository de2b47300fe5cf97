"""How long calls took, and what tries said, since a row that somebody read before."""

from dataclasses import dataclass

from crew.journal.tries import COLUMNS, Try, one_try
from crew.regression.signals import FAULTS
from crew.sqlite_file import Database

MOST = 5_000
"""How many of the latest rows are read at once."""
_SLOW = (*FAULTS, "Unreachable")
"""Failures that a caller waits for as for an answer."""
# The plus keeps SQLite from the index by run, which would read all rows to sort them.
_CALLS = f"""
SELECT id, deployment, input_tokens, output_tokens, seconds, outcome, at FROM call
WHERE id > ? AND outcome IN ('ok', {", ".join(f"'{one}'" for one in _SLOW)})
AND +run IN (SELECT run FROM run WHERE NOT rehearsal) ORDER BY id DESC LIMIT {MOST}
"""
_TRIES = f"""
SELECT id, {COLUMNS}
FROM attempt WHERE id > ? AND +run IN (SELECT run FROM run WHERE NOT rehearsal)
ORDER BY id DESC LIMIT {MOST}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCall:
    """The size of a call, and how long a deployment took for it, `at` in seconds since
    the epoch. `failed`: it gave no answer."""

    deployment: str
    input_tokens: int
    output_tokens: int = 0
    seconds: float
    failed: bool
    at: float


def read_calls(db: Database, after: int) -> tuple[int, list[ServedCall]]:
    """The calls after a row, oldest first, and the last row; at most the latest."""
    rows = db.run(_CALLS, (after,))
    calls = [
        ServedCall(
            deployment=row["deployment"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            seconds=row["seconds"],
            failed=row["outcome"] != "ok",
            at=row["at"],
        )
        for row in reversed(rows)
    ]
    return (rows[0]["id"] if rows else after), calls


def read_tries_after(db: Database, after: int) -> tuple[int, list[Try]]:
    """As `read_calls`, of the attempts at tasks."""
    rows = db.run(_TRIES, (after,))
    tries = [one_try(row[1:]) for row in reversed(rows)]
    return (rows[0]["id"] if rows else after), tries
