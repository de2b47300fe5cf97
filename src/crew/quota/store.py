"""The store: the shared counts, and the two steps that change them.

A step is atomic. `reserve` charges all limits of all pools or none; `settle` turns
the estimate into what was really used, once. Stores differ in who shares them: one
process (`memory`), the processes of one machine (`sqlite`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from crew.quota.limits import Kind, Limit, Metric, Pool, Refusal, Usage

_SPENT_AT_THE_END = frozenset({Metric.TOKENS, Metric.OUTPUT_TOKENS, Metric.USD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a reservation took of one limit, and until when it counts there.

    For a refilling bucket `expires_at` is 0: it drains by itself.
    """

    pool: str
    limit: Limit
    amount: int
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Room that is held for one call. Times are in seconds since the epoch.

    A reservation that nobody settles stays charged; only its place in concurrency
    limits is given back, at `expires_at`.
    """

    id: str
    estimate: Usage
    expires_at: float
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """One limit as it stands, in the metric's base unit.

    `used` is settled, `reserved` is in flight. `resets_at` is when all of it has
    stopped counting; None when nothing counts.
    """

    limit: Limit
    used: int
    reserved: int
    resets_at: float | None

    @property
    def left(self) -> int:
        return max(0, self.limit.amount - self.used - self.reserved)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """One pool as it stands. `cooldown_until` is in seconds since the epoch."""

    name: str
    limits: tuple[LimitState, ...] = ()
    cooldown_until: float | None = None
    cooldown_reason: str = ""
    throttle: float | None = None


class Store(Protocol):
    """Shared counts. Every method raises StoreUnavailable when it cannot work."""

    def now(self) -> float:
        """The store's own time, in seconds since the epoch."""
        ...

    def reserve(
        self, pools: Sequence[Pool], estimate: Usage, *, lease_seconds: float
    ) -> Reservation | Refusal:
        """Charge all limits of all pools, or none and say which closes and when."""
        ...

    def settle(self, reservation: Reservation, actual: Usage) -> bool:
        """Put what was used in place of the estimate. False: it was settled before,
        or its lease has passed, and nothing changed."""
        ...

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        """Refuse the pool to everybody until then. A longer cooldown stays."""
        ...

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        """How the pools stand. Changes nothing."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def charges_for(
    pools: Iterable[Pool], estimate: Usage, *, now: float, lease_expires: float
) -> list[Charge]:
    """What a call with this estimate takes of each limit of the pools."""
    return [
        Charge(
            pool=pool.name,
            limit=limit,
            amount=estimate.amount(limit.metric),
            expires_at=_expiry(limit, now, lease_expires),
        )
        for pool in pools
        for limit in pool.limits
    ]


def _expiry(limit: Limit, now: float, lease_expires: float) -> float:
    match limit.kind:
        case Kind.LEASE:
            return lease_expires
        case Kind.REFILLING:
            return 0.0
        case _:
            return limit.expires_at(now)


def corrections(charge: Charge, actual: Usage, now: float) -> list[tuple[float, int]]:
    """How a charge changes when its call is settled: (expires_at, amount) to add.

    Requests and input tokens count from when they were sent. A provider counts the
    answer's tokens, and the money, when the answer is complete: they move to `now`.
    """
    if charge.limit.kind is Kind.LEASE:
        return [(charge.expires_at, -charge.amount)]
    used = actual.amount(charge.limit.metric)
    same = used == charge.amount and charge.limit.metric not in _SPENT_AT_THE_END
    if same:
        return []
    if charge.limit.kind is Kind.REFILLING:
        return [(0.0, used - charge.amount)]
    if charge.limit.metric in _SPENT_AT_THE_END:
        later = charge.limit.expires_at(now)
        if later != charge.expires_at:
            return [(charge.expires_at, -charge.amount), (later, used)]
    return [(charge.expires_at, used - charge.amount)]
