"""The attempts at tasks: who tried, what decided it, and what it took.

Metadata only: of a reason its hash, of a prompt its hash.
"""

import sqlite3
from dataclasses import dataclass, fields
from decimal import Decimal
from statistics import median
from typing import Any

from crew.journal.tries import Try, read_tries
from crew.sqlite_file import Database

LATEST = 200
"""How many of the latest attempts a median is taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt at a task, by the last deployment that answered in it.

    `number` counts the attempts at the task from 1; `place` is the index of the
    ladder's `step`. `prompt` and `reason_hash` are hashes. `gate`, `trust`, `verdict`
    are those of the gate that decided: the one that refused it, or the strongest that
    it passed. `fed_back`: it knew the reason of the one before; `why` it was made.
    `cost_usd` is None when nobody knows it; `premium_usd` is what its tokens would
    have cost at the premium. `p`, `c`, `rest` are the pass rate, the price and the
    price of going on without it that the ladder used; None: it went by the YAML.
    `task_trust` is the trust of the task's strongest gate. `prompt_style` is how the
    prompt was worded; `complexity_reason` says where the complexity comes from.
    `experiment` and `arm` are
    empty for a task that is in none; `pair` names a comparison of one task at several
    arms, and `left_out` says why the attempt does not count for its arm.
    """

    run: str
    task: str
    number: int
    at: float
    kind: str | None
    complexity: str
    step: str
    place: int
    deployment: str
    prompt: str
    gate: str
    trust: str
    verdict: str
    reason_hash: str
    fed_back: bool
    why: str
    cost_usd: Decimal | None
    premium_usd: Decimal | None
    seconds: float
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    is_free: bool
    cut_off: bool
    p: Decimal | None = None
    c: Decimal | None = None
    rest: Decimal | None = None
    task_trust: str = ""
    prompt_style: str = ""
    complexity_reason: str = ""
    experiment: str = ""
    arm: str = ""
    pair: str = ""
    left_out: str = ""


ATTEMPTS = """
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, task TEXT NOT NULL,
    number INTEGER NOT NULL, at REAL NOT NULL, kind TEXT, complexity TEXT NOT NULL,
    step TEXT NOT NULL, place INTEGER NOT NULL, deployment TEXT NOT NULL,
    prompt TEXT NOT NULL, gate TEXT NOT NULL, trust TEXT NOT NULL,
    verdict TEXT NOT NULL, reason_hash TEXT NOT NULL, fed_back INTEGER NOT NULL,
    why TEXT NOT NULL, cost_usd TEXT, premium_usd TEXT, seconds REAL NOT NULL,
    calls INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    is_free INTEGER NOT NULL, cut_off INTEGER NOT NULL, p TEXT, c TEXT, rest TEXT,
    UNIQUE (run, task, number)
);
CREATE INDEX attempt_of_kind ON attempt (kind, deployment);
"""
TASK_TRUST = """
ALTER TABLE attempt ADD COLUMN task_trust TEXT NOT NULL DEFAULT '';
CREATE INDEX attempt_at ON attempt (at);
"""
WORK = """
ALTER TABLE attempt ADD COLUMN prompt_style TEXT NOT NULL DEFAULT '';
ALTER TABLE attempt ADD COLUMN complexity_reason TEXT NOT NULL DEFAULT '';
"""
_FIELDS = tuple(field.name for field in fields(AttemptRecord))
_ADD = (
    f"INSERT OR REPLACE INTO attempt ({', '.join(_FIELDS)}) "
    f"VALUES ({', '.join(f':{name}' for name in _FIELDS)})"
)
_MONEY = ("cost_usd", "premium_usd", "p", "c", "rest")
_FLAGS = ("fed_back", "is_free", "cut_off")
_REAL = "run IN (SELECT run FROM run WHERE NOT rehearsal)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalations:
    """What was escalated since a moment: `failed` tasks that failed at their first
    step, how many of them went on to another, and the US dollars of those attempts."""

    failed: int
    escalated: int
    usd: Decimal


class AttemptTable:
    """The attempts of one journal. Every method raises StoreUnavailable when it cannot
    work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, attempt: AttemptRecord) -> None:
        """Add an attempt; one with the same number is replaced."""
        values = {name: getattr(attempt, name) for name in _FIELDS}
        for name in _MONEY:
            values[name] = None if values[name] is None else str(values[name])
        self._db.run(_ADD, values)

    def of(self, run: str) -> list[AttemptRecord]:
        """The attempts of a run, in the order in which they ended."""
        rows = self._db.run("SELECT * FROM attempt WHERE run = ? ORDER BY id", (run,))
        return [attempt_record(row) for row in rows]

    def latest(self, limit: int) -> list[AttemptRecord]:
        """The latest attempts, oldest first; rehearsals do not count."""
        rows = self._db.run(
            f"SELECT * FROM attempt WHERE {_REAL} ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [attempt_record(row) for row in reversed(rows)]

    def tries(self, since: float) -> list[Try]:
        """The latest attempts as outcomes, since then in seconds since the epoch;
        rehearsals do not count."""
        return read_tries(self._db, since)

    def median_calls(self, kind: str | None) -> float | None:
        """How many calls an attempt at this kind of work takes that passes, `any` for
        every kind; None without one."""
        rows = self._db.run(
            f"SELECT calls FROM attempt WHERE verdict = 'passed' AND (kind IS ? OR "
            f"? = 'any') AND "
            f"{_REAL} ORDER BY id DESC LIMIT ?",
            (kind, kind, LATEST),
        )
        return median(row[0] for row in rows) if rows else None

    def escalations(self, since: float) -> Escalations:
        """What was escalated since then, in seconds since the epoch."""
        (row,) = self._db.run(
            "SELECT COUNT(DISTINCT CASE WHEN place = 0 AND verdict = 'failed' "
            "THEN run || '/' || task END), COUNT(DISTINCT CASE WHEN place > 0 "
            "THEN run || '/' || task END), SUM(CASE WHEN place > 0 "
            f"THEN CAST(cost_usd AS REAL) END) FROM attempt WHERE {_REAL} AND at >= ?",
            (since,),
        )
        return Escalations(
            failed=int(row[0]), escalated=int(row[1]), usd=Decimal(str(row[2] or 0))
        )


def attempt_record(row: sqlite3.Row) -> AttemptRecord:
    """The attempt of a row."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    for name in _MONEY:
        if values[name] is not None:
            values[name] = Decimal(values[name])
    for name in _FLAGS:
        values[name] = bool(values[name])
    return AttemptRecord(**values)
