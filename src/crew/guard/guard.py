"""The guard: every call asks it for a lease, and it decides to serve, wait or swap."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial

from crew.alerts import Alerts
from crew.alerts.alerts import Report
from crew.clock import Clock, SystemClock
from crew.guard.attempts import Attempts
from crew.guard.benches import Benches
from crew.guard.budgets import Budgets
from crew.guard.estimates import Estimates
from crew.guard.following import Record
from crew.guard.health import Health, answers
from crew.guard.history import History
from crew.guard.lasting import Lasting
from crew.guard.learning import observations
from crew.guard.lease import Lease, tokens
from crew.guard.ordering import Ordering
from crew.guard.plans import Plans
from crew.guard.pools import Pools
from crew.guard.saving import Saving
from crew.guard.troubles import Troubles
from crew.guard.warm import WarmCaches
from crew.notices import Listener
from crew.progress.progress import Progress
from crew.quota.limits import NOTHING
from crew.quota.reported import ReportedLimit
from crew.quota.store import PlanState, PoolState, Reservation, Store
from crew.quota.stores import open_store
from crew.quota.stores.fallback import FallbackStore
from crew.routing import Request, Route, route
from crew.settings import Deployment, Provider, Settings
from crew.settings.strategies import SAVE_FOR_LARGE
from crew.settings.styles import NONE


class QuotaGuard:
    """Hands out leases. One per process or per run; the store is what is shared.

    `deadline` is when nobody waits any longer, by the monotonic clock. `record` is the
    journal, which the strategies `latency` and `measured` go by.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        listener: Listener = lambda line: None,
        *,
        deadline: float | None = None,
        progress: Progress | None = None,
        record: Record | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.progress = progress or Progress(notices=listener, clock=clock)
        self.listener: Listener = self.progress.notice
        self.deadline = deadline
        alerts = Alerts(settings, None, self.progress, clock)
        self.alert: Report = alerts.report
        self.end_alert: Callable[[str], object] = alerts.end
        self.estimates = Estimates()
        self.plans = Plans(store, clock, self.listener)
        self.budgets = Budgets(settings, store, lambda alert: self.alert(alert))
        self.pools = Pools(settings, store, self.plans, self.estimates, self.budgets)
        self.troubles = Troubles(settings, store, self)
        self.lasting = Lasting(settings, store, self.pools, self)
        self.health = Health(store, self.pools, self.listener, self.troubles)
        self.warm = WarmCaches(clock)
        history = History(record, clock)
        saves = settings.free_quota == SAVE_FOR_LARGE
        saving = Saving(store, self.pools, record, clock) if saves else None
        self.ordering = Ordering(
            settings, store, self.pools, self.warm, history, saving
        )
        self.benches = Benches(settings, store, self.pools)
        self._unreachable = frozenset(
            provider.name
            for provider in settings.providers.values()
            if provider.local and not answers(provider.base_url)
        )

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        listener: Listener = lambda line: None,
        deadline: float | None = None,
        progress: Progress | None = None,
        record: Record | None = None,
    ) -> "QuotaGuard":
        """A guard on the store that the settings name; the events of `progress`, or
        lines alone, go to who follows it. Raises StoreUnavailable."""
        clock = SystemClock()
        progress = progress or Progress(notices=listener, clock=clock)
        listener = progress.notice
        store: Store
        if settings.store_failure == "local":
            opened = partial(open_store, settings.store_url, clock, listener)
            store = FallbackStore(opened, clock, listener)
        else:
            store = open_store(settings.store_url, clock, listener)
        return cls(
            settings, store, clock, deadline=deadline, progress=progress, record=record
        )

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    @contextmanager
    def lease(
        self,
        *,
        tier: str,
        input_tokens: int,
        output_tokens: int,
        role: str = "",
        patience: float = 0.0,
        complexity: str | None = None,
    ) -> Iterator[Lease]:
        """Room for one call of a script of one's own; waits or raises QuotaExceeded.

        A lease that the block does not settle keeps its estimate. Raises ValueError
        for an unknown tier, or for what is no number of tokens.
        """
        tokens(input_tokens=input_tokens, output_tokens=output_tokens)
        if tier not in self.settings.tiers:
            known = ", ".join(self.settings.tiers)
            raise ValueError(f"unknown tier {tier!r}; allowed: {known}")
        request = Request(
            tier=tier,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            role=role,
            patience=patience,
            complexity=complexity,
            style=NONE.name,  # the script words it
        )
        lease = self.begin(request).acquire()
        try:
            yield lease
        finally:
            lease.keep()

    def begin(self, request: Request) -> Attempts:
        """Start on one call. Raises ContextTooLong when no window can hold it."""
        unreachable = self._unreachable
        found = route(self.settings, request, unreachable=unreachable)
        order = self.ordering.arrange(request, found)
        found = replace(found, candidates=order.candidates)
        attempts = self._attempts(request, found, self.deadline)
        attempts.words = order.words
        attempts.others = lambda: _others(self.settings, request, found, unreachable)
        if not found.candidates:
            attempts.check_length()
        return attempts

    def begin_at(self, deployment: Deployment, request: Request) -> Attempts:
        """Start on one call that only this deployment may take, now or not at all."""
        alone = Route(candidates=(deployment,), left_out=())
        return self._attempts(request, alone, self.clock.monotonic())

    def _attempts(
        self, request: Request, found: Route, deadline: float | None
    ) -> Attempts:
        return Attempts(
            store=self.store,
            clock=self.clock,
            progress=self.progress,
            pools=self.pools,
            health=self.health,
            warm=self.warm,
            budgets=self.budgets,
            max_wait=self.settings.max_wait,
            request=request,
            route=found,
            deadline=deadline,
        )

    def learn_account(
        self,
        provider: Provider,
        *,
        bought: Decimal | None,
        reported: Sequence[ReportedLimit],
    ) -> None:
        """Take note of what a provider reports about the account: the credit that was
        bought, in US dollars, and the limits of its free models."""
        if bought is not None:
            self.plans.advance(provider, bought=bought, source=provider.name)
        if not reported:
            return
        free = [
            pool
            for deployment in self.settings.deployments.values()
            if deployment.provider.name == provider.name and deployment.klass
            for pool in self.pools.own_pools(deployment)[1:2]
        ]
        nobody = Reservation(
            id="", estimate=NOTHING, made_at=0.0, expires_at=0.0, charges=()
        )
        seen = observations(free, reported, self.store.now())
        self.store.settle(nobody, NOTHING, seen)

    def held_plans(self) -> dict[str, PlanState]:
        """Which plan holds at each provider that has plans, and why."""
        found = self.plans.states()
        held = {}
        for provider in self.settings.providers.values():
            plan = self.plans.plan(provider)
            if plan is not None:
                as_written = PlanState(
                    plan=plan.name, reason="as providers.yaml says", at=0.0
                )
                known = found.get(provider.name, as_written)
                held[provider.name] = known if known.plan == plan.name else as_written
        return held

    def status(self) -> list[PoolState]:
        """How every pool stands."""
        return self.store.snapshot(self.pools.known_pools())


def _others(
    settings: Settings, request: Request, found: Route, unreachable: frozenset[str]
) -> list[Deployment]:
    """The deployments of all tiers that are not on the route, in the YAML's order."""
    known = {one.name: one for one in found.candidates}
    others: dict[str, Deployment] = {}
    for tier in settings.tiers:
        asked = replace(request, tier=tier, kind=None, complexity=None, chain=())
        for one in route(settings, asked, unreachable=unreachable).candidates:
            if one.name not in known:
                others[one.name] = one
    return list(others.values())
