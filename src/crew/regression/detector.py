"""The e-detector: has the share of good outcomes fallen, and since when?

For each outcome at which a change may have begun, the outcomes before it are compared
with those since: how likely they are with two shares, the later one lower, against one
share for both. Each share is mixed over all its values (Jeffreys' prior), so that a
short past says little by itself. The sum over all beginnings is the Shiryaev-Roberts
statistic; a change is expected once in `RARE` outcomes.

One comparison of the two stretches as a whole, and not of each outcome with a lower
bound of the past: a bound that chance put too high would be held against every later
outcome.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, lgamma

LEAST = 30
"""Outcomes that must lie before a change."""
PAST = 300
"""Outcomes before a change that it is compared with, at most."""
SINCE = 300
"""A change that began longer ago, in outcomes, is no longer looked for."""
WHOLE = PAST + SINCE
"""The latest outcomes that decide: older ones change nothing."""
STEP = 5
"""Beginnings are looked at every so many outcomes."""
RARE = 1_000
THRESHOLD = 3_000.0
"""How much likelier a change must be than none.

Where nothing changed, each beginning adds 1 / RARE to what the sum is expected to be,
by the prior over the shares; at the worst single share 2.5 times that. So N outcomes
raise a false alarm with a chance of about N / (RARE x THRESHOLD): one run of 1,000
tasks in 3,000, and .1 to .2 alarms in 250 such runs.
"""
_CAP = 600.0
"""Above it an exponential does not fit a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One outcome, good or not. `at` is in seconds since the epoch. Outcomes are
    compared within their `group` alone: work as hard, judged in the same way."""

    good: bool
    at: float
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The share of good outcomes fell from `before` to `after` (0 to 1) at `began_at`,
    in seconds since the epoch, as well as it can be told; `outcomes` came since.
    `odds` is how much likelier that is than no change."""

    before: float
    after: float
    began_at: float
    outcomes: int
    odds: float


def find(outcomes: Sequence[Outcome]) -> Change | None:
    """The change that these outcomes, oldest first, show at their end; None: none."""
    latest = outcomes[-WHOLE:]
    if len(latest) <= LEAST:
        return None
    groups = _counted(latest)
    first = max(LEAST, len(latest) - SINCE)
    odds = sum(_odds(groups, range(first, len(latest), STEP))) * STEP / RARE
    if odds < THRESHOLD:
        return None
    every = _odds(groups, range(first, len(latest)))
    began = first + max(range(len(every)), key=every.__getitem__)
    return _change(latest, began, odds)


Counts = list[int]
"""How many there are among the first outcomes, by how many those are."""


def _counted(latest: Sequence[Outcome]) -> list[tuple[Counts, Counts]]:
    """Of each group, its outcomes and the good ones."""
    names = dict.fromkeys(one.group for one in latest)
    if len(names) == 1:
        good = accumulate((one.good for one in latest), initial=0)
        return [(list(range(len(latest) + 1)), list(good))]
    found = []
    for group in names:
        mine = accumulate((one.group == group for one in latest), initial=0)
        good = accumulate(
            (one.good and one.group == group for one in latest), initial=0
        )
        found.append((list(mine), list(good)))
    return found


def _odds(groups: Sequence[tuple[Counts, Counts]], begins: range) -> list[float]:
    """How much likelier a fall at each beginning makes the outcomes; 0 where they rose.
    All in one loop: it is gone through after each attempt."""
    fallen, evidence = [0.0] * len(begins), [0.0] * len(begins)
    for mine, good in groups:
        size, total = mine[-1], good[-1]
        for at, begin in enumerate(begins):
            start = begin - PAST if begin > PAST else 0
            n, k = mine[begin] - mine[start], good[begin] - good[start]
            m, j = size - mine[begin], total - good[begin]
            if n and m:
                fallen[at] += k * m / n - j
                evidence[at] += _likely(k, n) + _likely(j, m) - _likely(k + j, n + m)
    # Either share may be the lower one by chance: a fall has half of the prior.
    return [
        2 * exp(min(weight, _CAP)) if drop > 0 else 0.0
        for drop, weight in zip(fallen, evidence, strict=True)
    ]


_HALVES = [lgamma(count + 0.5) - lgamma(0.5) for count in range(WHOLE + 1)]
_WHOLES = [lgamma(count + 1.0) for count in range(WHOLE + 1)]
"""The parts of the integral of a share over Jeffreys' prior."""


def _likely(good: int, size: int) -> float:
    """The logarithm of how likely so many good ones are, over all shares."""
    return _HALVES[good] + _HALVES[size - good] - _WHOLES[size]


def _change(latest: Sequence[Outcome], began: int, odds: float) -> Change:
    since = latest[began:]
    here = {one.group for one in since}
    before = [one for one in latest[max(0, began - PAST) : began] if one.group in here]
    return Change(
        before=_share(before or latest[:began]),
        after=_share(since),
        began_at=since[0].at,
        outcomes=len(since),
        odds=odds,
    )


def _share(outcomes: Sequence[Outcome]) -> float:
    return sum(one.good for one in outcomes) / len(outcomes)


RECOVERED = 30
"""Outcomes by which a recovery is told."""
_NEAR = 0.02


def has_recovered(since: Sequence[Outcome], before: float) -> bool:
    """Whether the latest of the outcomes since an alarm are as good as those before
    the change."""
    latest = since[-RECOVERED:]
    return len(latest) == RECOVERED and _share(latest) >= before - _NEAR


def each_end(outcomes: Sequence[Outcome]) -> Iterator[Change | None]:
    """What is found after each of the outcomes, as if they came one by one."""
    for end in range(1, len(outcomes) + 1):
        yield find(outcomes[max(0, end - WHOLE) : end])
