"""Free requests that are saved for large calls: what is left of them, and what is still
to come, as the store and the journal say."""

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

from crew.clock import Clock
from crew.guard.following import Follower, Nothing, Record
from crew.guard.pools import Pools
from crew.quota.limits import Limit, Metric, Pool, Usage, WindowKind
from crew.quota.store import Level, Store
from crew.routing import Arranged, Request, Warm
from crew.routing.saving import (
    DAY,
    KNOWN_DAYS,
    Allowance,
    Choice,
    choice,
    expected_calls,
    saved,
    worth_from,
)
from crew.settings import Deployment
from crew.settings.strategies import is_kept

LATEST = 300
"""The calls whose sizes say what a large one is."""


class Demand:
    """When calls came lately, and how large they were, by deployment."""

    def __init__(self, record: Record | None, clock: Clock) -> None:
        self._new = Follower((record or Nothing()).calls_after)
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, list[float]] = {}
        self._sizes: dict[str, deque[tuple[float, int, int]]] = {}

    def read(self) -> None:
        """Take note of the calls since the last time."""
        with self._lock:
            for one in self._new.fresh():
                if one.failed:
                    continue
                insort(self._times.setdefault(one.deployment, []), one.at)
                sizes = self._sizes.setdefault(one.deployment, deque(maxlen=LATEST))
                sizes.append((one.at, one.input_tokens, one.output_tokens))
            oldest = self._clock.now() - (KNOWN_DAYS + 1) * DAY
            for times in self._times.values():
                del times[: bisect_left(times, oldest)]

    def expected(self, names: Iterable[str], now: float, until: float) -> float:
        """How many calls these deployments would serve from now on until then."""
        with self._lock:
            known = [self._times[name] for name in names if name in self._times]

            def count(since: float, to: float) -> int:
                return sum(bisect_left(at, to) - bisect_left(at, since) for at in known)

            return expected_calls(count, now, until)

    def costs(self, names: Iterable[str], at: Deployment) -> list[float]:
        """What the latest calls of these deployments would have cost at this one."""
        if at.price is None:
            return []
        sent, written = float(at.price.input), float(at.price.output)
        with self._lock:
            # Of all together, as the large ones are served by others than the small.
            sizes = [one for name in names for one in self._sizes.get(name, ())]
        return [
            (sent * tokens + written * answered) / 1_000_000
            for _, tokens, answered in sorted(sizes)[-LATEST:]
        ]


class Saving:
    """Puts a call that is small behind those whose free requests are scarce."""

    def __init__(
        self, store: Store, pools: Pools, record: Record | None, clock: Clock
    ) -> None:
        self._store = store
        self._pools = pools
        self._demand = Demand(record, clock)

    def arrange(self, request: Request, found: Arranged, warm: Warm | None) -> Arranged:
        """The candidates in order. Raises StoreUnavailable."""
        # A step of a ladder, an arm or a part of a pattern keeps to its deployments.
        asked = [
            one
            for one in found.candidates
            if not request.chain or one.name in request.chain
        ]
        between = choice(asked, lambda one: bool(self._counted(one)))
        if between is None:
            return found
        usage = self._pools.estimate(between.paid, request)
        levels = self._levels(between, request)
        if not _has_room(levels, self._pools.of(between.paid, request), usage):
            return found
        self._demand.read()
        worth = worth_from(
            self._allowances(between, levels),
            self._demand.costs(between.names, between.paid),
        )
        return saved(found, between, _usd(between.paid, usage, warm), worth)

    def _counted(self, deployment: Deployment) -> list[Pool]:
        """The pools that count its requests by the day, or by the month."""
        return [
            Pool(name=pool.name, limits=limits)
            for pool in self._pools.own_pools(deployment)
            if (limits := tuple(filter(_is_counted, pool.limits)))
        ]

    def _levels(self, between: Choice, request: Request) -> dict[str, list[Level]]:
        """How it stands, by pool: of the free requests, and of what the paid
        deployment draws on."""
        pools = {pool.name: pool for pool in self._pools.of(between.paid, request)}
        for one in between.scarce:
            # A pool may have more limits than those that count here.
            pools |= {pool.name: pool for pool in self._pools.own_pools(one)}
        asked = [pool for pool in pools.values() if pool.limits]
        found = self._store.levels(asked)
        return {pool.name: some for pool, some in zip(asked, found, strict=True)}

    def _allowances(
        self, between: Choice, levels: dict[str, list[Level]]
    ) -> list[Allowance]:
        """The tightest of each deployment; several may share one."""
        now = self._store.now()
        found: dict[tuple[str, Limit], Allowance] = {}
        for one in between.scarce:
            known = {
                (pool.name, level.limit): self._allowance(level, between, now)
                for pool in self._counted(one)
                for level in levels[pool.name]
                if _is_counted(level.limit)
            }
            tightest = min(known, key=lambda key: known[key].share)
            found[tightest] = known[tightest]
        return list(found.values())

    def _allowance(self, level: Level, between: Choice, now: float) -> Allowance:
        limit = level.limit
        left: float = level.amount
        if limit.kind is WindowKind.CALENDAR:
            left -= level.counted
        until = (
            limit.expires_at(now)
            if limit.kind is not WindowKind.REFILLING
            else (now + limit.seconds)
        )
        expected = self._demand.expected(between.names, now, until)
        return Allowance(left=max(0.0, left), expected=expected)


def _is_counted(limit: Limit) -> bool:
    return limit.metric is Metric.REQUESTS and is_kept(limit)


def _has_room(
    levels: dict[str, list[Level]], pools: Iterable[Pool], usage: Usage
) -> bool:
    """Whether no budget and no other limit closes the paid deployment: a call that free
    requests could serve must neither wait for it nor end a run."""
    return all(
        level.counted + usage.amount(level.limit.metric) <= level.amount
        for pool in pools
        for level in levels.get(pool.name, ())
    )


def _usd(deployment: Deployment, usage: Usage, warm: Warm | None) -> float:
    """What the call would cost there. What its cache holds costs less."""
    price, usd = deployment.price, float(usage.usd or 0)
    if price is None or warm is None or warm.deployment != deployment.name:
        return usd
    if price.cached_input is None:
        return usd
    kept = min(warm.tokens, usage.input_tokens)
    return usd - kept * float(price.input - price.cached_input) / 1_000_000
