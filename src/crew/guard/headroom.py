"""What a call would leave of the tightest window that it draws on."""

from collections.abc import Callable, Sequence

from crew.quota.limits import Limit, Metric, WindowKind
from crew.quota.store import Level
from crew.routing import Left

Needs = Callable[[Metric], int]
"""What a call takes of a limit on a metric, in its base unit."""


class Windows:
    """The windows of one pool. Those on requests are alike for every call, and are
    looked at once; `others` depend on its size."""

    def __init__(self, pool: str, levels: Sequence[Level]) -> None:
        self.pool = pool
        self.others: list[Level] = []
        self.share, self.limit = 1.0, None
        for one in levels:
            if one.limit.kind is WindowKind.LEASE:
                continue
            if one.limit.metric is not Metric.REQUESTS:
                self.others.append(one)
                continue
            share = _share(one, 1)
            if self.limit is None or share < self.share:
                self.share, self.limit = share, one.limit

    share: float
    limit: Limit | None


def tightest(pools: Sequence[Windows], needs: Needs) -> Left:
    """What the call would leave of the tightest of these."""
    share, limit, name = 1.0, None, ""
    known: dict[Metric, int] = {}
    for pool in pools:
        if pool.limit is not None and (limit is None or pool.share < share):
            share, limit, name = pool.share, pool.limit, pool.pool
        for one in pool.others:
            metric = one.limit.metric
            if metric not in known:
                known[metric] = needs(metric)
            found = _share(one, known[metric])
            if limit is None or found < share:
                share, limit, name = found, one.limit, pool.pool
    return Left(share=share, limit=limit, pool=name)


def _share(level: Level, need: int) -> float:
    free = level.amount - level.counted - need
    return free / level.amount if free > 0 else 0.0
