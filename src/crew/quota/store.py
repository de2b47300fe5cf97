"""The store: the shared counts, and the two steps that change them.

A step is atomic. `reserve` charges all limits of all pools or none; `settle` turns
the estimate into what was really used, once. Stores differ in who shares them: one
process (`memory`), the processes of one machine (`sqlite`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from crew.quota.admission import effective
from crew.quota.limits import Limit, Metric, Pool, Refusal, Usage, WindowKind

SPENT_AT_THE_END = frozenset({Metric.TOKENS, Metric.OUTPUT_TOKENS, Metric.USD})
"""What a provider counts when an answer is complete."""
USUAL_DELAY = 0.2
"""Seconds from a reservation to its request that the margin of a window covers."""


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
    limits is given back, at `expires_at`. `made_at` is when it was made. `timeline`
    is the store's own: how often the clock had jumped by then.
    """

    id: str
    estimate: Usage
    made_at: float
    expires_at: float
    charges: tuple[Charge, ...]
    timeline: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """One limit as it stands, in the metric's base unit.

    `used` is settled, `reserved` is in flight. `resets_at` is when all of it has
    stopped counting; None when nothing counts. `learned` is the lower amount that the
    provider reported, None when it reported none; `share` is the throttle of the pool.
    """

    limit: Limit
    used: int
    reserved: int
    resets_at: float | None
    learned: int | None = None
    share: float = 1.0

    @property
    def left(self) -> int:
        held = effective(self.limit, 0, learned=self.learned, share=self.share)
        return max(0, held.amount - self.used - self.reserved)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """One pool as it stands. `cooldown_until` is in seconds since the epoch,
    `throttle` the share of its short limits that it uses, None when it uses all;
    `waiting` counts the calls in its queue."""

    name: str
    limits: tuple[LimitState, ...] = ()
    cooldown_until: float | None = None
    cooldown_reason: str = ""
    throttle: float | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a provider reported of one limit: never taken as more room, only as less.

    `amount` is the limit as the provider knows it, `used` what it has counted so
    far, both in the metric's base unit; `resets_at` (seconds since the epoch) is when
    all of it stops counting. None where it did not report it.
    """

    pool: str
    limit: Limit
    amount: int | None = None
    used: int | None = None
    resets_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanState:
    """The plan that an account is on. `at` is when that was found out, in seconds
    since the epoch."""

    plan: str
    reason: str
    at: float


LEARNED_SECONDS = 86_400.0
"""How long a reported limit counts when the provider does not report it again."""


class Store(Protocol):
    """Shared counts. Every method raises StoreUnavailable when it cannot work."""

    def now(self) -> float:
        """The store's own time, in seconds since the epoch."""
        ...

    def reserve(
        self,
        pools: Sequence[Pool],
        estimate: Usage,
        *,
        lease_seconds: float,
        ticket: int | None = None,
    ) -> Reservation | Refusal:
        """Charge all limits of all pools, or none and say which closes and when.

        Calls that wait in a pool's queue before this one go first: they count as if
        they were charged. A call with a `ticket` has its place there, any other is
        last.
        A reservation takes the ticket back.
        """
        ...

    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
        *,
        delay: float = 0.0,
    ) -> bool:
        """Put what was used in place of the estimate, and take note of what the
        provider reported. `delay` is the seconds from the reservation to the moment
        when the request left. False: it was settled before, or its lease has passed,
        and nothing changed but for the observations."""
        ...

    def join_queue(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        """Take a place at the end of a pool's queue, or keep the one of `ticket`.

        Returns the ticket. It lapses after `seconds`, so that a dead process holds
        nobody up.
        """
        ...

    def leave_queue(self, ticket: int) -> None:
        """Give up the place in a queue."""
        ...

    def throttle(self, pool: str) -> float:
        """Let the pool use less of its short limits, after a refusal that the counts
        did not foresee. Returns the share that it uses now."""
        ...

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        """Note the plan that an account is on, for everybody."""
        ...

    def plans(self) -> dict[str, PlanState]:
        """The plans that were noted, by provider."""
        ...

    def cool_down(
        self, pool: str, *, until: float, reason: str, replace: bool = False
    ) -> None:
        """Refuse the pool to everybody until then. A longer cooldown stays, unless it
        is to be replaced: then a time that has passed opens the pool."""
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
        case WindowKind.LEASE:
            return lease_expires
        case WindowKind.REFILLING:
            return 0.0
        case _ if limit.metric in SPENT_AT_THE_END:
            # The call may end as late as its lease: until it is settled it counts.
            return limit.expires_at(lease_expires)
        case _:
            return limit.expires_at(now)


def corrections(
    charge: Charge, actual: Usage, *, sent_at: float | None, now: float
) -> list[tuple[float, int]]:
    """How a charge changes when its call is settled: (expires_at, amount) to add.

    Requests and input tokens count from when they were sent. A provider counts the
    answer's tokens, and the money, when the answer is complete: they move to `now`.
    """
    limit = charge.limit
    if limit.kind is WindowKind.LEASE:
        return [(charge.expires_at, -charge.amount)]
    used = actual.amount(limit.metric)
    if limit.kind is WindowKind.REFILLING:
        return [(0.0, used - charge.amount)] if used != charge.amount else []
    counts_from = now if limit.metric in SPENT_AT_THE_END else sent_at
    expires = charge.expires_at
    if counts_from is not None:
        expires = limit.expires_at(counts_from)
    if expires != charge.expires_at:
        return [(charge.expires_at, -charge.amount), (expires, used)]
    return [(expires, used - charge.amount)] if used != charge.amount else []


def left_at(reservation: Reservation, delay: float) -> float | None:
    """When the request left, where that matters: the windows' margin covers what is
    usual between a reservation and its request."""
    return reservation.made_at + delay if delay > USUAL_DELAY else None


def unforeseen(
    observation: Observation, counted: float, now: float
) -> tuple[float, int] | None:
    """What to charge for calls that others made with the same key: (expires_at,
    amount). `counted` is what the store counts of the limit, in flight included:
    a provider knows of no more than that unless somebody else spends."""
    limit = observation.limit
    missing = (observation.used or 0) - int(counted)
    if missing <= 0 or limit.kind in (WindowKind.LEASE, WindowKind.RUN):
        return None
    if limit.kind is WindowKind.REFILLING:
        return 0.0, missing
    until = limit.expires_at(now)
    if observation.resets_at is not None and observation.resets_at < until:
        until = limit.slotted(observation.resets_at)
    return (until, missing) if until > now else None


def refused(charge: Charge, opens: float | None) -> Refusal:
    """The refusal that a full limit gives."""
    limit, reason = charge.limit, str(charge.limit)
    if limit.kind is WindowKind.RUN:
        opens = None  # a run has one window
    elif opens is None:
        need = limit.shown(charge.amount)
        reason = f"{need} {limit.metric} never fit into {limit}"
    return Refusal(pool=charge.pool, limit=limit, reason=reason, opens_at=opens)
