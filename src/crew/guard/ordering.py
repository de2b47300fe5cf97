"""The order in which a call asks the deployments: what its strategies go by is read,
once, and nothing where all are `priority`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from crew.guard.headroom import Windows, tightest
from crew.guard.history import History
from crew.guard.pools import Pools
from crew.guard.saving import Saving
from crew.guard.warm import WarmCaches
from crew.quota.limits import Metric, Usage
from crew.quota.store import Store
from crew.routing import (
    Arranged,
    Request,
    Route,
    Signals,
    Warm,
    arranged,
    needed,
    parts_of,
)
from crew.settings import Deployment, Settings
from crew.settings.strategies import (
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
        parts = parts_of(self._settings, request, found.candidates)
        ordered = needed(parts)
        if not ordered:
            return Arranged(candidates=found.candidates, words={})
        return arranged(parts, self._read(request, ordered))

    def _read(self, request: Request, ordered: dict[str, list[Deployment]]) -> Signals:
        hour = float(self._settings.ladder.hour_is_worth)
        warm = self._warm.of(request)
        expected = Expected(self._pools, request, ordered)
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
            signals = self._counted(signals, request, ordered)
        return signals

    def _counted(
        self,
        signals: Signals,
        request: Request,
        ordered: dict[str, list[Deployment]],
    ) -> Signals:
        """What the store counts, in one step."""
        own = {
            one.name: self._pools.own_pools(one) for one in ordered.get(HEADROOM, ())
        }
        busy = {
            one.name: self._pools.in_flight(one) for one in ordered.get(LEAST_BUSY, ())
        }
        sizes = self._pools.sizes(request)
        pools = {pool.name: pool for some in own.values() for pool in some}
        pools |= {pool.name: pool for pool in busy.values()}
        asked = [pool for pool in pools.values() if pool.limits]
        found = self._store.levels(asked)
        levels = {pool.name: some for pool, some in zip(asked, found, strict=True)}
        windows = {name: Windows(name, some) for name, some in levels.items()}
        return replace(
            signals,
            left={
                one.name: tightest(
                    [windows[pool.name] for pool in own[one.name] if pool.limits],
                    partial(self._needs, one, request, sizes),
                )
                for one in ordered.get(HEADROOM, ())
            },
            in_flight={
                name: int(levels[pool.name][0].counted) for name, pool in busy.items()
            },
        )

    def _needs(
        self,
        one: Deployment,
        request: Request,
        sizes: Callable[[Deployment], tuple[int, int]],
        metric: Metric,
    ) -> int:
        """What the call would take of a limit on this metric there."""
        if metric is Metric.USD:
            return self._pools.estimate(one, request).amount(metric)
        sent, answered = sizes(one)
        if metric is Metric.TOKENS:
            return sent + answered
        return answered if metric is Metric.OUTPUT_TOKENS else sent

    def _premium(self) -> str | None:
        tier = self._settings.tiers.get(self._settings.ladder.premium or "senior")
        return tier.chain[0] if tier is not None and tier.chain else None


class Expected(Mapping[str, Usage]):
    """What the call would take at each deployment, told when somebody asks: mostly
    nobody asks for all of them."""

    def __init__(
        self, pools: Pools, request: Request, ordered: dict[str, list[Deployment]]
    ) -> None:
        self._pools = pools
        self._request = request
        self._of = {one.name: one for some in ordered.values() for one in some}
        self._known: dict[str, Usage] = {}

    def __getitem__(self, name: str) -> Usage:
        if name not in self._known:
            self._known[name] = self._pools.estimate(self._of[name], self._request)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._of

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def _warmth(warm: Warm | None, expected: Mapping[str, Usage]) -> Warm | None:
    """As much of the cache as this request can use."""
    if warm is None or warm.deployment not in expected:
        return None
    now = expected[warm.deployment].input_tokens
    return replace(warm, tokens=min(warm.tokens, now))
