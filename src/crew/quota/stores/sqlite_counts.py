"""What one step in SQLite reads of its limits and pools, and writes back."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from crew.quota.admission import UNTHROTTLED, Throttle
from crew.quota.limits import NANO, Charges, Limit, Pool, Usage, WindowKind
from crew.quota.store import LEARNED_SECONDS

Ids = Callable[[str, Limit], int]
"""The id of a limit of a pool."""

ADD_CHARGE = """
INSERT INTO charge (limit_id, expires_at, amount) VALUES (?, ?, ?)
ON CONFLICT (limit_id, expires_at) DO UPDATE SET amount = amount + excluded.amount
"""
_SET_BUCKET = """
INSERT INTO bucket (limit_id, empties_at) VALUES (?, ?)
ON CONFLICT (limit_id) DO UPDATE SET empties_at = excluded.empties_at
"""
_ANY = """
SELECT EXISTS (SELECT 1 FROM condition), EXISTS (SELECT 1 FROM learned),
    EXISTS (SELECT 1 FROM line), (SELECT version FROM timeline)
"""


@dataclass(slots=True, kw_only=True)
class Counts:
    """The counts of one step as of `now`: `decisions.Counts`.

    It is read in few statements, before the step decides. `write` writes what was
    added. `any_waits` says whether anybody waits in any queue, `version` is that of
    the file's timeline.
    """

    db: sqlite3.Connection
    ids: Ids
    now: float
    any_waits: bool = False
    version: int | None = None
    _totals: dict[int, int] = field(default_factory=dict)
    _empties_at: dict[int, float] = field(default_factory=dict)
    _learned: dict[int, int] = field(default_factory=dict)
    _cooldowns: dict[str, tuple[float, str]] = field(default_factory=dict)
    _throttles: dict[str, Throttle] = field(default_factory=dict)
    _added: list[tuple[int, float, int]] = field(default_factory=list)
    _drained: dict[int, float] = field(default_factory=dict)

    @classmethod
    def read(
        cls, db: sqlite3.Connection, pools: Sequence[Pool], ids: Ids, now: float
    ) -> "Counts":
        """What counts in these pools."""
        counts = cls(db=db, ids=ids, now=now)
        if pools:
            counts._read(pools)
        return counts

    def cooldown(self, pool: str) -> tuple[float, str] | None:
        return self._cooldowns.get(pool)

    def is_plain(self, pool: str) -> bool:
        return not self._learned and pool not in self._throttles

    def throttle(self, pool: str) -> Throttle:
        return self._throttles.get(pool, UNTHROTTLED)

    def share(self, pool: str) -> float:
        return self.throttle(pool).now(self.now)

    def learned(self, pool: str, limit: Limit) -> int | None:
        return self._learned.get(self.ids(pool, limit)) if self._learned else None

    def total(self, pool: str, limit: Limit) -> int:
        return self._totals.get(self.ids(pool, limit), 0)

    def charges(self, pool: str, limit: Limit) -> Charges:
        return self.db.execute(
            "SELECT expires_at, amount FROM charge "
            "WHERE limit_id = ? AND expires_at > ?",
            (self.ids(pool, limit), self.now),
        ).fetchall()

    def empties_at(self, pool: str, limit: Limit) -> float:
        return self._empties_at.get(self.ids(pool, limit), 0.0)

    def add(self, pool: str, limit: Limit, expires: float, amount: int) -> None:
        self._added.append((self.ids(pool, limit), expires, amount))

    def set_empties_at(self, pool: str, limit: Limit, at: float) -> None:
        limit_id = self.ids(pool, limit)
        self._empties_at[limit_id] = self._drained[limit_id] = at

    def learn(self, pool: str, limit: Limit, amount: int | None) -> None:
        limit_id = self.ids(pool, limit)
        if amount is not None:
            self.db.execute(
                "INSERT OR REPLACE INTO learned VALUES (?, ?, ?)",
                (limit_id, amount, self.now + LEARNED_SECONDS),
            )
            self._learned[limit_id] = amount
        elif self._learned.pop(limit_id, None) is not None:
            self.db.execute("DELETE FROM learned WHERE limit_id = ?", (limit_id,))

    def write(self) -> None:
        """Write what was added, once."""
        if self._drained:
            self.db.executemany(_SET_BUCKET, self._drained.items())
        if self._added:
            self.db.executemany(ADD_CHARGE, self._added)

    def _read(self, pools: Sequence[Pool]) -> None:
        # Mostly there are none, and one question is cheaper than three answers.
        row = self.db.execute(_ANY).fetchone()
        conditions, learned, waiting, self.version = row
        self.any_waits = bool(waiting)
        if conditions:
            self._read_conditions([pool.name for pool in pools])
        ids = [self.ids(pool.name, limit) for pool in pools for limit in pool.limits]
        marks = _marks(ids)
        self._totals = dict(
            self.db.execute(
                "SELECT limit_id, SUM(amount) FROM charge "
                f"WHERE limit_id IN ({marks}) AND expires_at > ? GROUP BY limit_id",
                (*ids, self.now),
            )
        )
        if learned:
            self._learned = dict(
                self.db.execute(
                    "SELECT limit_id, amount FROM learned "
                    f"WHERE limit_id IN ({marks}) AND until > ?",
                    (*ids, self.now),
                )
            )
        if any(refills(limit) for pool in pools for limit in pool.limits):
            self._empties_at = dict(
                self.db.execute(
                    "SELECT limit_id, empties_at FROM bucket "
                    f"WHERE limit_id IN ({marks})",
                    ids,
                )
            )

    def _read_conditions(self, names: Sequence[str]) -> None:
        rows = self.db.execute(
            "SELECT pool, cooldown_until, cooldown_reason, share, throttled_at "
            f"FROM condition WHERE pool IN ({_marks(names)})",
            names,
        )
        for name, until, reason, share, at in rows:
            if until > self.now:
                self._cooldowns[name] = (until, reason)
            self._throttles[name] = Throttle(share=share, at=at)


def ahead(
    db: sqlite3.Connection, pools: Sequence[Pool], ticket: int | None, now: float
) -> dict[str, Usage]:
    """What waits in each pool's queue before the ticket, or before a newcomer."""
    names = [pool.name for pool in pools]
    rows = db.execute(
        "SELECT pool, SUM(requests), SUM(input_tokens), SUM(output_tokens), "
        f"SUM(nano_usd) FROM line WHERE pool IN ({_marks(names)}) "
        "AND until > ? AND ticket < ? GROUP BY pool",
        (*names, now, ticket or 2**62),
    )
    return {
        name: Usage(
            requests=requests,
            input_tokens=sent,
            output_tokens=answered,
            usd=Decimal(nano_usd) / NANO,
        )
        for name, requests, sent, answered, nano_usd in rows
    }


def prune(db: sqlite3.Connection, now: float) -> None:
    """Leave out what has stopped counting."""
    db.execute("DELETE FROM charge WHERE expires_at <= ?", (now,))
    for table, column in (("lease", "expires_at"), ("line", "until")):
        db.execute(f"DELETE FROM {table} WHERE {column} <= ?", (now,))
    db.execute("DELETE FROM learned WHERE until <= ?", (now,))
    # Each run has limits of its own; others may be in a process's memory.
    db.execute(
        "DELETE FROM quota_limit WHERE spec LIKE '%/run' "
        "AND id NOT IN (SELECT limit_id FROM charge)"
    )
    db.execute(
        "DELETE FROM condition WHERE cooldown_until <= ? AND throttled_at <= ?",
        (now, now - 86_400),
    )
    db.execute("DELETE FROM jump WHERE version < (SELECT version FROM timeline) - 999")


def refills(limit: Limit) -> bool:
    return limit.kind is WindowKind.REFILLING


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
