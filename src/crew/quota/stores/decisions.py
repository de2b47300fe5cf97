"""What stores decide alike: who is refused, what is charged, what a report changes.

A store in Python gives `Counts`: what one step reads and writes, and no more. Redis
decides the same in Lua; a test compares the two step by step.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from crew.quota.admission import (
    admit,
    drained,
    effective,
    latest,
    level,
    opens_at,
    refills_at,
)
from crew.quota.limits import (
    Charges,
    Limit,
    Pool,
    Refusal,
    Usage,
    WindowKind,
)
from crew.quota.store import (
    Charge,
    Level,
    LimitState,
    Observation,
    PoolState,
    refused,
    unforeseen,
)


class Counts(Protocol):
    """The counts of one step, as of `now` (seconds since the epoch). A limit is named
    by its pool and itself."""

    @property
    def now(self) -> float: ...

    def cooldown(self, pool: str) -> tuple[float, str] | None:
        """Until when the pool is closed, and why; None when it is not."""
        ...

    def is_plain(self, pool: str) -> bool:
        """Whether the limits of the pool hold as they are written: mostly they do."""
        ...

    def share(self, pool: str) -> float:
        """The throttle: which share of its short limits the pool uses."""
        ...

    def learned(self, pool: str, limit: Limit) -> int | None:
        """The lower amount that the provider reported, if it did."""
        ...

    def total(self, pool: str, limit: Limit) -> int:
        """What counts in a window."""
        ...

    def charges(self, pool: str, limit: Limit) -> Charges:
        """The same by the time at which it stops counting."""
        ...

    def empties_at(self, pool: str, limit: Limit) -> float:
        """When a refilling bucket counts nothing any more."""
        ...

    def add(self, pool: str, limit: Limit, expires: float, amount: int) -> None:
        """Count more, or less, in a window until `expires`."""
        ...

    def set_empties_at(self, pool: str, limit: Limit, at: float) -> None:
        """Set when a refilling bucket is empty."""
        ...

    def learn(self, pool: str, limit: Limit, amount: int | None) -> None:
        """Note a lower amount of a limit; None: it is as written."""
        ...


def refusal(
    counts: Counts,
    pools: Sequence[Pool],
    charges: Sequence[Charge],
    ahead: Mapping[str, Usage],
) -> Refusal | None:
    """The refusal that lasts longest, if anything closes the charges. What waits
    `ahead` in a pool's queue counts as if it were charged."""
    found = []
    for pool in pools:
        if not counts.is_plain(pool.name) and (closed := counts.cooldown(pool.name)):
            until, reason = closed
            found.append(
                Refusal(pool=pool.name, limit=None, reason=reason, opens_at=until)
            )
    for charge in charges:
        held = _held(counts, charge.pool, charge.limit, charge.amount)
        counted = _used(counts, charge.pool, charge.limit, held)
        first = ahead[charge.pool].amount(held.metric) if charge.pool in ahead else 0
        if not admit(held, counted + first, charge.amount):
            opens = _opens_at(counts, charge, held, counted, first)
            found.append(refused(charge, opens))
    return latest(found)


def count(counts: Counts, charge: Charge, expires: float, amount: int) -> None:
    """Add to what counts against a charge's limit."""
    pool, limit = charge.pool, charge.limit
    if limit.kind is WindowKind.REFILLING:
        held = _held(counts, pool, limit, charge.amount)
        _drain(counts, pool, limit, held, amount)
    elif expires > counts.now:
        counts.add(pool, limit, expires, amount)


def observe(counts: Counts, seen: Observation) -> None:
    """Take note of what a provider reported of one limit."""
    pool, limit = seen.pool, seen.limit
    if seen.amount is not None:
        lower = seen.amount < limit.amount
        counts.learn(pool, limit, seen.amount if lower else None)
    held = _held(counts, pool, limit, 0)
    missing = unforeseen(seen, _used(counts, pool, limit, held), counts.now)
    if missing is None:
        return
    expires, amount = missing
    if limit.kind is WindowKind.REFILLING:
        _drain(counts, pool, limit, held, amount)
    else:
        counts.add(pool, limit, expires, amount)


def pool_state(
    counts: Counts, pool: Pool, flying: Mapping[Limit, int], waiting: int
) -> PoolState:
    """How a pool stands. `flying` is what calls in flight hold of each limit."""
    until, reason = counts.cooldown(pool.name) or (None, "")
    share = counts.share(pool.name)
    return PoolState(
        name=pool.name,
        limits=tuple(
            _limit_state(counts, pool.name, limit, flying.get(limit, 0))
            for limit in pool.limits
        ),
        cooldown_until=until,
        cooldown_reason=reason,
        throttle=share if share < 1 else None,
        waiting=waiting,
    )


def levels(counts: Counts, pools: Sequence[Pool]) -> list[list[Level]]:
    """What counts of each limit of each pool."""
    return [
        [
            Level(
                limit=limit,
                amount=(held := _held(counts, pool.name, limit, 0)).amount,
                counted=_used(counts, pool.name, limit, held),
            )
            for limit in pool.limits
        ]
        for pool in pools
    ]


def _limit_state(counts: Counts, pool: str, limit: Limit, flying: int) -> LimitState:
    counted = round(_used(counts, pool, limit, _held(counts, pool, limit, 0)))
    reserved = min(counted, flying)
    return LimitState(
        limit=limit,
        used=counted - reserved,
        reserved=reserved,
        resets_at=_resets_at(counts, pool, limit),
        learned=counts.learned(pool, limit),
        share=counts.share(pool),
    )


def _resets_at(counts: Counts, pool: str, limit: Limit) -> float | None:
    if limit.kind is WindowKind.REFILLING:
        empties = counts.empties_at(pool, limit)
        return empties if empties > counts.now else None
    return max((at for at, n in counts.charges(pool, limit) if n), default=None)


def _held(counts: Counts, pool: str, limit: Limit, need: int) -> Limit:
    """The limit that holds now."""
    if counts.is_plain(pool):
        return limit
    learned, share = counts.learned(pool, limit), counts.share(pool)
    return effective(limit, need, learned=learned, share=share)


def _used(counts: Counts, pool: str, limit: Limit, held: Limit) -> float:
    if limit.kind is WindowKind.REFILLING:
        return level(held, counts.empties_at(pool, limit), counts.now)
    return counts.total(pool, limit)


def _drain(counts: Counts, pool: str, limit: Limit, held: Limit, amount: int) -> None:
    empties = drained(held, counts.empties_at(pool, limit), amount, counts.now)
    counts.set_empties_at(pool, limit, empties)


def _opens_at(
    counts: Counts, charge: Charge, held: Limit, counted: float, first: int
) -> float | None:
    need, now = charge.amount, counts.now
    if held.kind is WindowKind.REFILLING:
        return refills_at(held, counted, need, now, ahead=first)
    charges = counts.charges(charge.pool, charge.limit)
    return opens_at(held, charges, need, now, ahead=first)
