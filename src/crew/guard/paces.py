"""How fast each pool is drawn on, by the latest calls in the journal."""

from collections import defaultdict
from collections.abc import Sequence

from crew.guard.pools import Pools
from crew.journal import Recent
from crew.quota.limits import NOTHING
from crew.reports.allowances import Pace
from crew.routing import Request
from crew.settings import Settings


def paces(
    settings: Settings, pools: Pools, recent: Sequence[Recent], now: float
) -> dict[str, Pace]:
    """The pace of every pool that these calls drew on, by its name: since the first of
    its calls. A deployment that left the YAML draws on nothing."""
    drawn: defaultdict[str, list[Recent]] = defaultdict(list)
    for one in recent:
        deployment = settings.deployments.get(one.deployment)
        if deployment is None:
            continue
        request = Request(tier="", input_tokens=0, output_tokens=0, role=one.role)
        for pool in pools.of(deployment, request):
            drawn[pool.name].append(one)
    return {
        name: Pace(
            usage=sum((one.usage for one in own), NOTHING),
            seconds=now - min(one.since for one in own),
        )
        for name, own in drawn.items()
    }
