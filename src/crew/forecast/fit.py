"""Whether a run fits into what is left today, and who would serve it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crew.guard import QuotaGuard
from crew.journal.past import Taken
from crew.quota.limits import Limit, Metric, Usage, WindowKind
from crew.routing import Request, route
from crew.settings import Deployment, Role

SHORTEST = 3_600.0
"""Seconds: a shorter window slows a run down, and does not end it."""
_NEW_RUN = "a run that has not begun"
_NOTHING = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The share of a role's work that a deployment has room for, and its tier."""

    deployment: str
    tier: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFit:
    """Who serves a role. `missing` is the share that nobody has room for, `closed_by`
    the limit that the last one lacks room in, if there is one."""

    role: str
    tier: str
    served: tuple[Served, ...]
    missing: float
    closed_by: str = ""

    @property
    def overflow(self) -> tuple[Served, ...]:
        """What goes to another tier than the role's first choice."""
        first = self.served[0].tier if self.served else self.tier
        return tuple(one for one in self.served if one.tier != first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a run fits, role by role."""

    roles: tuple[RoleFit, ...]

    @property
    def fits(self) -> bool:
        """Whether all of it finds room."""
        return all(one.missing < _NOTHING for one in self.roles)


def fit(guard: QuotaGuard, needs: Mapping[str, Taken]) -> Fit:
    """Let the roles' needs run through their chains, by what is left now. Takes
    nothing. Raises StoreUnavailable."""
    left: dict[tuple[str, str], float] = {}
    return Fit(
        roles=tuple(
            _fit_role(guard, guard.settings.roles[name], need, left)
            for name, need in needs.items()
            if name in guard.settings.roles and need.calls
        )
    )


def _fit_role(
    guard: QuotaGuard, role: Role, need: Taken, left: dict[tuple[str, str], float]
) -> RoleFit:
    request = Request(
        tier=role.tier,
        input_tokens=0,
        output_tokens=0,
        role=role.name,
        run=_NEW_RUN,
        kind=role.kind,
    )
    missing, served, closed_by = 1.0, list[Served](), ""
    for deployment in _candidates(guard, request):
        usage = _usage(deployment, need)
        share, by = _room(guard, deployment, request, usage, left)
        share = min(missing, share)
        if share < _NOTHING:
            closed_by = by or closed_by
            continue
        for key, amount in _draws(guard, deployment, request, usage):
            left[key] -= share * amount
        tier = _tier(guard, role, deployment)
        served.append(Served(deployment=deployment.name, tier=tier, share=share))
        missing -= share
        closed_by = by
        if missing < _NOTHING:
            break
    return RoleFit(
        role=role.name,
        tier=role.tier,
        served=tuple(served),
        missing=max(0.0, missing),
        closed_by=closed_by,
    )


def _candidates(guard: QuotaGuard, request: Request) -> Iterator[Deployment]:
    settings = guard.settings
    seen: set[str] = set()
    tiers = [request.tier]
    if any(rule.then == "downgrade" for rule in settings.budget_rules):
        tiers += settings.tiers
    for tier in tiers:
        asked = Request(
            tier=tier,
            input_tokens=0,
            output_tokens=0,
            kind=request.kind if tier == request.tier else None,
        )
        for deployment in route(settings, asked).candidates:
            if deployment.name not in seen:
                seen.add(deployment.name)
                yield deployment


def _usage(deployment: Deployment, need: Taken) -> Usage:
    price = deployment.price
    cost = price.cost(need.input_tokens, need.output_tokens) if price else None
    return Usage(
        requests=need.calls,
        input_tokens=need.input_tokens,
        output_tokens=need.output_tokens,
        usd=cost,
    )


def _room(
    guard: QuotaGuard,
    deployment: Deployment,
    request: Request,
    usage: Usage,
    left: dict[tuple[str, str], float],
) -> tuple[float, str]:
    """The share of the need that a deployment has room for, and the limit that holds
    the rest back."""
    room, by = 1.0, ""
    now = guard.store.now()
    pools = guard.pools.of(deployment, request)
    known = [pool for pool in pools if _NEW_RUN not in pool.name]
    states = {
        (pool.name, state.limit.spec): float(state.left)
        for pool in guard.store.snapshot(known)
        for state in pool.limits
        if pool.cooldown_until is None or pool.cooldown_until < now + SHORTEST
    }
    for pool in pools:
        for limit in filter(_counts, pool.limits):
            key = pool.name, limit.spec
            run = pool not in known
            there = left.setdefault(
                key, float(limit.amount) if run else states.get(key, 0.0)
            )
            amount = usage.amount(limit.metric)
            if amount and there / amount < room:
                room = max(0.0, there / amount)
                by = f"{limit} ({pool.name.replace(_NEW_RUN, 'run')})"
    return room, by


def _draws(
    guard: QuotaGuard, deployment: Deployment, request: Request, usage: Usage
) -> Iterator[tuple[tuple[str, str], int]]:
    for pool in guard.pools.of(deployment, request):
        for limit in filter(_counts, pool.limits):
            yield (pool.name, limit.spec), usage.amount(limit.metric)


def _counts(limit: Limit) -> bool:
    return limit.metric is not Metric.CONCURRENT and (
        limit.kind is WindowKind.RUN or limit.seconds >= SHORTEST
    )


def _tier(guard: QuotaGuard, role: Role, deployment: Deployment) -> str:
    """The first tier, from the role's on, that has the deployment."""
    tiers = guard.settings.tiers
    tier: str | None = role.tier
    while tier is not None:
        if deployment.name in tiers[tier].chain:
            return tier
        tier = tiers[tier].then
    others = (name for name, one in tiers.items() if deployment.name in one.chain)
    return next(others, role.tier)
