"""A store that goes on with the counts of this process when the shared one fails."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from crew.clock import Clock
from crew.errors import StoreUnavailable
from crew.notices import Listener
from crew.quota.limits import Pool, Refusal, Usage
from crew.quota.store import Observation, PlanState, PoolState, Reservation, Store
from crew.quota.stores.memory import MemoryStore

RETRY_SECONDS = 30.0
"""How long the shared store is left alone after it failed."""

ResultT = TypeVar("ResultT")


class FallbackStore:
    """The shared store while it works, opened at its first use; counts of this
    process only while it does not. Those begin at nothing, and other processes may
    take the same room: the listener hears of it."""

    def __init__(
        self, open_shared: Callable[[], Store], clock: Clock, listener: Listener
    ) -> None:
        self._open_shared = open_shared
        self._shared: Store | None = None
        self._own = MemoryStore(clock)
        self._clock = clock
        self._listener = listener
        self._again_at: float | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._do(lambda store: store.now())

    def reserve(
        self,
        pools: Sequence[Pool],
        estimate: Usage,
        *,
        lease_seconds: float,
        ticket: int | None = None,
    ) -> Reservation | Refusal:
        return self._do(
            lambda store: store.reserve(
                pools, estimate, lease_seconds=lease_seconds, ticket=ticket
            )
        )

    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
        *,
        delay: float = 0.0,
    ) -> bool:
        if self._own.settle(reservation, actual, delay=delay):
            return True
        return self._do(
            lambda store: store.settle(reservation, actual, observations, delay=delay)
        )

    def join_queue(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        return self._do(
            lambda store: store.join_queue(
                pool, estimate, seconds=seconds, ticket=ticket
            )
        )

    def leave_queue(self, ticket: int) -> None:
        self._do(lambda store: store.leave_queue(ticket))

    def cool_down(
        self, pool: str, *, until: float, reason: str, replace: bool = False
    ) -> None:
        self._do(
            lambda store: store.cool_down(
                pool, until=until, reason=reason, replace=replace
            )
        )

    def throttle(self, pool: str) -> float:
        return self._do(lambda store: store.throttle(pool))

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        self._do(lambda store: store.set_plan(provider, plan, reason))

    def plans(self) -> dict[str, PlanState]:
        return self._do(lambda store: store.plans())

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        return self._do(lambda store: store.snapshot(pools))

    def close(self) -> None:
        if self._shared is not None:
            self._shared.close()

    def _do(self, step: Callable[[Store], ResultT]) -> ResultT:
        now = self._clock.monotonic()
        if self._again_at is not None and now < self._again_at:
            return step(self._own)
        try:
            result = step(self._opened())
        except StoreUnavailable as exc:
            self._failed(exc, now)
            return step(self._own)
        self._works()
        return result

    def _opened(self) -> Store:
        with self._lock:
            if self._shared is None:
                self._shared = self._open_shared()
            return self._shared

    def _failed(self, error: StoreUnavailable, now: float) -> None:
        with self._lock:
            first = self._again_at is None
            self._again_at = now + RETRY_SECONDS
        if first:
            self._listener(
                f"WARNING: the store does not work ({error}); going on with the limits "
                "of this process only: together with others it may pass them"
            )

    def _works(self) -> None:
        with self._lock:
            back, self._again_at = self._again_at is not None, None
        if back:
            self._listener("the store works again: limits are shared with all")
