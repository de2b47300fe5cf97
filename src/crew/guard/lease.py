"""A lease: room for one call. Its holder settles it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from crew.clock import Clock
from crew.errors import ProviderError, StoreUnavailable
from crew.guard.learning import observations
from crew.quota.limits import NOTHING, Pool, Usage
from crew.quota.reported import ReportedLimit, ReportedUsage
from crew.quota.store import Reservation, Store
from crew.settings import Deployment


@dataclass(slots=True, kw_only=True)
class Lease:
    """Room for one call to `deployment`. `reason` says why it is not the first
    deployment of the chain; empty when it is. `is_swap`: another one was asked before
    it, and was closed. `output_room` is how many tokens the answer may be.

    A lease that is never settled stays charged.
    """

    deployment: Deployment
    reason: str
    estimate: Usage
    reservation: Reservation
    output_room: int
    is_swap: bool = False
    _store: Store
    _own_pools: tuple[Pool, ...] = ()
    _clock: Clock
    _taken: float = field(init=False)
    _delay: float = 0.0
    _on_settled: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self._taken = self._clock.monotonic()

    @property
    def is_free(self) -> bool:
        """Whether whatever the call takes costs nothing."""
        price = self.deployment.price
        return price is not None and not price.cost(1_000_000, 1_000_000)

    def sent(self) -> None:
        """Say that the request leaves now: a provider counts it from then. Only the
        first time counts."""
        if not self._delay:
            self._delay = self._clock.monotonic() - self._taken

    def settle(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        usd: Decimal | None = None,
        reported: Sequence[ReportedLimit] = (),
    ) -> Usage:
        """Put what the call really used in place of the estimate; returns it with
        its cost.

        Of the input tokens, `cached_tokens` were read from the provider's cache and
        `cache_write_tokens` written to it. `usd` is the provider's own bill, if it
        reports one. `reported` is what it says of its limits. Settling again changes
        nothing. Of numbers that cannot be, the estimate stays.
        """
        used = ReportedUsage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            cache_write_tokens=cache_write_tokens,
            usd=usd,
        )
        return self.book(used, reported)

    def book(
        self, used: ReportedUsage, reported: Sequence[ReportedLimit] = ()
    ) -> Usage:
        """As `settle`, with what the provider reported. What it does not count against
        its limits is not counted here either."""
        if not used.is_possible:
            self.keep(reported)
            return self.estimate
        usage = Usage(
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            usd=self.bill(used),
        )
        counted = usage.input_tokens - used.uncounted_tokens
        self._settle(replace(usage, input_tokens=counted), reported)
        return usage

    def bill(self, used: ReportedUsage) -> Decimal | None:
        """US dollars for a call that took this: the provider's own bill goes before
        the list. None when nobody knows."""
        price = self.deployment.price
        if used.usd is not None or price is None:
            return used.usd
        return price.cost(
            used.input_tokens,
            used.output_tokens,
            cached_tokens=used.cached_tokens,
            cache_write_tokens=used.cache_write_tokens,
        )

    def saved_by_cache(self, used: ReportedUsage) -> Decimal | None:
        """US dollars that the call would have cost more without a cache, by the list;
        None when nobody knows a price."""
        price = self.deployment.price
        if price is None:
            return None
        plain = price.cost(used.input_tokens, used.output_tokens)
        listed = self.bill(replace(used, usd=None))
        return plain - (listed or 0)

    def keep(self, reported: Sequence[ReportedLimit] = ()) -> None:
        """Settle with the estimate: nobody knows what the provider charged."""
        self._settle(self.estimate, reported)

    def settle_failure(self, error: ProviderError) -> None:
        """Settle an attempt that failed: with what the provider charged as far as it
        reports it, with nothing where it took nothing, else with the estimate."""
        if error.charged is not None:
            self.book(error.charged, error.reported)
        elif not error.sent:
            # Not even a request is counted that never left.
            self._settle(NOTHING, error.reported)
        elif error.costs_nothing:
            self.settle(input_tokens=0, output_tokens=0, reported=error.reported)
        else:
            self.keep(error.reported)

    def _settle(self, usage: Usage, reported: Sequence[ReportedLimit]) -> None:
        seen = (
            observations(self._own_pools, reported, self._store.now())
            if reported
            else ()
        )
        # The reservation stays charged where the store fails, and the next step there
        # reports it: an answer that is paid for is not thrown away.
        with suppress(StoreUnavailable):
            fresh = self._store.settle(self.reservation, usage, seen, delay=self._delay)
            if fresh and self._on_settled is not None:
                self._on_settled()


def tokens(**given: int) -> None:
    """Raise ValueError for what is no number of tokens: a negative one would give
    everybody's room and money away."""
    for name, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name} must be a whole number from 0 up, not {value!r}")
