"""The counts in the memory of one process: for scripts, and as the reference."""

import threading
import uuid
from collections.abc import Sequence

from crew.clock import Clock
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
from crew.quota.store import (
    Charge,
    LimitState,
    PoolState,
    Reservation,
    charges_for,
    corrections,
)


class _Window:
    """What counts against one limit, by the time it stops counting."""

    __slots__ = ("amounts", "earliest", "limit", "total")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.amounts: dict[float, int] = {}
        self.earliest = float("inf")
        self.total = 0

    def used(self, now: float) -> float:
        if self.earliest <= now:
            for expires in [known for known in self.amounts if known <= now]:
                self.total -= self.amounts.pop(expires)
            self.earliest = min(self.amounts, default=float("inf"))
        return self.total

    def add(self, expires: float, amount: int, now: float) -> None:
        if expires <= now:
            return
        self.amounts[expires] = self.amounts.get(expires, 0) + amount
        self.total += amount
        self.earliest = min(self.earliest, expires)

    def opens_at(self, need: int, now: float) -> float | None:
        return opens_at(self.limit, list(self.amounts.items()), need, now)

    def resets_at(self, now: float) -> float | None:
        return max(
            (at for at, n in self.amounts.items() if n and at > now), default=None
        )


class _Bucket:
    """A refilling bucket, by the time at which nothing counts any more."""

    __slots__ = ("empties_at", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.empties_at = 0.0

    def used(self, now: float) -> float:
        return level(self.limit, self.empties_at, now)

    def add(self, expires: float, amount: int, now: float) -> None:
        self.empties_at = drained(self.limit, self.empties_at, amount, now)

    def opens_at(self, need: int, now: float) -> float | None:
        if need > self.limit.amount:
            return None
        over = self.used(now) + need - self.limit.amount
        return now + max(0.0, over) / self.limit.per_second

    def resets_at(self, now: float) -> float | None:
        return self.empties_at if self.empties_at > now else None


class MemoryStore:
    """A store for the threads of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Limit], _Window | _Bucket] = {}
        self._cooldowns: dict[str, tuple[float, str]] = {}
        self._open: dict[str, Reservation] = {}

    def now(self) -> float:
        return self._clock.now()

    def reserve(
        self, pools: Sequence[Pool], estimate: Usage, *, lease_seconds: float
    ) -> Reservation | Refusal:
        with self._lock:
            now = self.now()
            expires = now + lease_seconds
            charges = charges_for(pools, estimate, now=now, lease_expires=expires)
            refusal = latest(self._refusals(pools, charges, now))
            if refusal is not None:
                return refusal
            for charge in charges:
                self._count(charge).add(charge.expires_at, charge.amount, now)
            reservation = Reservation(
                id=uuid.uuid4().hex,
                estimate=estimate,
                expires_at=expires,
                charges=tuple(charges),
            )
            self._open[reservation.id] = reservation
            return reservation

    def settle(self, reservation: Reservation, actual: Usage) -> bool:
        with self._lock:
            now = self.now()
            known = self._open.pop(reservation.id, None)
            self._forget_expired(now)
            if known is None or known.expires_at <= now:
                return False
            for charge in known.charges:
                count = self._count(charge)
                for expires, amount in corrections(charge, actual, now):
                    count.add(expires, amount, now)
            return True

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        with self._lock:
            if until > self._cooldowns.get(pool, (0.0, ""))[0]:
                self._cooldowns[pool] = (until, reason)

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        with self._lock:
            now = self.now()
            self._forget_expired(now)
            return [self._state(pool, now) for pool in pools]

    def close(self) -> None:
        """Nothing to let go of."""

    def _count(self, charge: Charge) -> _Window | _Bucket:
        key = (charge.pool, charge.limit)
        if key not in self._counts:
            refilling = charge.limit.kind is Kind.REFILLING
            self._counts[key] = (_Bucket if refilling else _Window)(charge.limit)
        return self._counts[key]

    def _refusals(
        self, pools: Sequence[Pool], charges: Sequence[Charge], now: float
    ) -> list[Refusal]:
        found = []
        for pool in pools:
            until, reason = self._cooldowns.get(pool.name, (0.0, ""))
            if until > now:
                found.append(
                    Refusal(pool=pool.name, limit=None, reason=reason, opens_at=until)
                )
        for charge in charges:
            count = self._count(charge)
            if not admit(charge.limit, count.used(now), charge.amount):
                found.append(refused(charge, count.opens_at(charge.amount, now)))
        return found

    def _forget_expired(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if oldest.expires_at > now:
                return
            del self._open[oldest.id]

    def _state(self, pool: Pool, now: float) -> PoolState:
        until, reason = self._cooldowns.get(pool.name, (0.0, ""))
        states = []
        for limit in pool.limits:
            flying = [
                charge.amount
                for reservation in self._open.values()
                for charge in reservation.charges
                if charge.pool == pool.name and charge.limit == limit
            ]
            count = self._counts.get((pool.name, limit))
            used = round(count.used(now)) if count else 0
            reserved = min(used, sum(flying))
            states.append(
                LimitState(
                    limit=limit,
                    used=used - reserved,
                    reserved=reserved,
                    resets_at=count.resets_at(now) if count else None,
                )
            )
        return PoolState(
            name=pool.name,
            limits=tuple(states),
            cooldown_until=until if until > now else None,
            cooldown_reason=reason if until > now else "",
        )


def refused(charge: Charge, opens: float | None) -> Refusal:
    """The refusal that a full limit gives."""
    reason = str(charge.limit)
    if opens is None:
        need = charge.limit.shown(charge.amount)
        reason = f"{need} {charge.limit.metric} never fit into {charge.limit}"
    return Refusal(pool=charge.pool, limit=charge.limit, reason=reason, opens_at=opens)
