"""What providers tell of their limits, matched with the limits that we count."""

from collections.abc import Iterable, Sequence

from crew.quota.limits import Limit, Pool, WindowKind
from crew.quota.reported import ReportedLimit
from crew.quota.store import Observation

_SHORT_SECONDS = 3_600


def matched(
    pools: Iterable[Pool], reported: ReportedLimit
) -> tuple[Pool, Limit] | None:
    """The limit of ours that the provider spoke of: of the same metric and window."""
    for pool in pools:
        for limit in pool.limits:
            same = (limit.metric, limit.unit, limit.count) == (
                reported.metric,
                reported.unit,
                1,
            )
            if same and limit.kind is not WindowKind.RUN:
                return pool, limit
    return None


def observations(
    pools: Sequence[Pool], reported: Sequence[ReportedLimit], now: float
) -> list[Observation]:
    """What the provider reported, as corrections of the pools (the narrowest first)."""
    found = []
    for one in reported:
        match = matched(pools, one)
        if match is None:
            continue
        pool, limit = match
        most = one.amount if one.amount is not None else limit.amount
        used = None
        if one.remaining is not None:
            # Nothing left is exact, whatever else is rounded.
            slack = one.slack if one.remaining > 0 else 0
            used = max(0, most - one.remaining - slack)
        resets = now + one.resets_in if one.resets_in is not None else None
        found.append(
            Observation(
                pool=pool.name,
                limit=limit,
                amount=one.amount,
                used=used,
                resets_at=resets,
            )
        )
    return found


def throttled(pools: Iterable[Pool]) -> Pool | None:
    """The narrowest pool whose short limits can shrink after a refusal."""
    for pool in pools:
        if any(limit.seconds <= _SHORT_SECONDS for limit in pool.limits):
            return pool
    return None
