"""Which plan holds at a provider: as the YAML says, or as it was found out."""

from collections.abc import Mapping
from decimal import Decimal

from crew.clock import Clock
from crew.notices import Listener
from crew.quota.store import PlanState, Store
from crew.settings import Plan, Provider

PLAN_SECONDS = 60.0
"""How long a plan is believed before the store is asked again."""


class Plans:
    """The plans of all providers. They are shared through the store."""

    def __init__(self, store: Store, clock: Clock, listener: Listener) -> None:
        self._store = store
        self._clock = clock
        self._listener = listener
        self._known: Mapping[str, PlanState] = {}
        self._until = float("-inf")

    def plan(self, provider: Provider) -> Plan | None:
        """The plan that the account is on; None when it has no plans."""
        if provider.plan is None:
            return None
        state = self.states().get(provider.name)
        if state is not None and state.plan in provider.plans:
            return provider.plans[state.plan]
        return provider.plans[provider.plan]

    def states(self) -> Mapping[str, PlanState]:
        """The plans that were found out, by provider."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._known = self._store.plans()
            self._until = now + PLAN_SECONDS
        return self._known

    def advance(
        self,
        provider: Provider,
        *,
        spent: Decimal = Decimal(0),
        bought: Decimal | None = None,
        source: str = "the journal",
    ) -> None:
        """Note the last plan whose condition is met: US dollars that the journal
        says were spent there, or that the provider says were bought. Never back."""
        names = list(provider.plans)
        held = self.plan(provider)
        if held is None:
            return
        for name in reversed(names[names.index(held.name) + 1 :]):
            plan = provider.plans[name]
            reason = None
            if plan.spent is not None and spent >= plan.spent:
                reason = f"{plan.spent} usd spent, says {source}"
            if plan.bought is not None and bought is not None and bought >= plan.bought:
                reason = f"{plan.bought} usd bought, says {source}"
            if reason is not None:
                self._store.set_plan(provider.name, name, reason)
                self._until = float("-inf")
                self._listener(f"{provider.name} is on the plan {name} now: {reason}")
                return
