"""What tiers keep for harder work: other work draws on pools of its own, which leave
that share."""

from collections.abc import Iterator, Sequence

from crew.quota.limits import Limit, Pool
from crew.routing import Request
from crew.settings import Deployment, Settings
from crew.settings.strategies import Reserve


class Reserves:
    """The pools beside others that work of lower complexity draws on."""

    def __init__(self, settings: Settings) -> None:
        self._tiers = [one for one in settings.tiers.values() if one.reserve]
        self._known: dict[tuple[str, tuple[Limit, ...], Reserve], Pool | None] = {}

    def pools(
        self,
        deployment: Deployment,
        request: Request,
        own: Sequence[Pool],
        budgets: Sequence[tuple[str, Pool]],
    ) -> Iterator[Pool]:
        """Beside the limits of the tiers that the deployment is in, beside its `own`
        (its class', its provider's), and beside the `budgets` of those tiers, each with
        the tier's name. Those of several tiers with the same share are one."""
        found: dict[str, Pool] = {}
        for tier in self._tiers:
            kept = tier.reserve
            if kept is None or kept.is_for(request.complexity):
                continue
            if deployment.name not in tier.chain:
                continue
            beside = [Pool(name=f"tier:{tier.name}", limits=tier.limits), *own]
            beside += [pool for name, pool in budgets if name == tier.name]
            for pool in beside:
                less = self._less(pool, kept)
                if less is not None:
                    found[less.name] = less
        yield from found.values()

    def _less(self, pool: Pool, kept: Reserve) -> Pool | None:
        """What others may take of a pool; None where nothing lasts long enough."""
        if not pool.limits:
            return None
        key = (pool.name, pool.limits, kept)
        if key not in self._known:
            name, limits = f"{pool.name} less {kept}", kept.without(pool.limits)
            self._known[key] = Pool(name=name, limits=limits) if limits else None
        return self._known[key]
