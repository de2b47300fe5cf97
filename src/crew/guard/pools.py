"""What a call draws on: the pools behind a deployment, and what it takes of them."""

from collections.abc import Callable

from crew.guard.budgets import Budgets
from crew.guard.estimates import Estimates
from crew.guard.plans import Plans
from crew.guard.reserves import Reserves
from crew.quota.limits import Limit, Metric, Pool, Refusal, Usage, WindowKind
from crew.quota.store import Reservation, Store
from crew.routing import Request
from crew.settings import Deployment, Plan, Settings
from crew.settings.prompts import style_for
from crew.settings.strategies import LEAST_BUSY
from crew.settings.styles import Style

IN_FLIGHT = Limit(amount=1_000_000, metric=Metric.CONCURRENT, kind=WindowKind.LEASE)
"""Closes nothing: it counts the calls in flight, in every process."""
LEASE_GRACE = 60.0
"""Seconds that a lease outlives the longest call it can stand for."""
BENCH = "bench:"
"""How the pools are called that no limit closes, but a bench."""


_BUSY = "in flight:"


class Pools:
    """The pools of each deployment, by the plans that hold."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        plans: Plans,
        estimates: Estimates,
        budgets: Budgets,
    ) -> None:
        self._budgets = budgets
        self._store = store
        self._settings = settings
        self._plans = plans
        self._estimates = estimates
        self._reserves = Reserves(settings)
        self._own: dict[str, tuple[Deployment, Plan | None, tuple[Pool, ...]]] = {}
        self._counted = _counted(settings)

    def of(self, deployment: Deployment, request: Request) -> list[Pool]:
        """Every pool that a call to this deployment draws on."""
        settings = self._settings
        own = self.own_pools(deployment)
        pools = list(reversed(own))
        pools.append(bench_pool(deployment.name))
        for tier in settings.tiers.values():
            if tier.limits and deployment.name in tier.chain:
                pools.append(Pool(name=f"tier:{tier.name}", limits=tier.limits))
        of_tiers = self._budgets.of_tiers(deployment, request)
        pools.extend(self._reserves.pools(deployment, request, own, of_tiers))
        if deployment.name in self._counted:
            pools.append(self.in_flight(deployment))
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
        pools.extend(self._budgets.pools(deployment, request))
        return pools

    def own_pools(self, deployment: Deployment) -> tuple[Pool, ...]:
        """The deployment's, its class', its provider's: the narrowest first."""
        plan = self._plans.plan(deployment.provider)
        known = self._own.get(deployment.name)
        if known is None or known[0] is not deployment or known[1] is not plan:
            known = deployment, plan, self._made(deployment, plan)
            self._own[deployment.name] = known
        return known[2]

    def _made(self, deployment: Deployment, plan: Plan | None) -> tuple[Pool, ...]:
        provider = deployment.provider
        limits = plan.limits if plan else provider.limits
        classes = plan.classes if plan else provider.classes
        own = Pool(name=f"deployment:{deployment.name}", limits=deployment.limits)
        whole = Pool(name=f"provider:{provider.name}", limits=limits)
        if deployment.klass is None:
            return own, whole
        name = f"class:{provider.name}/{deployment.klass}"
        return own, Pool(name=name, limits=classes.get(deployment.klass, ())), whole

    def in_flight(self, deployment: Deployment) -> Pool:
        """What counts the calls in flight at a deployment of a tier or a rule that goes
        by `least_busy`."""
        return Pool(name=f"{_BUSY}{deployment.name}", limits=(IN_FLIGHT,))

    def known_pools(self) -> list[Pool]:
        """Every pool that can be named without a run: for `crew status`."""
        pools: dict[str, Pool] = {}
        for deployment in self._settings.deployments.values():
            if deployment.provider.available:
                for role in ("", *self._settings.roles):
                    request = Request(
                        tier="", input_tokens=0, output_tokens=0, role=role
                    )
                    for pool in self.of(deployment, request):
                        if not pool.name.startswith((BENCH, _BUSY)):
                            pools[pool.name] = pool
        return list(pools.values())

    def style(self, deployment: Deployment, request: Request) -> Style:
        """How the prompt of a call is worded there."""
        return style_for(self._settings, deployment, request.style)

    def sizes(self, request: Request) -> Callable[[Deployment], tuple[int, int]]:
        """The input and output tokens that a call will take, at any deployment."""
        characters, override = request.characters, request.style
        answered, ratios = request.output_tokens, self._estimates.input_tokens
        if characters is not None:
            # Asked for at each look: others' answers teach while this one waits.
            answered = self._estimates.output_tokens(request.speaker)
            role = self._settings.roles.get(request.role)
            most = role.options.get("max_tokens") if role else None
            answered = min(answered, most) if isinstance(most, int) else answered

        def size(deployment: Deployment) -> tuple[int, int]:
            style = style_for(self._settings, deployment, override)
            room = deployment.max_output
            if characters is None:
                sent = request.input_tokens + style.tokens
            else:
                seen = characters + style.characters
                sent = ratios(deployment.name, seen, request.images)
            return sent, answered if answered < room else room

        return size

    def estimate(self, deployment: Deployment, request: Request) -> Usage:
        """What a call will take there."""
        sent, answered = self.sizes(request)(deployment)
        price = deployment.price
        return Usage(
            input_tokens=sent,
            output_tokens=answered,
            usd=price.cost(sent, answered) if price else None,
        )

    def output_room(self, deployment: Deployment, sent: int) -> int:
        """How many tokens the answer to `sent` tokens may be there: what the model can
        do, or what the provider's limits can bear."""
        room = deployment.max_output
        for limit in (
            one for pool in self.own_pools(deployment) for one in pool.limits
        ):
            if limit.metric is Metric.OUTPUT_TOKENS:
                room = min(room, limit.amount)
            elif limit.metric is Metric.TOKENS:
                room = min(room, limit.amount - sent)
        return max(1, room)

    def reserve(
        self, deployment: Deployment, request: Request, ticket: int | None
    ) -> Reservation | Refusal:
        """Charge one call on everything it draws on, or say what closes it."""
        timeout = deployment.timeout or deployment.provider.timeout
        return self._store.reserve(
            self.of(deployment, request),
            self.estimate(deployment, request),
            lease_seconds=timeout + LEASE_GRACE,
            ticket=ticket,
        )


def _counted(settings: Settings) -> frozenset[str]:
    """The deployments whose calls in flight are counted."""
    chains = [
        tier.chain for tier in settings.tiers.values() if tier.strategy == LEAST_BUSY
    ]
    chains += [
        settings.routing[name]
        for name, strategy in settings.rule_strategies.items()
        if strategy == LEAST_BUSY
    ]
    return frozenset(name for chain in chains for name in chain)


def bench_pool(deployment: str) -> Pool:
    """The pool that a bench of the deployment closes, to everybody."""
    return Pool(name=f"{BENCH}{deployment}")
