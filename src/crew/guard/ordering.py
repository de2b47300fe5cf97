"""The order in which a call asks the deployments: what its strategies go by is read,
once, and nothing where all are `priority`."""

from dataclasses import replace

from crew.guard.history import History
from crew.guard.pools import Pools
from crew.guard.saving import Saving
from crew.guard.warm import WarmCaches
from crew.quota.limits import Pool, Usage, WindowKind
from crew.quota.store import Level, Store
from crew.routing import (
    Arranged,
    Left,
    Request,
    Route,
    Signals,
    Warm,
    arranged,
    needed,
)
from crew.settings import Deployment, Settings
from crew.settings.strategies import (
    COST,
    HEADROOM,
    LATENCY,
    LEAST_BUSY,
    MEASURED,
    PRIORITY,
)


class Ordering:
    """Orders the candidates of calls. `history` is what is known of earlier ones, and
    `saving` is there where free requests are saved for large calls."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pools: Pools,
        warm: WarmCaches,
        history: History,
        saving: Saving | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._pools = pools
        self._warm = warm
        self.history = history
        self._saving = saving
        named = {tier.strategy for tier in settings.tiers.values()}
        named |= set(settings.rule_strategies.values())
        self.is_plain = named <= {PRIORITY}
        self.asks_trust = MEASURED in named

    def arrange(self, request: Request, found: Route) -> Arranged:
        """The candidates in order, with the reasons. Raises StoreUnavailable."""
        order = self._by_strategy(request, found)
        if self._saving is None:
            return order
        return self._saving.arrange(request, order, self._warm.of(request))

    def _by_strategy(self, request: Request, found: Route) -> Arranged:
        if self.is_plain:
            return Arranged(candidates=found.candidates, words={})
        ordered = needed(self._settings, request, found.candidates)
        if not ordered:
            return Arranged(candidates=found.candidates, words={})
        signals = self._read(request, ordered)
        return arranged(self._settings, request, found.candidates, signals)

    def _read(self, request: Request, ordered: dict[str, list[Deployment]]) -> Signals:
        hour = float(self._settings.ladder.hour_is_worth)
        warm = self._warm.of(request)
        # Only these look at what each call would take: it is not free to tell.
        expected = {
            one.name: self._pools.estimate(one, request)
            for strategy, members in ordered.items()
            for one in members
            if strategy in (COST, HEADROOM) or (warm and warm.deployment == one.name)
        }
        signals = Signals(
            expected=expected, warm=_warmth(warm, expected), hour_is_worth=hour
        )
        if names := ordered.get(LATENCY):
            times = self.history.times(
                [one.name for one in names], request.input_tokens
            )
            signals = replace(signals, times=times)
        if names := ordered.get(MEASURED):
            worth = self.history.worth(
                [one.name for one in names],
                premium=self._premium(),
                work=(request.kind, request.complexity or ""),
                trust=request.trust,
                hour_is_worth=hour,
            )
            signals = replace(signals, worth=worth)
        if HEADROOM in ordered or LEAST_BUSY in ordered:
            signals = self._counted(signals, ordered)
        return signals

    def _counted(
        self, signals: Signals, ordered: dict[str, list[Deployment]]
    ) -> Signals:
        """What the store counts, in one step."""
        pools: dict[str, Pool] = {}
        drawn: dict[str, list[str]] = {}
        for one in ordered.get(HEADROOM, ()):
            own = self._pools.own_pools(one)
            pools |= {pool.name: pool for pool in own}
            drawn[one.name] = [pool.name for pool in own]
        busy = {
            one.name: self._pools.in_flight(one) for one in ordered.get(LEAST_BUSY, ())
        }
        pools |= {pool.name: pool for pool in busy.values()}
        asked = [pool for pool in pools.values() if pool.limits]
        found = self._store.levels(asked)
        levels = {pool.name: some for pool, some in zip(asked, found, strict=True)}
        return replace(
            signals,
            left={
                name: _left(names, levels, signals.expected[name])
                for name, names in drawn.items()
            },
            in_flight={
                name: int(levels[pool.name][0].counted) for name, pool in busy.items()
            },
        )

    def _premium(self) -> str | None:
        tier = self._settings.tiers.get(self._settings.ladder.premium or "senior")
        return tier.chain[0] if tier is not None and tier.chain else None


def _warmth(warm: Warm | None, expected: dict[str, Usage]) -> Warm | None:
    """As much of the cache as this request can use."""
    if warm is None or warm.deployment not in expected:
        return None
    now = expected[warm.deployment].input_tokens
    return replace(warm, tokens=min(warm.tokens, now))


def _left(names: list[str], levels: dict[str, list[Level]], expected: Usage) -> Left:
    """What this call would leave of the tightest window of these pools."""
    tightest, found = 1.0, None
    for name in names:
        for level in levels.get(name, ()):
            if level.limit.kind is WindowKind.LEASE:
                continue
            need = expected.amount(level.limit.metric)
            free = level.amount - level.counted - need
            share = max(0.0, free / level.amount) if level.amount else 0.0
            if found is None or share < tightest:
                tightest, found = share, (level.limit, name)
    if found is None:
        return Left(share=1.0)
    limit, pool = found
    return Left(share=tightest, limit=f"{limit} ({pool})")
