"""The regressions that were found, and the outcomes that they are found in."""

import sqlite3
from dataclasses import dataclass

from crew.regression import Outcome, Served, Signal
from crew.regression.detector import WHOLE
from crew.regression.signals import FAULTS
from crew.sqlite_file import Database

CALLS = 6_000
"""How many of the latest calls of a deployment are read."""

REGRESSIONS = """
CREATE TABLE regression (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, deployment TEXT NOT NULL, kind TEXT,
    signal TEXT NOT NULL, text TEXT NOT NULL, before REAL NOT NULL, after REAL NOT NULL,
    began_at REAL NOT NULL, outcomes INTEGER NOT NULL, ended_at REAL,
    ended TEXT NOT NULL DEFAULT ''
);
CREATE TABLE bench (
    id INTEGER PRIMARY KEY, deployment TEXT NOT NULL, at REAL NOT NULL,
    until REAL NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX call_of_deployment ON call (deployment);
"""
_REAL = "run IN (SELECT run FROM run WHERE NOT rehearsal)"
_GATES = f"""
SELECT at, complexity || ' ' || task_trust AS place, verdict = 'passed' AS good
FROM attempt
WHERE deployment = ? AND kind IS ? AND number = 1 AND at > ? AND {_REAL}
    AND (verdict = 'failed' OR (gate != '' AND trust = task_trust))
ORDER BY id DESC LIMIT {WHOLE}
"""
_SERVED = f"""
SELECT MAX(one.at) AS at, first.complexity AS place,
    SUM(one.outcome = 'ok') AS answers,
    SUM(one.outcome IN ({", ".join(f"'{name}'" for name in FAULTS)})) AS faults,
    SUM(CASE WHEN one.outcome = 'ok' THEN one.seconds ELSE 0 END) AS seconds,
    SUM(CASE WHEN one.outcome = 'ok' THEN one.output_tokens ELSE 0 END) AS written
FROM (SELECT * FROM call WHERE deployment = ? ORDER BY id DESC LIMIT {CALLS}) AS one
JOIN attempt AS first ON first.run = one.run AND first.task = one.task
    AND first.number = 1
WHERE first.kind IS ? AND one.at > ? AND one.{_REAL}
GROUP BY one.run, one.task ORDER BY MAX(one.id) DESC LIMIT {WHOLE}
"""
_ADD = """
INSERT INTO regression
    (at, deployment, kind, signal, text, before, after, began_at, outcomes)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS (
    SELECT 1 FROM regression WHERE deployment = ?2 AND kind IS ?3 AND signal = ?4
    AND (ended_at IS NULL OR at >= ?8)
) RETURNING *
"""
_STANDING = "SELECT * FROM regression WHERE ended_at IS NULL ORDER BY id"
_END = """
UPDATE regression SET ended_at = ?, ended = ? WHERE id = ? AND ended_at IS NULL
RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionRecord:
    """A regression that was found: of which deployment at which kind of work, in what,
    since when. Times are in seconds since the epoch. It stands until `ended_at`;
    `ended` says why it ended. `before` and `after` are shares of good outcomes."""

    id: int
    at: float
    deployment: str
    kind: str | None
    signal: Signal
    text: str
    before: float
    after: float
    began_at: float
    outcomes: int
    ended_at: float | None = None
    ended: str = ""

    @property
    def key(self) -> str:
        """Its name, which no other regression has."""
        return f"regression:{self.deployment}:{self.kind or ''}:{self.signal}:{self.id}"


class RegressionTable:
    """The regressions of one journal. Every method raises StoreUnavailable when it
    cannot work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def gates(self, deployment: str, kind: str | None, since: float) -> list[Outcome]:
        """What the gates found of the latest first attempts, oldest first, since then.

        First attempts alone: a later one works on what another failed, and that is
        harder the better the other one got. Rehearsals do not count.
        """
        rows = self._db.run(_GATES, (deployment, kind, since))
        return [
            Outcome(good=bool(row["good"]), at=row["at"], group=row["place"])
            for row in reversed(rows)
        ]

    def served(self, deployment: str, kind: str | None, since: float) -> list[Served]:
        """What it did in the latest tasks, oldest first, since then."""
        rows = self._db.run(_SERVED, (deployment, kind, since))
        return [
            Served(
                at=row["at"],
                group=row["place"],
                answers=row["answers"],
                faults=row["faults"],
                seconds=row["seconds"],
                output_tokens=row["written"],
            )
            for row in reversed(rows)
        ]

    def add(self, found: RegressionRecord) -> RegressionRecord | None:
        """Note a regression; None when it is known, as somebody else found it too. Its
        `id` is given here."""
        rows = self._db.run(
            _ADD,
            (
                found.at,
                found.deployment,
                found.kind,
                str(found.signal),
                found.text,
                found.before,
                found.after,
                found.began_at,
                found.outcomes,
            ),
        )
        return _record(rows[0]) if rows else None

    def standing(self) -> list[RegressionRecord]:
        """Those that have not ended, oldest first."""
        return [_record(row) for row in self._db.run(_STANDING, ())]

    def end(self, found: RegressionRecord, why: str, now: float) -> bool:
        """Note that one has ended; whether it stood until now."""
        return bool(self._db.run(_END, (now, why, found.id)))

    def benched(self, deployment: str, until: float, reason: str, now: float) -> None:
        """Note that a deployment is out of use until then; a time that has passed: its
        bench was lifted. The outcomes before that count no more."""
        self._db.run(
            "INSERT INTO bench (deployment, at, until, reason) VALUES (?, ?, ?, ?)",
            (deployment, now, until, reason),
        )

    def begins(
        self,
        deployment: str,
        kind: str | None,
        signal: Signal,
        *,
        bench_end: float | None = None,
    ) -> float:
        """Since when outcomes count: since the latest regression, and since the end of
        the latest bench (`bench_end`, or as this journal knows it); 0 without either.
        """
        (row,) = self._db.run(
            "SELECT MAX((SELECT COALESCE(MAX(at), 0) FROM regression WHERE "
            "deployment = ?1 AND kind IS ?2 AND signal = ?3), COALESCE(?4, (SELECT "
            "until FROM bench WHERE deployment = ?1 ORDER BY id DESC LIMIT 1), 0))",
            (deployment, kind, str(signal), bench_end),
        )
        return float(row[0])


def _record(row: sqlite3.Row) -> RegressionRecord:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row is none
    return RegressionRecord(**values | {"signal": Signal(values["signal"])})
