"""Admission: whether a need fits under a limit, and when it will. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from crew.quota.limits import Charges, Limit, Refusal

THROTTLED_SECONDS = 3_600
"""Windows up to this long shrink with a pool's throttle: a refusal that nobody
expected says nothing about a day."""
DECREASE = 0.5
LEAST_THROTTLE = 0.05
RECOVERY_SECONDS = 300.0
"""How long a throttle takes from nothing back to 1."""
HOLD_SECONDS = 10.0
"""Refusals that come so soon after another are answers to the same burst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The share of its limits that a pool uses, as of `at` (seconds since the
    epoch); it grows back to 1 by itself."""

    share: float
    at: float

    def now(self, now: float) -> float:
        """The share at `now`."""
        return min(1.0, self.share + max(0.0, now - self.at) / RECOVERY_SECONDS)

    def decreased(self, now: float) -> "Throttle":
        """After one more refusal that the counts did not foresee."""
        if self.share < 1 and now - self.at < HOLD_SECONDS:
            return self
        return Throttle(share=max(LEAST_THROTTLE, self.now(now) * DECREASE), at=now)


UNTHROTTLED = Throttle(share=1.0, at=0.0)


def effective(limit: Limit, need: int, *, learned: int | None, share: float) -> Limit:
    """The limit that holds now: no more than the provider reported, times the throttle.

    A request that is larger than a throttled limit still fits when nothing counts.
    """
    most = limit.amount if learned is None else min(limit.amount, learned)
    amount = most
    if share < 1 and limit.seconds <= THROTTLED_SECONDS:
        amount = max(int(most * share), min(need, most))
    return limit if amount == limit.amount else replace(limit, amount=amount)


def admit(limit: Limit, used: float, need: int) -> bool:
    """Whether `need` more fits. What takes nothing always fits, even an overdrawn
    limit: a free model is welcome when the money is spent."""
    return need == 0 or used + need <= limit.amount


def opens_at(
    limit: Limit, charges: Charges, need: int, now: float, *, ahead: int = 0
) -> float | None:
    """When `need` fits if nothing else is charged but what waits `ahead`; None when
    it never does. A wait of more than one window is worked out roughly."""
    if need > limit.amount:
        return None
    more_windows, need = divmod(max(0, need + ahead - 1), max(1, limit.amount))
    return _fits(limit, charges, need + 1, now) + more_windows * limit.seconds


def _fits(limit: Limit, charges: Charges, need: int, now: float) -> float:
    used = sum(amount for _, amount in charges)
    for expires, amount in sorted(charges):
        if used + need <= limit.amount:
            return now
        used -= amount
        now = max(now, expires)
    return now


def refills_at(
    limit: Limit, used: float, need: int, now: float, *, ahead: int = 0
) -> float | None:
    """As `opens_at`, for a refilling bucket that counts `used`."""
    if need > limit.amount:
        return None
    over = used + ahead + need - limit.amount
    return now + max(0.0, over) / limit.per_second


def level(limit: Limit, empties_at: float, now: float) -> float:
    """What a refilling bucket counts at `now`, if it would be empty at `empties_at`."""
    return max(0.0, empties_at - now) * limit.per_second


def drained(limit: Limit, empties_at: float, change: float, now: float) -> float:
    """When a refilling bucket is empty after `change` was added to its count.

    One that holds nothing, as a provider may say, takes its whole window.
    """
    per_second = limit.per_second or 1 / limit.seconds
    return max(empties_at, now) + change / per_second


def latest(refusals: Iterable[Refusal]) -> Refusal | None:
    """The refusal that lasts longest: the others open before it."""
    worst: Refusal | None = None
    for refusal in refusals:
        if refusal.opens_at is None:
            return refusal
        if worst is None or refusal.opens_at > (worst.opens_at or 0.0):
            worst = refusal
    return worst
