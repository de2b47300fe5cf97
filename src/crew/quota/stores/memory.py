"""The counts in the memory of one process: for scripts, and as the reference."""

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

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
from crew.quota.limits import NOTHING, Limit, Pool, Refusal, Usage, WindowKind
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


class _Window:
    """What counts against one limit, by the time it stops counting."""

    __slots__ = ("amounts", "earliest", "total")

    def __init__(self) -> None:
        self.amounts: dict[float, int] = {}
        self.earliest = float("inf")
        self.total = 0

    def used(self, limit: Limit, now: float) -> float:
        if self.earliest <= now:
            for expires in [known for known in self.amounts if known <= now]:
                self.total -= self.amounts.pop(expires)
            self.earliest = min(self.amounts, default=float("inf"))
        return self.total

    def add(self, limit: Limit, expires: float, amount: int, now: float) -> None:
        if expires <= now:
            return
        self.amounts[expires] = self.amounts.get(expires, 0) + amount
        self.total += amount
        self.earliest = min(self.earliest, expires)

    def opens_at(
        self, limit: Limit, need: int, now: float, *, ahead: int
    ) -> float | None:
        return opens_at(limit, list(self.amounts.items()), need, now, ahead=ahead)

    def resets_at(self, now: float) -> float | None:
        return max(
            (at for at, n in self.amounts.items() if n and at > now), default=None
        )


class _Bucket:
    """A refilling bucket, by the time at which nothing counts any more."""

    __slots__ = ("empties_at",)

    def __init__(self) -> None:
        self.empties_at = 0.0

    def used(self, limit: Limit, now: float) -> float:
        return level(limit, self.empties_at, now)

    def add(self, limit: Limit, expires: float, amount: int, now: float) -> None:
        self.empties_at = drained(limit, self.empties_at, amount, now)

    def opens_at(
        self, limit: Limit, need: int, now: float, *, ahead: int
    ) -> float | None:
        return refills_at(limit, self.used(limit, now), need, now, ahead=ahead)

    def resets_at(self, now: float) -> float | None:
        return self.empties_at if self.empties_at > now else None


@dataclass(slots=True)
class _Condition:
    """What besides its counts closes or narrows a pool."""

    cooldown_until: float = 0.0
    cooldown_reason: str = ""
    throttle: Throttle = UNTHROTTLED
    learned: dict[Limit, tuple[int, float]] = field(default_factory=dict)
    queue: dict[int, tuple[Usage, float]] = field(default_factory=dict)

    def amount(self, limit: Limit, now: float) -> int | None:
        amount, until = self.learned.get(limit, (0, 0.0))
        return amount if until > now else None

    def ahead(self, ticket: int | None, now: float) -> Usage:
        total = NOTHING
        for place, (usage, until) in self.queue.items():
            if until > now and (ticket is None or place < ticket):
                total += usage
        return total


class MemoryStore:
    """A store for the threads of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], _Window | _Bucket] = {}
        self._conditions: dict[str, _Condition] = {}
        self._open: dict[str, Reservation] = {}
        self._plans: dict[str, PlanState] = {}
        self._tickets = 0

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
            now = self.now()
            expires = now + lease_seconds
            charges = charges_for(pools, estimate, now=now, lease_expires=expires)
            refusal = latest(self._refusals(pools, charges, ticket, now))
            if refusal is not None:
                return refusal
            for charge in charges:
                self._add(charge, charge.expires_at, charge.amount, now)
            if ticket is not None:
                self._leave_queue(ticket)
            reservation = Reservation(
                id=secrets.token_hex(16),
                estimate=estimate,
                made_at=now,
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
            now = self.now()
            known = self._open.pop(reservation.id, None)
            self._forget_expired(now)
            fresh = known is not None and known.expires_at > now
            if known is not None and fresh:
                sent = left_at(known, delay)
                for charge in known.charges:
                    changes = corrections(charge, actual, sent_at=sent, now=now)
                    for expires, amount in changes:
                        self._add(charge, expires, amount, now)
            for observation in observations:
                self._observe(observation, now)
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
            place = (estimate, self.now() + seconds)
            self._condition(pool).queue[ticket] = place
            return ticket

    def leave_queue(self, ticket: int) -> None:
        with self._lock:
            self._leave_queue(ticket)

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        with self._lock:
            condition = self._condition(pool)
            if until > condition.cooldown_until:
                condition.cooldown_until = until
                condition.cooldown_reason = reason

    def throttle(self, pool: str) -> float:
        with self._lock:
            condition, now = self._condition(pool), self.now()
            condition.throttle = condition.throttle.decreased(now)
            return condition.throttle.now(now)

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        with self._lock:
            self._plans[provider] = PlanState(plan=plan, reason=reason, at=self.now())

    def plans(self) -> dict[str, PlanState]:
        with self._lock:
            return dict(self._plans)

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        with self._lock:
            now = self.now()
            self._forget_expired(now)
            return [self._state(pool, now) for pool in pools]

    def close(self) -> None:
        """Nothing to let go of."""

    def _condition(self, pool: str) -> _Condition:
        return self._conditions.setdefault(pool, _Condition())

    def _count(self, pool: str, limit: Limit) -> _Window | _Bucket:
        key = (pool, limit.spec)
        count = self._counts.get(key)
        if count is None:
            count = _Bucket() if limit.kind is WindowKind.REFILLING else _Window()
            self._counts[key] = count
        return count

    def _effective(self, pool: str, limit: Limit, need: int, now: float) -> Limit:
        condition = self._conditions.get(pool)
        if condition is None:
            return limit
        return effective(
            limit,
            need,
            learned=condition.amount(limit, now),
            share=condition.throttle.now(now),
        )

    def _add(self, charge: Charge, expires: float, amount: int, now: float) -> None:
        limit = self._effective(charge.pool, charge.limit, charge.amount, now)
        self._count(charge.pool, charge.limit).add(limit, expires, amount, now)

    def _refusals(
        self,
        pools: Sequence[Pool],
        charges: Sequence[Charge],
        ticket: int | None,
        now: float,
    ) -> list[Refusal]:
        found = []
        ahead: dict[str, Usage] = {}
        for pool in pools:
            condition = self._conditions.get(pool.name)
            if condition is None:
                continue
            ahead[pool.name] = condition.ahead(ticket, now)
            if condition.cooldown_until > now:
                found.append(
                    Refusal(
                        pool=pool.name,
                        limit=None,
                        reason=condition.cooldown_reason,
                        opens_at=condition.cooldown_until,
                    )
                )
        for charge in charges:
            limit = self._effective(charge.pool, charge.limit, charge.amount, now)
            count = self._count(charge.pool, charge.limit)
            first = ahead.get(charge.pool, NOTHING).amount(limit.metric)
            if not admit(limit, count.used(limit, now) + first, charge.amount):
                opens = count.opens_at(limit, charge.amount, now, ahead=first)
                found.append(refused(charge, opens))
        return found

    def _observe(self, seen: Observation, now: float) -> None:
        learned = self._condition(seen.pool).learned
        if seen.amount is not None:
            learned.pop(seen.limit, None)
            if seen.amount < seen.limit.amount:
                learned[seen.limit] = (seen.amount, now + LEARNED_SECONDS)
        limit = self._effective(seen.pool, seen.limit, 0, now)
        count = self._count(seen.pool, seen.limit)
        charge = unforeseen(seen, count.used(limit, now), now)
        if charge is not None:
            count.add(limit, *charge, now)

    def _leave_queue(self, ticket: int) -> None:
        for condition in self._conditions.values():
            condition.queue.pop(ticket, None)

    def _forget_expired(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if oldest.expires_at > now:
                return
            del self._open[oldest.id]

    def _state(self, pool: Pool, now: float) -> PoolState:
        condition = self._conditions.get(pool.name, _Condition())
        cooling = condition.cooldown_until > now
        share = condition.throttle.now(now)
        return PoolState(
            name=pool.name,
            limits=tuple(self._limit_state(pool, limit, now) for limit in pool.limits),
            cooldown_until=condition.cooldown_until if cooling else None,
            cooldown_reason=condition.cooldown_reason if cooling else "",
            throttle=share if share < 1 else None,
            waiting=sum(until > now for _, until in condition.queue.values()),
        )

    def _limit_state(self, pool: Pool, limit: Limit, now: float) -> LimitState:
        flying = sum(
            charge.amount
            for reservation in self._open.values()
            for charge in reservation.charges
            if charge.pool == pool.name and charge.limit == limit
        )
        held = self._effective(pool.name, limit, 0, now)
        count = self._counts.get((pool.name, limit.spec))
        used = round(count.used(held, now)) if count else 0
        reserved = min(used, flying)
        condition = self._conditions.get(pool.name)
        return LimitState(
            limit=limit,
            used=used - reserved,
            reserved=reserved,
            resets_at=count.resets_at(now) if count else None,
            learned=condition.amount(limit, now) if condition else None,
            share=condition.throttle.now(now) if condition else 1.0,
        )
