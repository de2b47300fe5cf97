"""Allowances: how far each limit is from its end, and when it gets there; pure.

What is nearest to its end comes first: what is closed, what will be empty within the
hour, then the fullest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crew.quota.limits import (
    NOTHING,
    Limit,
    Metric,
    Usage,
    WindowKind,
    window_end,
)
from crew.quota.store import LimitState, PoolState

SHORTEST = 3_600.0
"""Seconds. A shorter window slows a run down, and does not end it: no forecast."""
FEWEST = 5
"""How many calls make a rate: fewer say nothing about the next hour."""
LEAST_SECONDS = 900.0
"""A rate is that of a quarter of an hour at least: crews work in bursts."""
SOON = 3_600.0
_DAY = 86_400.0
USED_UP, IN_USE = "used up", "all in use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a pool is drawn on: what its calls took in the latest `seconds`."""

    usage: Usage = NOTHING
    seconds: float = 0.0

    def per_second(self, metric: Metric) -> float:
        """In the metric's base unit; 0 where too few calls say anything."""
        if self.usage.requests < FEWEST:
            return 0.0
        return self.usage.amount(metric) / max(self.seconds, LEAST_SECONDS)


IDLE = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One limit of one pool. Amounts are in the metric's base unit (nano-dollars for
    usd), times in seconds since the epoch.

    `share` of it is used, in flight included, from 0 to 1. `resets_at` is when all of
    that stops counting; None when nothing counts. `empty_at` is when nothing is left at
    the present rate; None when it resets before. `closed` says why no call gets
    through; empty while one does.
    """

    pool: str
    limit: Limit
    used: int
    reserved: int
    left: int
    share: float
    resets_at: float | None = None
    empty_at: float | None = None
    closed: str = ""
    learned: int | None = None

    @property
    def is_money(self) -> bool:
        return self.limit.metric is Metric.USD

    @property
    def is_budget(self) -> bool:
        """Whether it is a budget in money."""
        return self.is_money and self.pool.startswith("budget")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What besides its limits holds a pool back: a cooldown up to `until`, a throttle
    to `share` of its limits, or `waiting` calls in its queue."""

    pool: str
    cooldown: str = ""
    until: float | None = None
    share: float | None = None
    waiting: int = 0


def allowances(
    pools: Sequence[PoolState], paces: Mapping[str, Pace], now: float
) -> tuple[Allowance, ...]:
    """Every limit of the pools, what is nearest to its end first. `paces` are those of
    the pools, by name."""
    found = (
        _allowance(pool, state, paces.get(pool.name, IDLE), now)
        for pool in pools
        for state in pool.limits
    )
    return tuple(sorted(found, key=lambda one: _nearness(one, now)))


def holds(pools: Sequence[PoolState], now: float) -> Iterator[Hold]:
    """What holds pools back besides their limits."""
    for pool in pools:
        until = pool.cooldown_until
        if until is not None and until > now:
            why = pool.cooldown_reason or "after a failure"
            yield Hold(pool=pool.name, cooldown=why, until=until)
        if pool.throttle is not None:
            yield Hold(pool=pool.name, share=pool.throttle)
        if pool.waiting:
            yield Hold(pool=pool.name, waiting=pool.waiting)


def _nearness(one: Allowance, now: float) -> tuple[object, ...]:
    soon = one.empty_at is not None and one.empty_at <= now + SOON
    first = 0 if one.closed else 1 if soon else 2
    at = one.empty_at if soon and not one.closed else 0.0
    return first, at, -one.share, one.pool, one.limit.spec


def _allowance(pool: PoolState, state: LimitState, pace: Pace, now: float) -> Allowance:
    counted = state.used + state.reserved
    whole = counted + state.left
    closed = ""
    if state.left <= 0:
        closed = IN_USE if state.limit.kind is WindowKind.LEASE else USED_UP
    if pool.cooldown_until is not None and pool.cooldown_until > now:
        closed = f"cooldown: {pool.cooldown_reason or 'after a failure'}"
    return Allowance(
        pool=pool.name,
        limit=state.limit,
        used=state.used,
        reserved=state.reserved,
        left=state.left,
        share=counted / whole if whole > 0 else 1.0,
        resets_at=state.resets_at,
        empty_at=empty_at(state, pace.per_second(state.limit.metric), now),
        closed=closed,
        learned=state.learned,
    )


def empty_at(state: LimitState, rate: float, now: float) -> float | None:
    """When a limit has nothing left, in seconds since the epoch; None when that does
    not happen before it resets.

    The present `rate` (in the base unit, for a second) says so for the next day: nobody
    works day and night as in one hour. For what lies behind that, the mean of the
    calendar window up to now does.
    """
    if state.left <= 0 or state.limit.seconds < SHORTEST:
        return None
    empty = _empty_at(state, rate, now) if rate > 0 else None
    if empty is not None and empty <= now + _DAY:
        return empty
    if state.limit.kind is WindowKind.CALENDAR and state.limit.seconds > _DAY:
        elapsed = now - _window_start(state.limit, now)
        if elapsed >= _DAY and state.used > 0:
            return _empty_at(state, state.used / elapsed, now)
    return None


def _empty_at(state: LimitState, rate: float, now: float) -> float | None:
    """Of a rolling window, what counts now is taken to leave it evenly."""
    limit, left = state.limit, state.left
    counted = state.used + state.reserved
    match limit.kind:
        case WindowKind.CALENDAR:
            empty = now + left / rate
            return empty if empty < window_end(limit, now) else None
        case WindowKind.REFILLING:
            net = rate - limit.per_second
            empty = now + left / net if net > 0 else float("inf")
            return empty if empty < now + limit.seconds else None
        case WindowKind.ROLLING:
            length = max((state.resets_at or now) - now, 1.0)
            net = rate - counted / length
            if net > 0 and left / net <= length:
                return now + left / net
            empty = (counted + left) / rate
            return now + empty if length < empty < limit.seconds else None
        case _:
            return None


def _window_start(limit: Limit, now: float) -> float:
    """When the calendar window that holds `now` began."""
    start = window_end(limit, now - limit.seconds - _DAY)
    while (following := window_end(limit, start)) <= now:
        start = following
    return start
