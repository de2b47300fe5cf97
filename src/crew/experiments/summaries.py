"""What one arm did: its rate, its price and its time, each with an interval (pure)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import lgamma, log
from statistics import fmean

from crew.experiments.outcomes import Outcome
from crew.regression.intervals import mean_interval

_ALPHA = 0.05
FEWEST = 10
"""Outcomes below which a mean has no interval."""
_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number and its 95 % interval; without bounds there is too little for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """What one arm did. The interval of `rate` holds at all times at once; those of
    `usd` and `seconds`, of a task on average, hold for one look. `left_out` are tasks
    that do not count, by the reason."""

    arm: str
    tasks: int
    passed: int
    rate: Interval | None = None
    usd: Interval | None = None
    seconds: Interval | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def summarize(
    arm: str, outcomes: Sequence[Outcome], left_out: Mapping[str, int]
) -> ArmSummary:
    """What the outcomes of an arm say."""
    passed = sum(one.passed for one in outcomes)
    usd = [float(one.usd) for one in outcomes if one.usd is not None]
    if not outcomes:
        return ArmSummary(arm=arm, tasks=0, passed=0, left_out=left_out)
    return ArmSummary(
        arm=arm,
        tasks=len(outcomes),
        passed=passed,
        rate=rate_interval(passed, len(outcomes)),
        # A task whose price nobody knows may be the dearest.
        usd=mean_of(usd) if len(usd) == len(outcomes) else None,
        seconds=mean_of([one.seconds for one in outcomes]),
        left_out=left_out,
    )


def rate_interval(passed: int, tasks: int) -> Interval:
    """The rates that a bet against them has not refuted, at any time up to now: those
    against which a uniform prior on the rate won less than 1 / alpha."""
    failed = tasks - passed
    prior = lgamma(passed + 1) + lgamma(failed + 1) - lgamma(tasks + 2)

    def refuted(rate: float) -> bool:
        if (passed and rate <= 0) or (failed and rate >= 1):
            return True
        against = passed * log(rate) if passed else 0.0
        against += failed * log(1 - rate) if failed else 0.0
        return prior - against >= log(1 / _ALPHA)

    share = passed / tasks
    return Interval(
        value=share, low=_edge(share, 0.0, refuted), high=_edge(share, 1.0, refuted)
    )


def _edge(inside: float, outside: float, refuted: Callable[[float], bool]) -> float:
    if not refuted(outside):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside


def mean_of(values: Sequence[float]) -> Interval:
    """The mean with its interval, for one look at a number of tasks that was fixed
    before; without, where there are few: prices and times are skewed."""
    found = mean_interval(values)
    if found is None or len(values) < FEWEST:
        return Interval(value=fmean(values))
    return Interval(value=found.value, low=found.low, high=found.high)
