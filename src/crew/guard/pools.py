"""The accounts behind the deployments: what a call draws on, which plan holds, and
what is closed after a failure."""

import socket
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crew.clock import Clock
from crew.errors import (
    BadKey,
    BadRequest,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    ProviderError,
    RateLimited,
    Unsupported,
)
from crew.guard.estimates import Estimates
from crew.guard.learning import matched, observations, throttled
from crew.notices import Listener
from crew.quota.limits import NOTHING, Limit, Pool, Refusal, Usage, WindowKind
from crew.quota.store import PlanState, Reservation, Store
from crew.routing import Request
from crew.settings import Deployment, Plan, Provider, Settings

if TYPE_CHECKING:
    from crew.providers.probe import Probe

LEASE_GRACE = 60.0
"""Seconds that a lease outlives the longest call it can stand for."""

# How long, in seconds, others keep away from a deployment after a failure that names
# no time of its own. Short: a wrong guess costs one call.
RATE_COOLDOWN = 20.0
MONEY_COOLDOWN = 600.0
SHORTEST_COOLDOWN = 0.5
FAILURE_COOLDOWN = 15.0

PLAN_SECONDS = 60.0
"""How long a plan is believed before the store is asked again."""


class Accounts:
    """What the attempts of all calls share."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, listener: Listener
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.listener = listener
        self.estimates = Estimates()
        self.unreachable = frozenset(
            provider.name
            for provider in settings.providers.values()
            if provider.local and not answers(provider.base_url)
        )
        self._disabled: dict[str, str] = {}
        self._unable: dict[str, dict[frozenset[str], str]] = {}
        self._windows: dict[str, int] = {}
        self._plans: dict[str, PlanState] = {}
        self._plans_until = float("-inf")

    # What a call draws on.

    def pools(self, deployment: Deployment, request: Request) -> list[Pool]:
        """Every pool that a call to this deployment draws on."""
        settings = self.settings
        pools = list(reversed(self.own_pools(deployment)))
        for tier in settings.tiers.values():
            if tier.limits and deployment.name in tier.chain:
                pools.append(Pool(name=f"tier:{tier.name}", limits=tier.limits))
        scopes = {
            "user": settings.user,
            "team": settings.team,
            "role": request.role,
            "run": request.run,
        }
        for scope, who in scopes.items():
            limits = settings.quotas.get(f"{scope}:{who}", settings.quotas.get(scope))
            if limits and who:
                pools.append(Pool(name=f"{scope}:{who}", limits=limits))
        pools.extend(_budgets(settings.budgets, request.run))
        return pools

    def own_pools(self, deployment: Deployment) -> tuple[Pool, ...]:
        """The deployment's, its class', its provider's: the narrowest first."""
        provider = deployment.provider
        plan = self.plan(provider)
        limits = plan.limits if plan else provider.limits
        classes = plan.classes if plan else provider.classes
        own = Pool(name=f"deployment:{deployment.name}", limits=deployment.limits)
        whole = Pool(name=f"provider:{provider.name}", limits=limits)
        if deployment.klass is None:
            return own, whole
        name = f"class:{provider.name}/{deployment.klass}"
        return own, Pool(name=name, limits=classes.get(deployment.klass, ())), whole

    def known_pools(self) -> list[Pool]:
        """Every pool that can be named without a run: for `crew status`."""
        pools: dict[str, Pool] = {}
        for deployment in self.settings.deployments.values():
            if deployment.provider.available:
                for role in ("", *self.settings.roles):
                    request = Request(
                        tier="", input_tokens=0, output_tokens=0, role=role
                    )
                    for pool in self.pools(deployment, request):
                        pools[pool.name] = pool
        return list(pools.values())

    def estimate(self, deployment: Deployment, request: Request) -> Usage:
        """What a call will take there."""
        sent, answered = request.input_tokens, request.output_tokens
        if request.characters is not None:
            # Asked for at each look: others' answers teach while this one waits.
            sent = self.estimates.input_tokens(
                deployment.name, request.characters, request.images
            )
            answered = self.estimates.output_tokens(request.role)
        answered = min(answered, deployment.max_output)
        price = deployment.price
        return Usage(
            input_tokens=sent,
            output_tokens=answered,
            usd=price.cost(sent, answered) if price else None,
        )

    def reserve(
        self, deployment: Deployment, request: Request, ticket: int | None
    ) -> Reservation | Refusal:
        """Charge one call on everything it draws on, or say what closes it."""
        timeout = deployment.timeout or deployment.provider.timeout
        return self.store.reserve(
            self.pools(deployment, request),
            self.estimate(deployment, request),
            lease_seconds=timeout + LEASE_GRACE,
            ticket=ticket,
        )

    # Which plan holds.

    def plan(self, provider: Provider) -> Plan | None:
        """The plan that the account is on; None when it has no plans."""
        if provider.plan is None:
            return None
        state = self.plan_states().get(provider.name)
        if state is not None and state.plan in provider.plans:
            return provider.plans[state.plan]
        return provider.plans[provider.plan]

    def plan_states(self) -> Mapping[str, PlanState]:
        """The plans that were found out, by provider."""
        now = self.clock.monotonic()
        if now >= self._plans_until:
            self._plans = self.store.plans()
            self._plans_until = now + PLAN_SECONDS
        return self._plans

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
                self.store.set_plan(provider.name, name, reason)
                self._plans_until = float("-inf")
                self.listener(f"{provider.name} is on the plan {name} now: {reason}")
                return

    def learn_account(self, provider: Provider, account: "Probe") -> None:
        """Take note of what a provider said about the account: its plan, and what is
        left for its free models."""
        if account.bought is not None:
            self.advance(provider, bought=account.bought, source=provider.name)
        if account.reported:
            free = [
                pool
                for deployment in self.settings.deployments.values()
                if deployment.provider.name == provider.name and deployment.klass
                for pool in self.own_pools(deployment)[1:2]
            ]
            nobody = Reservation(
                id="", estimate=NOTHING, made_at=0.0, expires_at=0.0, charges=()
            )
            seen = observations(free, account.reported, self.store.now())
            self.store.settle(nobody, NOTHING, seen)

    # What a failure closes.

    def disabled(self, deployment: Deployment, request: Request) -> str | None:
        """Why this run no longer asks a deployment for such a call, or None."""
        for pool in _names(deployment):
            if pool in self._disabled:
                return self._disabled[pool]
        for needs, why in self._unable.get(deployment.name, {}).items():
            if needs <= request.needs:
                return why
        return None

    def window(self, deployment: Deployment) -> int:
        """How many tokens fit there: as the YAML says, or as it turned out to be."""
        known = deployment.context_window
        return min(known, self._windows.get(deployment.name, known))

    def note_failure(
        self, deployment: Deployment, error: ProviderError, request: Request
    ) -> float | None:
        """Keep everybody away from what failed, for as long as it makes sense.

        Returns when it opens again, in seconds since the epoch; None: not by itself.
        """
        own, provider = _names(deployment)
        match error:
            case ContextTooLong():
                self._learn_window(deployment, error, request)
            case Unsupported():
                self._refuse_such(deployment, error, request)
            case BadRequest() | RateLimited(never=True):
                return None
            case ModelGone():
                why = str(error).partition(": ")[2]
                if error.status == 404:
                    why = "unknown or retired (404)"
                self._disable(own, f"{deployment.model} is {why}")
            case BadKey():
                variable = deployment.provider.api_key_variable or "its key"
                self._disable(
                    provider, f"{variable} was refused ({error.status}); check it"
                )
            case OutOfMoney() if deployment.provider.classes and not deployment.klass:
                # Its free models go on without money.
                return self._cool(own, MONEY_COOLDOWN, error)
            case OutOfMoney():
                return self._cool(provider, MONEY_COOLDOWN, error)
            case RateLimited():
                return self._refused(deployment, error)
            case _:
                return self._cool(own, FAILURE_COOLDOWN, error)
        return None

    def _refuse_such(
        self, deployment: Deployment, error: ProviderError, request: Request
    ) -> None:
        unable = self._unable.setdefault(deployment.name, {})
        unable[request.needs] = what(error)
        needs = " and ".join(sorted(request.needs))
        calls = f"calls with {needs}" if needs else "all calls"
        self.listener(
            f"{deployment.name} is out for {calls} of this run: it cannot take the "
            f"conversation ({error.status})"
        )

    def _learn_window(
        self, deployment: Deployment, error: ContextTooLong, request: Request
    ) -> None:
        size = request.input_tokens + request.output_tokens
        # What is told may be meant for a larger count of tokens than ours.
        reported = min(error.window or size, size)
        self._windows[deployment.name] = min(reported, self.window(deployment)) - 1

    def _refused(self, deployment: Deployment, error: RateLimited) -> float:
        """A 429 although our books had room. What the provider told corrects them;
        without a word of it the pool goes slower for a while."""
        pools = self.own_pools(deployment)
        matches = [match for one in error.reported if (match := matched(pools, one))]
        closed = matches[0][0].name if matches else pools[0].name
        told_empty = any(one.remaining == 0 for one in error.reported)
        narrow = throttled(pools)
        if narrow is not None and not (matches and told_empty):
            share = self.store.throttle(narrow.name)
            self.listener(
                f"{narrow.name.partition(':')[2]} refused a call that should have had "
                f"room; it goes at {share:.0%} of its limits for a while"
            )
        windows = [limit.seconds for pool in pools for limit in pool.limits]
        shortest = min((seconds for seconds in windows if seconds), default=60.0)
        return self._cool(closed, min(RATE_COOLDOWN, 2 * shortest), error)

    def _disable(self, pool: str, reason: str) -> None:
        if pool not in self._disabled:
            self._disabled[pool] = reason
            self.listener(f"{pool.partition(':')[2]} is out for this run: {reason}")

    def _cool(self, pool: str, default: float, error: ProviderError) -> float:
        seconds = default if error.retry_after is None else error.retry_after
        until = self.store.now() + max(SHORTEST_COOLDOWN, seconds)
        self.store.cool_down(pool, until=until, reason=what(error))
        return until


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


def what(error: ProviderError) -> str:
    """A failure in few words."""
    status = f" ({error.status})" if error.status is not None else ""
    return f"{type(error).__name__}{status}"


def _names(deployment: Deployment) -> tuple[str, str]:
    return f"deployment:{deployment.name}", f"provider:{deployment.provider.name}"


def _budgets(budgets: tuple[Limit, ...], run: str | None) -> list[Pool]:
    shared = tuple(limit for limit in budgets if limit.kind is not WindowKind.RUN)
    single = tuple(limit for limit in budgets if limit.kind is WindowKind.RUN)
    pools = [Pool(name="budget", limits=shared)] if shared else []
    if single and run:
        pools.append(Pool(name=f"budget:{run}", limits=single))
    return pools
