"""The guard: every call asks it for a lease, and it decides to serve, wait or swap."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from crew.clock import Clock, SystemClock
from crew.errors import (
    BadKey,
    BadRequest,
    Closed,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    Unreachable,
)
from crew.quota import open_store
from crew.quota.limits import Kind, Limit, Pool, Refusal, Usage
from crew.quota.store import PoolState, Reservation, Store
from crew.routing import Request, Route, route
from crew.settings import Deployment, Settings

LEASE_GRACE = 60.0
"""Seconds that a lease outlives the longest call it can stand for."""

# How long, in seconds, others keep away from a deployment after a failure that names
# no time of its own. Short: a wrong guess costs one call.
RATE_COOLDOWN = 20.0
MONEY_COOLDOWN = 600.0
FAILURE_COOLDOWN = 15.0

CONCURRENCY_POLL = 0.25
"""Seconds between two looks at a full concurrency limit."""

_NOT_CHARGED = (RateLimited, BadKey, ModelGone, OutOfMoney, BadRequest, Unreachable)

Listener = Callable[[str], None]
"""Told in one line what a person may want to know: a wait, a swap, a wrong key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing better to do than to wait until `until` (seconds since the epoch)."""

    until: float
    what: str


@dataclass(slots=True, kw_only=True)
class Lease:
    """Room for one call to `deployment`. `reason` says why it is not the first
    deployment of the chain; empty when it is.

    Whoever holds it settles it; a lease that is never settled stays charged.
    """

    deployment: Deployment
    reason: str
    estimate: Usage
    reservation: Reservation
    _store: Store

    def settle(self, *, input_tokens: int, output_tokens: int) -> Usage:
        """Put what the call really used in place of the estimate; returns it with
        its cost. Settling again changes nothing."""
        price = self.deployment.price
        usd = price.cost(input_tokens, output_tokens) if price else None
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, usd=usd)
        self._store.settle(self.reservation, usage)
        return usage

    def keep(self) -> None:
        """Settle with the estimate: nobody knows what the provider charged."""
        self._store.settle(self.reservation, self.estimate)


class QuotaGuard:
    """Hands out leases. One per process or per run; the store is what is shared."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        listener: Listener = lambda line: None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.listener = listener
        self._disabled: dict[str, str] = {}
        self._unreachable = frozenset(
            provider.name
            for provider in settings.providers.values()
            if provider.local and not answers(provider.base_url)
        )

    @classmethod
    def open(
        cls, settings: Settings, *, listener: Listener = lambda line: None
    ) -> "QuotaGuard":
        """A guard on the store that the settings name. Raises StoreUnavailable."""
        clock = SystemClock()
        return cls(settings, open_store(settings.store_url, clock), clock, listener)

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
    ) -> Iterator[Lease]:
        """Room for one call of a script of one's own; waits or raises QuotaExceeded.

        A lease that the block does not settle keeps its estimate.
        """
        request = Request(
            tier=tier,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            role=role,
            patience=patience,
        )
        lease = self.begin(request).acquire()
        try:
            yield lease
        finally:
            lease.keep()

    def begin(self, request: Request) -> "Attempts":
        """Start on one call. Raises ContextTooLong when no window can hold it."""
        found = route(self.settings, request, unreachable=self._unreachable)
        if found.too_long:
            raise ContextTooLong(
                request.tier,
                "the conversation exceeds the maximum context length of every "
                "deployment",
            )
        return Attempts(guard=self, request=request, route=found)

    def pools(self, deployment: Deployment, request: Request) -> list[Pool]:
        """What a call to this deployment draws on."""
        settings, provider = self.settings, deployment.provider
        pools = [
            Pool(name=f"provider:{provider.name}", limits=provider.limits),
            Pool(name=f"deployment:{deployment.name}", limits=deployment.limits),
        ]
        if deployment.klass is not None:
            name = f"class:{provider.name}/{deployment.klass}"
            pools.append(Pool(name=name, limits=provider.classes[deployment.klass]))
        scopes = {
            "user": settings.user,
            "team": settings.team,
            "role": request.role,
            "run": request.run,
        }
        for scope, who in scopes.items():
            limits = settings.quotas.get(scope, ())
            if limits and who:
                pools.append(Pool(name=f"{scope}:{who}", limits=limits))
        pools.extend(_budgets(settings.budgets, request.run))
        return pools

    def known_pools(self) -> list[Pool]:
        """Every pool that can be named without a run: for `crew status`."""
        request = Request(tier="", input_tokens=0, output_tokens=0)
        pools: dict[str, Pool] = {}
        for deployment in self.settings.deployments.values():
            if deployment.provider.available:
                for pool in self.pools(deployment, request):
                    pools[pool.name] = pool
        for role in self.settings.roles:
            if limits := self.settings.quotas.get("role"):
                pools[f"role:{role}"] = Pool(name=f"role:{role}", limits=limits)
        return list(pools.values())

    def status(self) -> list[PoolState]:
        """How every pool stands."""
        return self.store.snapshot(self.known_pools())

    def disabled(self, deployment: Deployment) -> str | None:
        """Why this guard no longer asks a deployment, or None."""
        for pool in _own_pools(deployment):
            if pool in self._disabled:
                return self._disabled[pool]
        return None

    def note_failure(
        self, deployment: Deployment, error: ProviderError
    ) -> float | None:
        """Keep everybody away from what failed, for as long as it makes sense.

        Returns when it opens again, in seconds since the epoch; None: not by itself.
        """
        own, provider = _own_pools(deployment)
        now = self.store.now()
        match error:
            case BadRequest():
                return None
            case ModelGone():
                self._disable(own, f"{deployment.model} is unknown or retired (404)")
            case BadKey():
                variable = deployment.provider.api_key_variable or "its key"
                self._disable(
                    provider, f"{variable} was refused ({error.status}); check it"
                )
            case OutOfMoney():
                return self._cool(provider, now, MONEY_COOLDOWN, error)
            case RateLimited():
                return self._cool(own, now, RATE_COOLDOWN, error)
            case _:
                return self._cool(own, now, FAILURE_COOLDOWN, error)
        return None

    def _disable(self, pool: str, reason: str) -> None:
        if pool not in self._disabled:
            self._disabled[pool] = reason
            self.listener(f"{pool.partition(':')[2]} is out for this run: {reason}")

    def _cool(
        self, pool: str, now: float, default: float, error: ProviderError
    ) -> float:
        until = now + (error.retry_after or default)
        self.store.cool_down(pool, until=until, reason=_what(error))
        return until


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The attempts at one call: which deployments failed, how long it has waited."""

    guard: QuotaGuard
    request: Request
    route: Route
    _failed: dict[str, Closed] = field(default_factory=dict)
    _began: float = field(init=False)
    _told: str = ""

    def __post_init__(self) -> None:
        self._began = self.guard.clock.monotonic()

    def acquire(self) -> Lease:
        """The lease for the next attempt, at the best deployment that is open.

        Waits within the role's patience, and up to the settings' `max_wait` when
        all are closed. Raises QuotaExceeded past that, StoreUnavailable.
        """
        while isinstance(step := self._decide(), Wait):
            self._tell(step)
            self.guard.clock.sleep(step.until - self.guard.store.now())
        return step

    async def acquire_async(self) -> Lease:
        """As `acquire`, and lets other tasks run while it waits."""
        while isinstance(step := await asyncio.to_thread(self._decide), Wait):
            self._tell(step)
            await self.guard.clock.asleep(step.until - self.guard.store.now())
        return step

    def failed(self, lease: Lease, error: ProviderError) -> None:
        """Take note of a failed attempt. Raises it again when another deployment
        would refuse the request too."""
        opens = self.guard.note_failure(lease.deployment, error)
        if error.charged is not None:
            sent, wrote = error.charged
            lease.settle(input_tokens=sent, output_tokens=wrote)
        elif isinstance(error, _NOT_CHARGED):
            lease.settle(input_tokens=0, output_tokens=0)
        else:
            lease.keep()
        if isinstance(error, BadRequest):
            raise error
        if not isinstance(error, RateLimited):
            name = lease.deployment.name
            self._failed[name] = Closed(
                deployment=name, limit=_what(error), opens_at=opens
            )

    def _decide(self) -> Lease | Wait:
        guard, now = self.guard, self.guard.store.now()
        waited = guard.clock.monotonic() - self._began
        closed: list[Closed] = []
        for deployment in self.route.candidates:
            entry = self._out(deployment, now)
            if entry is None:
                match self._reserve(deployment):
                    case Reservation() as reservation:
                        return Lease(
                            deployment=deployment,
                            reason=str(closed[0]) if closed else "",
                            estimate=reservation.estimate,
                            reservation=reservation,
                            _store=guard.store,
                        )
                    case Refusal() as refusal:
                        entry = _closed(deployment, refusal, now)
                opens = entry.opens_at
                if opens is not None and opens - now <= self.request.patience - waited:
                    return Wait(until=opens, what=str(entry))
            closed.append(entry)
        return self._all_closed(closed, now, waited)

    def _out(self, deployment: Deployment, now: float) -> Closed | None:
        """Whether this call keeps away from a deployment that failed."""
        reason = self.guard.disabled(deployment)
        if reason is not None:
            return Closed(deployment=deployment.name, limit=reason, opens_at=None)
        entry = self._failed.get(deployment.name)
        if entry is not None and entry.opens_at is not None and entry.opens_at <= now:
            return None
        return entry

    def _reserve(self, deployment: Deployment) -> Reservation | Refusal:
        request, price = self.request, deployment.price
        sent, answered = request.input_tokens, request.output_tokens
        estimate = Usage(
            input_tokens=sent,
            output_tokens=answered,
            usd=price.cost(sent, answered) if price else None,
        )
        timeout = deployment.timeout or deployment.provider.timeout
        return self.guard.store.reserve(
            self.guard.pools(deployment, request),
            estimate,
            lease_seconds=timeout + LEASE_GRACE,
        )

    def _all_closed(self, closed: list[Closed], now: float, waited: float) -> Wait:
        opening = [entry for entry in closed if entry.opens_at is not None]
        first = min(opening, key=lambda entry: entry.opens_at or 0.0, default=None)
        left = self.guard.settings.max_wait - waited
        if first is None or first.opens_at is None or first.opens_at - now > left:
            others = [
                Closed(deployment=name, limit=reason, opens_at=None)
                for name, reason in self.route.left_out
            ]
            raise QuotaExceeded([*closed, *others], role=self.request.role)
        return Wait(until=first.opens_at, what=f"every deployment is closed; {first}")

    def _tell(self, wait: Wait) -> None:
        if wait.what == self._told:
            return
        self._told = wait.what
        seconds = max(0.0, wait.until - self.guard.store.now())
        who = self.request.role or self.request.tier
        self.guard.listener(f"{who} waits {seconds:.0f} s: {wait.what}")


def answers(base_url: str | None) -> bool:
    """Whether something listens at a local provider's address."""
    parts = urlsplit(base_url or "")
    if parts.hostname is None:
        return False
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname, port), timeout=0.3):
            return True
    except OSError:
        return False


def _closed(deployment: Deployment, refusal: Refusal, now: float) -> Closed:
    opens = refusal.opens_at
    if refusal.limit is not None and refusal.limit.kind is Kind.LEASE:
        # A place is free when any call ends, long before its lease does.
        opens = now + CONCURRENCY_POLL
    return Closed(
        deployment=deployment.name,
        limit=f"{refusal.reason} ({refusal.pool})",
        opens_at=opens,
    )


def _own_pools(deployment: Deployment) -> tuple[str, str]:
    return f"deployment:{deployment.name}", f"provider:{deployment.provider.name}"


def _budgets(budgets: tuple[Limit, ...], run: str | None) -> list[Pool]:
    shared = tuple(limit for limit in budgets if limit.kind is not Kind.RUN)
    single = tuple(limit for limit in budgets if limit.kind is Kind.RUN)
    pools = [Pool(name="budget", limits=shared)] if shared else []
    if single and run:
        pools.append(Pool(name=f"budget:{run}", limits=single))
    return pools


def _what(error: ProviderError) -> str:
    status = f" ({error.status})" if error.status is not None else ""
    return f"{type(error).__name__}{status}"
