"""A lease: room for one call. Its holder settles it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from crew.clock import Clock
from crew.errors import ProviderError, StoreUnavailable
from crew.guard.learning import observations
from crew.quota.limits import NOTHING, Pool, Usage
from crew.quota.reported import ReportedLimit
from crew.quota.store import Reservation, Store
from crew.settings import Deployment


@dataclass(slots=True, kw_only=True)
class Lease:
    """Room for one call to `deployment`. `reason` says why it is not the first
    deployment of the chain; empty when it is. `output_room` is how many tokens the
    answer may be.

    A lease that is never settled stays charged.
    """

    deployment: Deployment
    reason: str
    estimate: Usage
    reservation: Reservation
    output_room: int
    _store: Store
    _own_pools: tuple[Pool, ...] = ()
    _clock: Clock
    _taken: float = field(init=False)
    _delay: float = 0.0

    def __post_init__(self) -> None:
        self._taken = self._clock.monotonic()

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
        reported: Sequence[ReportedLimit] = (),
    ) -> Usage:
        """Put what the call really used in place of the estimate; returns it with
        its cost. `reported` is what the provider says of its limits. Settling again
        changes nothing. Raises ValueError for what is no number of tokens."""
        tokens(input_tokens=input_tokens, output_tokens=output_tokens)
        price = self.deployment.price
        usd = price.cost(input_tokens, output_tokens) if price else None
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, usd=usd)
        self._settle(usage, reported)
        return usage

    def keep(self, reported: Sequence[ReportedLimit] = ()) -> None:
        """Settle with the estimate: nobody knows what the provider charged."""
        self._settle(self.estimate, reported)

    def settle_failure(self, error: ProviderError) -> None:
        """Settle an attempt that failed: with what the provider charged as far as it
        reports it, with nothing where it took nothing, else with the estimate."""
        if error.charged is not None:
            sent, wrote = error.charged
            self.settle(input_tokens=sent, output_tokens=wrote, reported=error.reported)
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
            self._store.settle(self.reservation, usage, seen, delay=self._delay)


def tokens(**given: int) -> None:
    """Raise ValueError for what is no number of tokens: a negative one would give
    everybody's room and money away."""
    for name, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name} must be a whole number from 0 up, not {value!r}")
