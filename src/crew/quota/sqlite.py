"""The counts in one SQLite file: shared by the threads and processes of a machine.

Each step is one `BEGIN IMMEDIATE` transaction. A process that is killed between two
steps leaves its reservation charged, and SQLite rolls back a step cut in the middle.
"""

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crew.clock import Clock
from crew.database import open_database
from crew.errors import StoreUnavailable
from crew.quota.limits import (
    Kind,
    Limit,
    Pool,
    Refusal,
    Usage,
    admit,
    drained,
    latest,
    level,
    opens_at,
)
from crew.quota.memory import refused
from crew.quota.store import (
    Charge,
    LimitState,
    PoolState,
    Reservation,
    charges_for,
    corrections,
)

VERSION = 1
_SCHEMA = """
CREATE TABLE quota_limit (
    id INTEGER PRIMARY KEY, pool TEXT NOT NULL, spec TEXT NOT NULL, UNIQUE (pool, spec)
);
CREATE TABLE charge (
    limit_id INTEGER NOT NULL, expires_at REAL NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (limit_id, expires_at)
) WITHOUT ROWID;
CREATE TABLE bucket (limit_id INTEGER PRIMARY KEY, empties_at REAL NOT NULL);
CREATE TABLE lease (
    id TEXT PRIMARY KEY, expires_at REAL NOT NULL, charges TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE cooldown (
    pool TEXT PRIMARY KEY, until REAL NOT NULL, reason TEXT NOT NULL
);
"""
_ADD_CHARGE = """
INSERT INTO charge (limit_id, expires_at, amount) VALUES (?, ?, ?)
ON CONFLICT (limit_id, expires_at) DO UPDATE SET amount = amount + excluded.amount
"""
_SET_BUCKET = """
INSERT INTO bucket (limit_id, empties_at) VALUES (?, ?)
ON CONFLICT (limit_id) DO UPDATE SET empties_at = excluded.empties_at
"""
_PRUNE_EVERY = 64


class SQLiteStore:
    """A store for the processes of one machine. `path` is made with mode 0600."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, Limit], int] = {}
        self._settled = 0
        self._db = open_database(path, schema=_SCHEMA, version=VERSION)

    def now(self) -> float:
        return self._clock.now()

    def reserve(
        self, pools: Sequence[Pool], estimate: Usage, *, lease_seconds: float
    ) -> Reservation | Refusal:
        with self._step():
            now = self.now()
            expires = now + lease_seconds
            charges = charges_for(pools, estimate, now=now, lease_expires=expires)
            refusal = latest(self._refusals(pools, charges, now))
            if refusal is not None:
                return refusal
            self._add([(c, c.expires_at, c.amount) for c in charges], now)
            reservation = Reservation(
                id=uuid.uuid4().hex,
                estimate=estimate,
                expires_at=expires,
                charges=tuple(charges),
            )
            held = [[self._id(c.pool, c.limit), c.amount] for c in charges]
            self._db.execute(
                "INSERT INTO lease VALUES (?, ?, ?)",
                (reservation.id, expires, json.dumps(held)),
            )
            return reservation

    def settle(self, reservation: Reservation, actual: Usage) -> bool:
        with self._step():
            now = self.now()
            done = self._db.execute(
                "DELETE FROM lease WHERE id = ? AND expires_at > ?",
                (reservation.id, now),
            )
            if done.rowcount == 0:
                return False
            self._add(
                [
                    (charge, expires, amount)
                    for charge in reservation.charges
                    for expires, amount in corrections(charge, actual, now)
                ],
                now,
            )
            self._settled += 1
            if self._settled % _PRUNE_EVERY == 0:
                self._prune(now)
            return True

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        with self._step():
            self._db.execute(
                "INSERT INTO cooldown VALUES (?, ?, ?) ON CONFLICT (pool) DO UPDATE "
                "SET until = excluded.until, reason = excluded.reason "
                "WHERE excluded.until > until",
                (pool, until, reason),
            )

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        with self._step():
            now = self.now()
            flying: dict[int, int] = {}
            leases = self._db.execute(
                "SELECT charges FROM lease WHERE expires_at > ?", (now,)
            )
            for (charges,) in leases:
                for limit_id, amount in json.loads(charges):
                    flying[limit_id] = flying.get(limit_id, 0) + amount
            cooldowns = self._cooldowns(pools, now)
            return [
                PoolState(
                    name=pool.name,
                    limits=tuple(self._limits(pool, flying, now)),
                    cooldown_until=cooldowns.get(pool.name, (None, ""))[0],
                    cooldown_reason=cooldowns.get(pool.name, (None, ""))[1],
                )
                for pool in pools
            ]

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _step(self) -> Iterator[None]:
        """One atomic step: a transaction under the lock of this process."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as exc:
                raise StoreUnavailable(f"quota store {self._path}: {exc}") from exc
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                    self._ids.clear()

    def _id(self, pool: str, limit: Limit) -> int:
        known = self._ids.get((pool, limit))
        if known is None:
            names = (pool, str(limit))
            self._db.execute(
                "INSERT OR IGNORE INTO quota_limit (pool, spec) VALUES (?, ?)", names
            )
            (known,) = self._db.execute(
                "SELECT id FROM quota_limit WHERE pool = ? AND spec = ?", names
            ).fetchone()
            self._ids[(pool, limit)] = known
        return int(known)

    def _add(self, changes: Sequence[tuple[Charge, float, int]], now: float) -> None:
        rows = []
        for charge, expires, amount in changes:
            limit_id = self._id(charge.pool, charge.limit)
            if charge.limit.kind is Kind.REFILLING:
                empties = drained(charge.limit, self._empties_at(limit_id), amount, now)
                self._db.execute(_SET_BUCKET, (limit_id, empties))
            elif expires > now:
                rows.append((limit_id, expires, amount))
        self._db.executemany(_ADD_CHARGE, rows)

    def _empties_at(self, limit_id: int) -> float:
        row = self._db.execute(
            "SELECT empties_at FROM bucket WHERE limit_id = ?", (limit_id,)
        ).fetchone()
        return float(row[0]) if row else 0.0

    def _used(self, pool: str, limit: Limit, now: float) -> float:
        limit_id = self._id(pool, limit)
        if limit.kind is Kind.REFILLING:
            return level(limit, self._empties_at(limit_id), now)
        (used,) = self._db.execute(
            "SELECT COALESCE(SUM(amount), 0) FROM charge "
            "WHERE limit_id = ? AND expires_at > ?",
            (limit_id, now),
        ).fetchone()
        return float(used)

    def _opens_at(self, charge: Charge, now: float) -> float | None:
        limit_id = self._id(charge.pool, charge.limit)
        if charge.limit.kind is Kind.REFILLING:
            if charge.amount > charge.limit.amount:
                return None
            used = level(charge.limit, self._empties_at(limit_id), now)
            over = used + charge.amount - charge.limit.amount
            return now + max(0.0, over) / charge.limit.per_second
        rows = self._db.execute(
            "SELECT expires_at, amount FROM charge "
            "WHERE limit_id = ? AND expires_at > ?",
            (limit_id, now),
        ).fetchall()
        return opens_at(charge.limit, rows, charge.amount, now)

    def _cooldowns(
        self, pools: Sequence[Pool], now: float
    ) -> dict[str, tuple[float, str]]:
        marks = ",".join("?" * len(pools))
        rows = self._db.execute(
            f"SELECT pool, until, reason FROM cooldown "
            f"WHERE until > ? AND pool IN ({marks})",
            (now, *(pool.name for pool in pools)),
        )
        return {pool: (until, reason) for pool, until, reason in rows}

    def _refusals(
        self, pools: Sequence[Pool], charges: Sequence[Charge], now: float
    ) -> list[Refusal]:
        found = [
            Refusal(pool=pool, limit=None, reason=reason, opens_at=until)
            for pool, (until, reason) in self._cooldowns(pools, now).items()
        ]
        for charge in charges:
            used = self._used(charge.pool, charge.limit, now)
            if not admit(charge.limit, used, charge.amount):
                found.append(refused(charge, self._opens_at(charge, now)))
        return found

    def _limits(
        self, pool: Pool, flying: dict[int, int], now: float
    ) -> Iterator[LimitState]:
        for limit in pool.limits:
            limit_id = self._id(pool.name, limit)
            used = round(self._used(pool.name, limit, now))
            reserved = min(used, flying.get(limit_id, 0))
            if limit.kind is Kind.REFILLING:
                resets: float | None = self._empties_at(limit_id)
            else:
                (resets,) = self._db.execute(
                    "SELECT MAX(expires_at) FROM charge "
                    "WHERE limit_id = ? AND expires_at > ? AND amount != 0",
                    (limit_id, now),
                ).fetchone()
            yield LimitState(
                limit=limit,
                used=used - reserved,
                reserved=reserved,
                resets_at=resets if resets and resets > now else None,
            )

    def _prune(self, now: float) -> None:
        self._db.execute("DELETE FROM charge WHERE expires_at <= ?", (now,))
        self._db.execute("DELETE FROM lease WHERE expires_at <= ?", (now,))
        self._db.execute("DELETE FROM cooldown WHERE until <= ?", (now,))
