"""The counts in one SQLite file: shared by the threads and processes of a machine.

Each step is one `BEGIN IMMEDIATE` transaction. A process that is killed between two
steps leaves its reservation charged, and SQLite rolls back a step cut in the middle.
"""

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from pathlib import Path

from crew.clock import Clock
from crew.quota.admission import (
    UNTHROTTLED,
    Throttle,
    admit,
    drained,
    effective,
    latest,
    level,
    opens_at,
    refills_at,
)
from crew.quota.limits import (
    NANO,
    NOTHING,
    RUN_SECONDS,
    Limit,
    Pool,
    Refusal,
    Usage,
    WindowKind,
)
from crew.quota.store import (
    LEARNED_SECONDS,
    Charge,
    LimitState,
    Observation,
    PlanState,
    PoolState,
    Reservation,
    charges_for,
    corrections,
    left_at,
    refused,
    unforeseen,
)
from crew.sqlite_file import BUSY_SECONDS, open_database, unavailable

_FIRST = """
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
_SECOND = """
CREATE TABLE condition (
    pool TEXT PRIMARY KEY, cooldown_until REAL NOT NULL DEFAULT 0,
    cooldown_reason TEXT NOT NULL DEFAULT '', share REAL NOT NULL DEFAULT 1,
    throttled_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO condition (pool, cooldown_until, cooldown_reason)
    SELECT pool, until, reason FROM cooldown;
DROP TABLE cooldown;
CREATE TABLE learned (
    limit_id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, until REAL NOT NULL
);
CREATE TABLE line (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, pool TEXT NOT NULL,
    requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL, until REAL NOT NULL
);
CREATE TABLE plan (
    provider TEXT PRIMARY KEY, plan TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
"""
MIGRATIONS = (_FIRST, _SECOND)
_ADD_CHARGE = """
INSERT INTO charge (limit_id, expires_at, amount) VALUES (?, ?, ?)
ON CONFLICT (limit_id, expires_at) DO UPDATE SET amount = amount + excluded.amount
"""
_SET_BUCKET = """
INSERT INTO bucket (limit_id, empties_at) VALUES (?, ?)
ON CONFLICT (limit_id) DO UPDATE SET empties_at = excluded.empties_at
"""
_ANY = """
SELECT EXISTS (SELECT 1 FROM condition), EXISTS (SELECT 1 FROM learned),
    EXISTS (SELECT 1 FROM line)
"""
_PRUNE_EVERY = 64


@dataclass(slots=True, kw_only=True)
class _Books:
    """What one step read of its limits, by their ids, and of its pools."""

    used: dict[int, int] = field(default_factory=dict)
    empties_at: dict[int, float] = field(default_factory=dict)
    learned: dict[int, int] = field(default_factory=dict)
    cooldowns: dict[str, tuple[float, str]] = field(default_factory=dict)
    throttles: dict[str, Throttle] = field(default_factory=dict)
    any_waits: bool = False


class SQLiteStore:
    """A store for the processes of one machine. `path` is made with mode 0600."""

    def __init__(
        self, path: Path, clock: Clock, *, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str], int] = {}
        self._settled = 0
        self._db = open_database(path, MIGRATIONS, busy_seconds=busy_seconds)

    def now(self) -> float:
        return self._clock.now()

    def reserve(
        self,
        pools: Sequence[Pool],
        estimate: Usage,
        *,
        lease_seconds: float,
        ticket: int | None = None,
    ) -> Reservation | Refusal:
        with self._step():
            now = self.now()
            expires = now + lease_seconds
            charges = charges_for(pools, estimate, now=now, lease_expires=expires)
            books = self._read(pools, now)
            ahead = self._ahead(pools, ticket, now) if books.any_waits else {}
            refusal = latest(self._refusals(charges, books, ahead, now))
            if refusal is not None:
                return refusal
            self._add([(c, c.expires_at, c.amount) for c in charges], books, now)
            reservation = Reservation(
                id=secrets.token_hex(16),
                estimate=estimate,
                made_at=now,
                expires_at=expires,
                charges=tuple(charges),
            )
            held = [[self._id(c.pool, c.limit), c.amount] for c in charges]
            self._db.execute(
                "INSERT INTO lease VALUES (?, ?, ?)",
                (reservation.id, expires, json.dumps(held)),
            )
            if ticket is not None:
                self._db.execute("DELETE FROM line WHERE ticket = ?", (ticket,))
            return reservation

    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
        *,
        delay: float = 0.0,
    ) -> bool:
        with self._step():
            now = self.now()
            done = self._db.execute(
                "DELETE FROM lease WHERE id = ? AND expires_at > ?",
                (reservation.id, now),
            )
            fresh = done.rowcount > 0
            if fresh:
                sent = left_at(reservation, delay)
                changes = [
                    (charge, expires, amount)
                    for charge in reservation.charges
                    for expires, amount in corrections(
                        charge, actual, sent_at=sent, now=now
                    )
                ]
                refilling = [
                    Pool(name=charge.pool, limits=(charge.limit,))
                    for charge, _, _ in changes
                    if _refills(charge.limit)
                ]
                books = self._read(refilling, now) if refilling else _Books()
                self._add(changes, books, now)
            for observation in observations:
                self._observe(observation, now)
            self._settled += 1
            if self._settled % _PRUNE_EVERY == 0:
                self._prune(now)
            return fresh

    def join_queue(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        with self._step():
            placed = self._db.execute(
                "INSERT OR REPLACE INTO line VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    ticket,
                    pool,
                    estimate.requests,
                    estimate.input_tokens,
                    estimate.output_tokens,
                    ceil((estimate.usd or 0) * NANO),
                    self.now() + seconds,
                ),
            )
            return int(placed.lastrowid or 0)

    def leave_queue(self, ticket: int) -> None:
        with self._step():
            self._db.execute("DELETE FROM line WHERE ticket = ?", (ticket,))

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        with self._step():
            self._db.execute(
                "INSERT INTO condition (pool, cooldown_until, cooldown_reason) "
                "VALUES (?, ?, ?) ON CONFLICT (pool) DO UPDATE "
                "SET cooldown_until = excluded.cooldown_until, "
                "cooldown_reason = excluded.cooldown_reason "
                "WHERE excluded.cooldown_until > cooldown_until",
                (pool, until, reason),
            )

    def throttle(self, pool: str) -> float:
        with self._step():
            now = self.now()
            books = self._read([Pool(name=pool)], now)
            throttle = books.throttles.get(pool, UNTHROTTLED).decreased(now)
            self._db.execute(
                "INSERT INTO condition (pool, share, throttled_at) VALUES (?, ?, ?) "
                "ON CONFLICT (pool) DO UPDATE "
                "SET share = excluded.share, throttled_at = excluded.throttled_at",
                (pool, throttle.share, throttle.at),
            )
            return throttle.now(now)

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        with self._step():
            self._db.execute(
                "INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?)",
                (provider, plan, reason, self.now()),
            )

    def plans(self) -> dict[str, PlanState]:
        with self._step():
            rows = self._db.execute("SELECT provider, plan, reason, at FROM plan")
            return {
                provider: PlanState(plan=plan, reason=reason, at=at)
                for provider, plan, reason, at in rows
            }

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
            books = self._read(pools, now)
            waiting = dict(
                self._db.execute(
                    "SELECT pool, COUNT(*) FROM line WHERE until > ? GROUP BY pool",
                    (now,),
                )
            )
            return [
                self._state(pool, books, flying, waiting.get(pool.name, 0), now)
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
                raise unavailable(self._path, exc) from exc
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                    self._ids.clear()

    def _id(self, pool: str, limit: Limit) -> int:
        names = (pool, limit.spec)
        known = self._ids.get(names)
        if known is None:
            self._db.execute(
                "INSERT OR IGNORE INTO quota_limit (pool, spec) VALUES (?, ?)", names
            )
            known = self._db.execute(
                "SELECT id FROM quota_limit WHERE pool = ? AND spec = ?", names
            ).fetchone()[0]
            assert isinstance(known, int)
            self._ids[names] = known
            if limit.kind is WindowKind.RUN:
                # Keeps the row for as long as somebody may know its id.
                until = self.now() + RUN_SECONDS
                self._db.execute(_ADD_CHARGE, (known, until, 0))
        return known

    # Reading.

    def _read(self, pools: Sequence[Pool], now: float) -> _Books:
        books = _Books()
        # Mostly there are none, and one question is cheaper than three answers.
        conditions, learned, line = self._db.execute(_ANY).fetchone()
        books.any_waits = bool(line)
        if conditions:
            self._read_conditions([pool.name for pool in pools], books, now)
        ids = [self._id(pool.name, limit) for pool in pools for limit in pool.limits]
        marks = _marks(ids)
        books.used = dict(
            self._db.execute(
                "SELECT limit_id, SUM(amount) FROM charge "
                f"WHERE limit_id IN ({marks}) AND expires_at > ? GROUP BY limit_id",
                (*ids, now),
            )
        )
        if learned:
            books.learned = dict(
                self._db.execute(
                    "SELECT limit_id, amount FROM learned "
                    f"WHERE limit_id IN ({marks}) AND until > ?",
                    (*ids, now),
                )
            )
        if any(_refills(limit) for pool in pools for limit in pool.limits):
            books.empties_at = dict(
                self._db.execute(
                    "SELECT limit_id, empties_at FROM bucket "
                    f"WHERE limit_id IN ({marks})",
                    ids,
                )
            )
        return books

    def _read_conditions(self, names: Sequence[str], books: _Books, now: float) -> None:
        rows = self._db.execute(
            "SELECT pool, cooldown_until, cooldown_reason, share, throttled_at "
            f"FROM condition WHERE pool IN ({_marks(names)})",
            names,
        )
        for name, until, reason, share, at in rows:
            if until > now:
                books.cooldowns[name] = (until, reason)
            books.throttles[name] = Throttle(share=share, at=at)

    def _ahead(
        self, pools: Sequence[Pool], ticket: int | None, now: float
    ) -> dict[str, Usage]:
        """What waits in each pool's line before the ticket, or before a newcomer."""
        names = [pool.name for pool in pools]
        rows = self._db.execute(
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

    def _effective(
        self, pool: str, limit: Limit, need: int, books: _Books, now: float
    ) -> Limit:
        learned = books.learned.get(self._id(pool, limit))
        share = books.throttles.get(pool, UNTHROTTLED).now(now)
        return effective(limit, need, learned=learned, share=share)

    def _used(self, pool: str, limit: Limit, books: _Books, now: float) -> float:
        """What counts; `limit` as it is written."""
        limit_id = self._id(pool, limit)
        if _refills(limit):
            held = self._effective(pool, limit, 0, books, now)
            return level(held, books.empties_at.get(limit_id, 0.0), now)
        return float(books.used.get(limit_id, 0))

    def _refusals(
        self,
        charges: Sequence[Charge],
        books: _Books,
        ahead: dict[str, Usage],
        now: float,
    ) -> list[Refusal]:
        found = [
            Refusal(pool=pool, limit=None, reason=reason, opens_at=until)
            for pool, (until, reason) in books.cooldowns.items()
        ]
        for charge in charges:
            limit = self._effective(
                charge.pool, charge.limit, charge.amount, books, now
            )
            used = self._used(charge.pool, charge.limit, books, now)
            first = ahead.get(charge.pool, NOTHING).amount(limit.metric)
            if not admit(limit, used + first, charge.amount):
                opens = self._opens_at(charge, limit, used, first, now)
                found.append(refused(charge, opens))
        return found

    def _opens_at(
        self, charge: Charge, limit: Limit, used: float, ahead: int, now: float
    ) -> float | None:
        if _refills(limit):
            return refills_at(limit, used, charge.amount, now, ahead=ahead)
        rows = self._db.execute(
            "SELECT expires_at, amount FROM charge "
            "WHERE limit_id = ? AND expires_at > ?",
            (self._id(charge.pool, charge.limit), now),
        ).fetchall()
        return opens_at(limit, rows, charge.amount, now, ahead=ahead)

    def _state(
        self,
        pool: Pool,
        books: _Books,
        flying: dict[int, int],
        waiting: int,
        now: float,
    ) -> PoolState:
        until, reason = books.cooldowns.get(pool.name, (None, ""))
        share = books.throttles.get(pool.name, UNTHROTTLED).now(now)
        return PoolState(
            name=pool.name,
            limits=tuple(
                self._limit_state(pool, limit, books, flying, now)
                for limit in pool.limits
            ),
            cooldown_until=until,
            cooldown_reason=reason,
            throttle=share if share < 1 else None,
            waiting=waiting,
        )

    def _limit_state(
        self,
        pool: Pool,
        limit: Limit,
        books: _Books,
        flying: dict[int, int],
        now: float,
    ) -> LimitState:
        limit_id = self._id(pool.name, limit)
        used = round(self._used(pool.name, limit, books, now))
        reserved = min(used, flying.get(limit_id, 0))
        if _refills(limit):
            resets: float | None = books.empties_at.get(limit_id)
        else:
            (resets,) = self._db.execute(
                "SELECT MAX(expires_at) FROM charge "
                "WHERE limit_id = ? AND expires_at > ? AND amount != 0",
                (limit_id, now),
            ).fetchone()
        return LimitState(
            limit=limit,
            used=used - reserved,
            reserved=reserved,
            resets_at=resets if resets and resets > now else None,
            learned=books.learned.get(limit_id),
            share=books.throttles.get(pool.name, UNTHROTTLED).now(now),
        )

    # Writing.

    def _add(
        self,
        changes: Sequence[tuple[Charge, float, int]],
        books: _Books,
        now: float,
    ) -> None:
        rows = []
        for charge, expires, amount in changes:
            limit_id = self._id(charge.pool, charge.limit)
            if _refills(charge.limit):
                held = self._effective(
                    charge.pool, charge.limit, charge.amount, books, now
                )
                empties = drained(held, books.empties_at.get(limit_id, 0), amount, now)
                self._db.execute(_SET_BUCKET, (limit_id, empties))
            elif expires > now:
                rows.append((limit_id, expires, amount))
        self._db.executemany(_ADD_CHARGE, rows)

    def _observe(self, seen: Observation, now: float) -> None:
        limit_id = self._id(seen.pool, seen.limit)
        books = self._read([Pool(name=seen.pool, limits=(seen.limit,))], now)
        if seen.amount is not None:
            known = books.learned.get(limit_id)
            if seen.amount < seen.limit.amount:
                self._db.execute(
                    "INSERT OR REPLACE INTO learned VALUES (?, ?, ?)",
                    (limit_id, seen.amount, now + LEARNED_SECONDS),
                )
                books.learned[limit_id] = seen.amount
            elif known is not None:
                self._db.execute("DELETE FROM learned WHERE limit_id = ?", (limit_id,))
                del books.learned[limit_id]
        counted = self._used(seen.pool, seen.limit, books, now)
        missing = unforeseen(seen, counted, now)
        if missing is not None:
            expires, amount = missing
            charge = Charge(
                pool=seen.pool, limit=seen.limit, amount=0, expires_at=expires
            )
            self._add([(charge, expires, amount)], books, now)

    def _prune(self, now: float) -> None:
        self._db.execute("DELETE FROM charge WHERE expires_at <= ?", (now,))
        for table, column in (("lease", "expires_at"), ("line", "until")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} <= ?", (now,))
        self._db.execute("DELETE FROM learned WHERE until <= ?", (now,))
        # Each run has limits of its own; others may be in a process's memory.
        self._db.execute(
            "DELETE FROM quota_limit WHERE spec LIKE '%/run' "
            "AND id NOT IN (SELECT limit_id FROM charge)"
        )
        self._db.execute(
            "DELETE FROM condition WHERE cooldown_until <= ? AND throttled_at <= ?",
            (now, now - 86_400),
        )


def _refills(limit: Limit) -> bool:
    return limit.kind is WindowKind.REFILLING


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
