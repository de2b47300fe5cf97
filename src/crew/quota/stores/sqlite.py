"""The counts in one SQLite file: shared by the threads and processes of a machine.

Each step is one `BEGIN IMMEDIATE` transaction. A process that is killed between two
steps leaves its reservation charged, and SQLite rolls back a step cut in the middle.
"""

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from math import ceil
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from crew.clock import Clock
from crew.notices import Listener
from crew.quota.limits import NANO, RUN_SECONDS, Limit, Pool, Refusal, Usage, WindowKind
from crew.quota.store import (
    Charge,
    Level,
    Observation,
    PlanState,
    PoolState,
    Reservation,
    charges_for,
    corrections,
    left_at,
)
from crew.quota.stores.decisions import count, levels, observe, pool_state, refusal
from crew.quota.stores.holders import this_process
from crew.quota.stores.jumps import carried
from crew.quota.stores.sqlite_counts import ADD_CHARGE, Counts, ahead, prune, refills
from crew.quota.stores.sqlite_flying import held_in_flight, in_queues
from crew.quota.stores.sqlite_places import released_by_the_gone
from crew.quota.stores.sqlite_schema import MENDED, MIGRATIONS
from crew.quota.stores.sqlite_timeline import Timeline
from crew.sqlite_file import (
    BUSY_SECONDS,
    Damaged,
    mend,
    open_database,
    unavailable,
)

_PRUNE_EVERY = 64
_Given = ParamSpec("_Given")
ResultT = TypeVar("ResultT")


def _whole(
    step: Callable[Concatenate["SQLiteStore", _Given], ResultT],
) -> Callable[Concatenate["SQLiteStore", _Given], ResultT]:
    """A step that mends a damaged file, and is then made once more."""

    @wraps(step)
    def made(
        store: "SQLiteStore", /, *args: _Given.args, **options: _Given.kwargs
    ) -> ResultT:
        try:
            return step(store, *args, **options)
        except Damaged:
            store.mend()
            return step(store, *args, **options)

    return made


class SQLiteStore:
    """A store for the processes of one machine. `path` is made with mode 0600."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        busy_seconds: float = BUSY_SECONDS,
        listener: Listener = lambda line: None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str], int] = {}
        self._settled = 0
        self._open = partial(
            open_database,
            path,
            MIGRATIONS,
            busy_seconds=busy_seconds,
            listener=listener,
            mended=MENDED,
        )
        self._listener = listener
        self._db = self._open()
        self._timeline = Timeline(self._db, clock)

    def now(self) -> float:
        return self._clock.now()

    @_whole
    def reserve(
        self,
        pools: Sequence[Pool],
        estimate: Usage,
        *,
        lease_seconds: float,
        ticket: int | None = None,
    ) -> Reservation | Refusal:
        with self._step():
            now = self._timeline.now()
            expires = now + lease_seconds
            charges = charges_for(pools, estimate, now=now, lease_expires=expires)
            counts = self._counts(pools, now)
            waiting = ahead(self._db, pools, ticket, now) if counts.any_waits else {}
            refused = refusal(counts, pools, charges, waiting)
            if refused is not None and released_by_the_gone(self._db, refused, now):
                counts = self._counts(pools, now)
                refused = refusal(counts, pools, charges, waiting)
            if refused is not None:
                return refused
            for charge in charges:
                count(counts, charge, charge.expires_at, charge.amount)
            counts.write()
            reservation = Reservation(
                id=secrets.token_hex(16),
                estimate=estimate,
                made_at=now,
                expires_at=expires,
                charges=tuple(charges),
                timeline=self._timeline.version,
            )
            held = self._held(charges)
            self._db.execute(
                "INSERT INTO lease VALUES (?, ?, ?, ?)",
                (reservation.id, expires, held, this_process()),
            )
            if ticket is not None:
                self._db.execute("DELETE FROM line WHERE ticket = ?", (ticket,))
            return reservation

    @_whole
    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
        *,
        delay: float = 0.0,
    ) -> bool:
        with self._step():
            now = self._timeline.now()
            done = self._db.execute(
                "DELETE FROM lease WHERE id = ? AND expires_at > ?",
                (reservation.id, now),
            )
            fresh = done.rowcount > 0
            if fresh:
                jumps = self._timeline.since(reservation.timeline)
                reservation = carried(reservation, jumps) if jumps else reservation
                self._correct(reservation, actual, left_at(reservation, delay), now)
            for seen in observations:
                limits = Pool(name=seen.pool, limits=(seen.limit,))
                counts = self._counts([limits], now)
                observe(counts, seen)
                counts.write()
            self._settled += 1
            if self._settled % _PRUNE_EVERY == 0:
                prune(self._db, now)
            return fresh

    @_whole
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
                    self._timeline.now() + seconds,
                ),
            )
            return int(placed.lastrowid or 0)

    @_whole
    def leave_queue(self, ticket: int) -> None:
        with self._step():
            self._db.execute("DELETE FROM line WHERE ticket = ?", (ticket,))

    @_whole
    def cool_down(
        self, pool: str, *, until: float, reason: str, replace: bool = False
    ) -> None:
        with self._step():
            self._db.execute(
                "INSERT INTO condition (pool, cooldown_until, cooldown_reason, "
                "cooled_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (pool) DO UPDATE "
                "SET cooldown_until = excluded.cooldown_until, "
                "cooldown_reason = excluded.cooldown_reason, "
                "cooled_at = excluded.cooled_at "
                "WHERE ?5 OR excluded.cooldown_until > cooldown_until",
                (pool, until, reason, self._timeline.now(), replace),
            )

    @_whole
    def throttle(self, pool: str) -> float:
        with self._step():
            now = self._timeline.now()
            throttle = (
                self._counts([Pool(name=pool)], now).throttle(pool).decreased(now)
            )
            self._db.execute(
                "INSERT INTO condition (pool, share, throttled_at) VALUES (?, ?, ?) "
                "ON CONFLICT (pool) DO UPDATE "
                "SET share = excluded.share, throttled_at = excluded.throttled_at",
                (pool, throttle.share, throttle.at),
            )
            return throttle.now(now)

    @_whole
    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        with self._step():
            self._db.execute(
                "INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?)",
                (provider, plan, reason, self._timeline.now()),
            )

    @_whole
    def plans(self) -> dict[str, PlanState]:
        with self._step():
            rows = self._db.execute("SELECT provider, plan, reason, at FROM plan")
            return {
                provider: PlanState(plan=plan, reason=reason, at=at)
                for provider, plan, reason, at in rows
            }

    @_whole
    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        with self._step():
            now = self._timeline.now()
            flying = held_in_flight(self._db, now)
            counts = self._counts(pools, now)
            waiting = in_queues(self._db, now)
            return [
                pool_state(
                    counts,
                    pool,
                    {
                        limit: flying.get(self._id(pool.name, limit), 0)
                        for limit in pool.limits
                    },
                    waiting.get(pool.name, 0),
                )
                for pool in pools
            ]

    @_whole
    def levels(self, pools: Sequence[Pool]) -> list[list[Level]]:
        with self._step():
            return levels(self._counts(pools, self._timeline.now()), pools)

    def mend(self) -> None:
        """Make the file whole again, after a step found that it is damaged."""
        with self._lock:
            self._db.close()
            mend(self._path, MIGRATIONS, self._listener, MENDED)
            self._db = self._open()
            self._ids.clear()
            self._timeline = Timeline(self._db, self._clock)

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
                    self._timeline.forget()

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
                until = self._timeline.now() + RUN_SECONDS
                self._db.execute(ADD_CHARGE, (known, until, 0))
        return known

    def _correct(
        self, reservation: Reservation, actual: Usage, sent: float | None, now: float
    ) -> None:
        changes = [
            (charge, expires, amount)
            for charge in reservation.charges
            for expires, amount in corrections(charge, actual, sent_at=sent, now=now)
        ]
        # Only of a bucket must be known what it holds.
        known = [
            Pool(name=charge.pool, limits=(charge.limit,))
            for charge, _, _ in changes
            if refills(charge.limit)
        ]
        counts = self._counts(known, now)
        for charge, expires, amount in changes:
            count(counts, charge, expires, amount)
        counts.write()

    def _held(self, charges: Sequence[Charge]) -> str:
        """Charges as JSON, put together by hand: every reservation pays for it."""
        held = [f"[{self._id(one.pool, one.limit)},{one.amount}]" for one in charges]
        return f"[{','.join(held)}]"

    def _counts(self, pools: Sequence[Pool], now: float) -> Counts:
        counts = Counts.read(self._db, pools, self._id, now)
        if pools and counts.version != self._timeline.version:
            # Another process moved the times, or gave the limits new ids.
            self._ids.clear()
            self._timeline.follow(now)
            counts = Counts.read(self._db, pools, self._id, now)
        return counts
