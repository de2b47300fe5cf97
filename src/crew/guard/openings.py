"""When a deployment opens, without taking anything from it."""

import math
from collections.abc import Iterable

from crew.guard.guard import QuotaGuard
from crew.quota.limits import WindowKind
from crew.quota.store import PoolState
from crew.routing import Request


def seconds_until_open(
    guard: QuotaGuard, names: Iterable[str], request: Request
) -> float:
    """Seconds until one of the deployments can serve a request, as far as anybody
    knows; 0 when one is open, infinity when waiting does not help."""
    return min((_seconds(guard, name, request) for name in names), default=math.inf)


def _seconds(guard: QuotaGuard, name: str, request: Request) -> float:
    deployment = guard.settings.deployments[name]
    if guard.health.disabled(deployment, request) is not None:
        return math.inf
    now = guard.store.now()
    pools = guard.store.snapshot(guard.pools.of(deployment, request))
    return max((_opens(pool, now) for pool in pools), default=0.0)


def _opens(pool: PoolState, now: float) -> float:
    moments = [pool.cooldown_until or now]
    for state in pool.limits:
        # A place among concurrent calls comes free when any of them ends.
        if state.left <= 0 and state.limit.kind is not WindowKind.LEASE:
            moments.append(math.inf if state.resets_at is None else state.resets_at)
    return max(0.0, max(moments) - now)
