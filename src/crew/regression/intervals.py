"""Shares, differences and means, each with its 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import mean, stdev

Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""The same of Student's distribution, by its degrees of freedom from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value, between which bounds it lies, and from how many it was taken."""

    value: float
    low: float
    high: float
    size: int

    def document(self) -> dict[str, float]:
        """The interval as JSON."""
        return {
            "value": round(self.value, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "n": self.size,
        }


def share(good: int, size: int) -> Interval | None:
    """The share of good ones (Wilson's interval); None of nothing."""
    if size == 0:
        return None
    rate, square = good / size, Z * Z / size
    spread = Z * sqrt(rate * (1 - rate) / size + square / (4 * size))
    centre = rate + square / 2
    return Interval(
        value=rate,
        low=max(0.0, (centre - spread) / (1 + square)),
        high=min(1.0, (centre + spread) / (1 + square)),
        size=size,
    )


def difference(one: Interval, other: Interval) -> Interval:
    """One share less another (Newcombe's interval)."""
    value = one.value - other.value
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    size = min(one.size, other.size)
    return Interval(value=value, low=value - below, high=value + above, size=size)


def mean_interval(
    values: Sequence[float], *, low: float = 0.0, high: float = inf, step: float = 0.0
) -> Interval | None:
    """The mean of values that lie within these bounds (Student's interval), for one
    look; None of nothing. Of one value nothing is known but the bounds. `step` is how
    far apart values are that are not equal, where that is known."""
    size = len(values)
    if size == 0:
        return None
    middle = mean(values)
    if size == 1:
        return Interval(value=middle, low=low, high=high, size=1)
    t = _T[size - 2] if size - 2 < len(_T) else Z + 2.4 / (size - 1)
    # Equal values are no proof that the next one is equal: as if one lay a step off.
    spread = max(stdev(values), step / sqrt(size))
    return Interval(
        value=middle,
        low=max(low, middle - t * spread / sqrt(size)),
        high=min(high, middle + t * spread / sqrt(size)),
        size=size,
    )
