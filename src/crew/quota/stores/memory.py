"""The counts in the memory of one process: for scripts, and as the reference."""

import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from crew.clock import Clock
from crew.quota.admission import UNTHROTTLED, Throttle
from crew.quota.limits import (
    NOTHING,
    Charges,
    Limit,
    Pool,
    Refusal,
    Usage,
)
from crew.quota.store import (
    LEARNED_SECONDS,
    Observation,
    PlanState,
    PoolState,
    Reservation,
    charges_for,
    corrections,
    left_at,
)
from crew.quota.stores.decisions import count, observe, pool_state, refusal
from crew.quota.stores.jumps import Jump, limit_of, measured_lead, strays


class _Window:
    """What counts against one limit, by the time it stops counting."""

    __slots__ = ("amounts", "earliest", "total")

    def __init__(self) -> None:
        self.amounts: dict[float, int] = {}
        self.earliest = float("inf")
        self.total = 0

    def forget(self, now: float) -> None:
        """Leave out what has stopped counting."""
        for expires in [known for known in self.amounts if known <= now]:
            self.total -= self.amounts.pop(expires)
        self.earliest = min(self.amounts, default=float("inf"))

    def add(self, expires: float, amount: int) -> None:
        self.amounts[expires] = self.amounts.get(expires, 0) + amount
        self.total += amount
        self.earliest = min(self.earliest, expires)


@dataclass(slots=True)
class _Condition:
    """What besides its counts closes or narrows a pool."""

    cooldown_until: float = 0.0
    cooldown_reason: str = ""
    throttle: Throttle = UNTHROTTLED
    learned: dict[Limit, tuple[int, float]] = field(default_factory=dict)
    queue: dict[int, tuple[Usage, float]] = field(default_factory=dict)

    def follow(self, jump: Jump) -> None:
        until = self.cooldown_until
        self.cooldown_until = jump.moved_time(until, float("inf"))
        self.throttle = jump.moved_throttle(self.throttle)
        for limit, (amount, until) in self.learned.items():
            self.learned[limit] = (amount, jump.moved_lesson(until))
        for ticket, (usage, until) in self.queue.items():
            self.queue[ticket] = (usage, jump.moved_time(until, 0.0))

    def ahead(self, ticket: int | None, now: float) -> Usage:
        total = NOTHING
        for number, (usage, until) in self.queue.items():
            if until > now and (ticket is None or number < ticket):
                total += usage
        return total


_NONE = _Condition()
_EMPTY = _Window()


@dataclass(slots=True)
class _Tables:
    """All that a store in memory holds of its pools. Limits go by pool and text."""

    windows: dict[tuple[str, str], _Window] = field(default_factory=dict)
    buckets: dict[tuple[str, str], float] = field(default_factory=dict)
    conditions: dict[str, _Condition] = field(default_factory=dict)

    def condition(self, pool: str) -> _Condition:
        return self.conditions.setdefault(pool, _Condition())

    def follow(self, jump: Jump) -> None:
        """Move all that has a time, after the clock jumped."""
        for (_, spec), window in self.windows.items():
            limit, amounts = limit_of(spec), window.amounts
            window.amounts, window.earliest, window.total = {}, float("inf"), 0
            for expires, amount in amounts.items():
                window.add(jump.moved(limit, expires), amount)
            window.forget(jump.at)
        for key, empties_at in self.buckets.items():
            self.buckets[key] = jump.moved(limit_of(key[1]), empties_at)
        for condition in self.conditions.values():
            condition.follow(jump)


class _Counts:
    """The tables as of `now`: `decisions.Counts`."""

    __slots__ = ("_tables", "now")

    def __init__(self, tables: _Tables, now: float) -> None:
        self._tables = tables
        self.now = now

    def cooldown(self, pool: str) -> tuple[float, str] | None:
        found = self._tables.conditions.get(pool, _NONE)
        until = found.cooldown_until
        return (until, found.cooldown_reason) if until > self.now else None

    def is_plain(self, pool: str) -> bool:
        return pool not in self._tables.conditions

    def share(self, pool: str) -> float:
        return self._tables.conditions.get(pool, _NONE).throttle.now(self.now)

    def learned(self, pool: str, limit: Limit) -> int | None:
        known = self._tables.conditions.get(pool, _NONE).learned
        amount, until = known.get(limit, (0, 0.0)) if known else (0, 0.0)
        return amount if until > self.now else None

    def total(self, pool: str, limit: Limit) -> int:
        return self._window(pool, limit).total

    def charges(self, pool: str, limit: Limit) -> Charges:
        return list(self._window(pool, limit).amounts.items())

    def empties_at(self, pool: str, limit: Limit) -> float:
        return self._tables.buckets.get((pool, limit.spec), 0.0)

    def add(self, pool: str, limit: Limit, expires: float, amount: int) -> None:
        windows, key = self._tables.windows, (pool, limit.spec)
        if key not in windows:
            windows[key] = _Window()
        windows[key].add(expires, amount)

    def set_empties_at(self, pool: str, limit: Limit, at: float) -> None:
        self._tables.buckets[pool, limit.spec] = at

    def learn(self, pool: str, limit: Limit, amount: int | None) -> None:
        learned = self._tables.condition(pool).learned
        learned.pop(limit, None)
        if amount is not None:
            learned[limit] = (amount, self.now + LEARNED_SECONDS)

    def _window(self, pool: str, limit: Limit) -> _Window:
        window = self._tables.windows.get((pool, limit.spec), _EMPTY)
        if window.earliest <= self.now:
            window.forget(self.now)
        return window


class MemoryStore:
    """A store for the threads of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tables = _Tables()
        self._open: dict[str, Reservation] = {}
        self._plans: dict[str, PlanState] = {}
        self._tickets = 0
        self._lead = measured_lead(clock)

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
        with self._lock:
            counts = _Counts(self._tables, self._now())
            expires = counts.now + lease_seconds
            charges = charges_for(
                pools, estimate, now=counts.now, lease_expires=expires
            )
            conditions = self._tables.conditions
            ahead = {
                pool.name: condition.ahead(ticket, counts.now)
                for pool in pools
                if (condition := conditions.get(pool.name)) and condition.queue
            }
            refused = refusal(counts, pools, charges, ahead)
            if refused is not None:
                return refused
            for charge in charges:
                count(counts, charge, charge.expires_at, charge.amount)
            if ticket is not None:
                self._leave_queue(ticket)
            reservation = Reservation(
                id=secrets.token_hex(16),
                estimate=estimate,
                made_at=counts.now,
                expires_at=expires,
                charges=tuple(charges),
            )
            self._open[reservation.id] = reservation
            return reservation

    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
        *,
        delay: float = 0.0,
    ) -> bool:
        with self._lock:
            counts = _Counts(self._tables, self._now())
            known = self._open.pop(reservation.id, None)
            self._forget_expired(counts.now)
            fresh = known is not None and known.expires_at > counts.now
            if known is not None and fresh:
                sent = left_at(known, delay)
                for charge in known.charges:
                    changes = corrections(charge, actual, sent_at=sent, now=counts.now)
                    for expires, amount in changes:
                        count(counts, charge, expires, amount)
            for observation in observations:
                observe(counts, observation)
            return fresh

    def join_queue(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        with self._lock:
            if ticket is None:
                self._tickets += 1
                ticket = self._tickets
            else:
                self._leave_queue(ticket)
            queue = self._tables.condition(pool).queue
            queue[ticket] = (estimate, self._now() + seconds)
            return ticket

    def leave_queue(self, ticket: int) -> None:
        with self._lock:
            self._leave_queue(ticket)

    def cool_down(
        self, pool: str, *, until: float, reason: str, replace: bool = False
    ) -> None:
        with self._lock:
            condition = self._tables.condition(pool)
            if replace or until > condition.cooldown_until:
                condition.cooldown_until = until
                condition.cooldown_reason = reason

    def throttle(self, pool: str) -> float:
        with self._lock:
            condition, now = self._tables.condition(pool), self._now()
            condition.throttle = condition.throttle.decreased(now)
            return condition.throttle.now(now)

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        with self._lock:
            self._plans[provider] = PlanState(plan=plan, reason=reason, at=self._now())

    def plans(self) -> dict[str, PlanState]:
        with self._lock:
            return dict(self._plans)

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        with self._lock:
            counts = _Counts(self._tables, self._now())
            self._forget_expired(counts.now)
            return [self._state(counts, pool) for pool in pools]

    def close(self) -> None:
        """Nothing to let go of."""

    def _state(self, counts: _Counts, pool: Pool) -> PoolState:
        flying: Counter[Limit] = Counter()
        for reservation in self._open.values():
            for charge in reservation.charges:
                if charge.pool == pool.name:
                    flying[charge.limit] += charge.amount
        condition = self._tables.conditions.get(pool.name, _NONE)
        waiting = sum(until > counts.now for _, until in condition.queue.values())
        return pool_state(counts, pool, flying, waiting)

    def _now(self) -> float:
        """The time of a step; what counts has followed the clock there."""
        now = self._clock.now()
        if strays(self._clock, now, self._lead):
            self._follow(now)
        return now

    def _follow(self, now: float) -> None:
        lead = measured_lead(self._clock)
        jump = Jump(seconds=lead - self._lead, at=now)
        if not jump.is_one:
            return
        self._lead = lead
        self._tables.follow(jump)
        self._open = {
            name: jump.moved_reservation(held) for name, held in self._open.items()
        }

    def _leave_queue(self, ticket: int) -> None:
        for condition in self._tables.conditions.values():
            condition.queue.pop(ticket, None)

    def _forget_expired(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if oldest.expires_at > now:
                return
            del self._open[oldest.id]
