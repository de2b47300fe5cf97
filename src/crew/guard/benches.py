"""Benches: a deployment that is out of use for everybody until an end, for a reason.

A bench is a cooldown of a pool of its own in the store: it is looked at in the same
atomic step that admits a call, and no other cooldown touches it. Beside it lies a note,
a pool that no call draws on, of when the bench ends or ended: the detectors of all
machines begin anew from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crew.guard.pools import BENCH, Pools, bench_pool
from crew.quota.limits import Pool
from crew.quota.store import PoolState, Store
from crew.settings import Deployment, Settings

HOUR = 3_600.0
NOTED_SECONDS = 7 * 86_400.0
"""How long after its end a bench is still known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A deployment that is out of use until then, in seconds since the epoch."""

    deployment: str
    until: float
    reason: str


class Benches:
    """The benches of a store. Every method raises StoreUnavailable."""

    def __init__(self, settings: Settings, store: Store, pools: Pools) -> None:
        self._settings = settings
        self._store = store
        self._pools = pools

    def put(
        self, deployment: str, *, seconds: float, reason: str, replace: bool = True
    ) -> Bench:
        """Bench a deployment for so long from now, whatever held before; a longer
        bench stays where it is not to be replaced."""
        until = self._store.now() + seconds
        name = bench_pool(deployment).name
        self._store.cool_down(
            name, until=until, reason=f"benched: {reason}", replace=replace
        )
        self._note(deployment, until, replace=replace)
        return Bench(deployment=deployment, until=until, reason=reason)

    def put_unless_last(
        self, deployment: str, *, seconds: float, reason: str
    ) -> Bench | str:
        """Bench a deployment; but where that closes the last open one of a chain, it
        is not done, and the name of the chain is returned."""
        closes = self.closes(deployment)
        if closes is not None:
            return closes
        known = self.standing()
        bench = self.put(deployment, seconds=seconds, reason=reason, replace=False)
        # Another process may have benched the other one at the same moment.
        closes = self.closes(deployment)
        if closes is None:
            return bench
        if not any(one.deployment == deployment for one in known):
            self.lift(deployment)
        return closes

    def lift(self, deployment: str) -> bool:
        """Put a deployment back into use; whether it was benched."""
        was = any(one.deployment == deployment for one in self.standing())
        name = bench_pool(deployment).name
        now = self._store.now()
        self._store.cool_down(name, until=now, reason="", replace=True)
        if was:
            self._note(deployment, now, replace=True)
        return was

    def _note(self, deployment: str, end: float, *, replace: bool) -> None:
        self._store.cool_down(
            _note_pool(deployment).name,
            until=end + NOTED_SECONDS,
            reason="benched",
            replace=replace,
        )

    def end(self, deployment: str) -> float | None:
        """When its latest bench ends or ended, in seconds since the epoch; None for
        none of the last days."""
        (state,) = self._store.snapshot([_note_pool(deployment)])
        until = state.cooldown_until
        return None if until is None else until - NOTED_SECONDS

    def standing(self) -> list[Bench]:
        """The benches that hold now."""
        pools = [bench_pool(name) for name in self._settings.deployments]
        return [
            Bench(
                deployment=state.name.removeprefix(BENCH),
                until=state.cooldown_until,
                reason=state.cooldown_reason.removeprefix("benched: "),
            )
            for state in self._store.snapshot(pools)
            if state.cooldown_until is not None
        ]

    def closes(self, deployment: str) -> str | None:
        """The chain in which nothing else is open, if there is one."""
        chains = _chains(self._settings, deployment)
        others = {name for chain in chains.values() for name in chain} - {deployment}
        known = self._settings.deployments
        is_open = {name: self._is_open(known[name]) for name in others}
        for name, chain in chains.items():
            if not any(is_open[one] for one in chain if one != deployment):
                return name
        return None

    def _is_open(self, deployment: Deployment) -> bool:
        if not deployment.provider.available:
            return False
        pools = (bench_pool(deployment.name), *self._pools.own_pools(deployment))
        return not any(_is_shut(state) for state in self._store.snapshot(pools))


def _note_pool(deployment: str) -> Pool:
    return Pool(name=f"benched:{deployment}")


def _chains(settings: Settings, deployment: str) -> Mapping[str, Sequence[str]]:
    """The chains that it stands in, by what they are called."""
    chains = {f"the tier {tier.name}": tier.chain for tier in settings.tiers.values()}
    for name, chain in settings.routing.items():
        chains[f"the routing rule {name}"] = chain
    return {name: chain for name, chain in chains.items() if deployment in chain}


def _is_shut(state: PoolState) -> bool:
    """Whether it is closed for longer than calls wait: a minute's limit opens soon."""
    return state.cooldown_until is not None or any(
        one.left <= 0 and one.limit.seconds > HOUR for one in state.limits
    )
