"""Everything that one emulator knows and remembers. For one event loop only."""

from collections.abc import Iterable

from crew.clock import Clock
from crew.emulator.counters import Counters
from crew.emulator.enforcement import Limiter
from crew.emulator.faults import Order, Orders
from crew.emulator.model_entries import upstream_id
from crew.settings import Deployment, Settings


class State:
    """The windows, the counters, the orders for faults, and who is served here."""

    def __init__(
        self, settings: Settings, clock: Clock, orders: Iterable[Order]
    ) -> None:
        self.clock = clock
        self.limiter = Limiter(settings)
        self.counters = Counters(settings.deployments.values())
        self.orders = Orders(orders)
        self._providers = frozenset(settings.providers)
        self._deployments = tuple(settings.deployments.values())
        self._by_name: dict[tuple[str, str], Deployment] = {}
        for deployment in self._deployments:
            for name in (upstream_id(deployment), deployment.model):
                self._by_name.setdefault((deployment.provider.name, name), deployment)
        for deployment in self._deployments:
            # A slot's name wins over an id that happens to be the same.
            self._by_name[deployment.provider.name, deployment.name] = deployment

    def serves(self, provider: str) -> bool:
        """Whether there is such a provider."""
        return provider in self._providers

    def find(self, provider: str, model: str) -> Deployment | None:
        """The provider's deployment of this slot name or model id."""
        return self._by_name.get((provider, model))

    def listed(self, provider: str) -> list[Deployment]:
        """The provider's deployments, one for each model id."""
        found = (d for d in self._deployments if d.provider.name == provider)
        by_id: dict[str, Deployment] = {}
        for deployment in found:
            by_id.setdefault(upstream_id(deployment), deployment)
        return list(by_id.values())

    def reset(self) -> None:
        """Forget what was counted, and all orders."""
        self.counters.reset()
        self.limiter.reset()
        self.orders.clear()
