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
RARE = 100
THRESHOLD = 3_000.0
"""How much likelier a change must be than none."""
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
    odds = sum(_odds(groups, begin) for begin in range(first, len(latest), STEP))
    odds *= STEP / RARE
    if odds < THRESHOLD:
        return None
    began = max(range(first, len(latest)), key=lambda begin: _odds(groups, begin))
    return _change(latest, began, odds)


Counts = list[int]
"""How many there are among the first outcomes, by how many those are."""


def _counted(latest: Sequence[Outcome]) -> list[tuple[Counts, Counts]]:
    """Of each group, its outcomes and the good ones."""
    found = []
    for group in dict.fromkeys(one.group for one in latest):
        mine = accumulate((one.group == group for one in latest), initial=0)
        good = accumulate(
            (one.good and one.group == group for one in latest), initial=0
        )
        found.append((list(mine), list(good)))
    return found


def _odds(groups: Sequence[tuple[Counts, Counts]], begin: int) -> float:
    """How much likelier a fall at `begin` makes the outcomes; 0 where they rose."""
    start, fallen, found = max(0, begin - PAST), 0.0, []
    for mine, good in groups:
        n, k = mine[begin] - mine[start], good[begin] - good[start]
        m, j = mine[-1] - mine[begin], good[-1] - good[begin]
        if n and m:
            fallen += k * m / n - j
            found.append((k, n, j, m))
    if fallen <= 0:
        return 0.0
    evidence = sum(
        _likely(k, n) + _likely(j, m) - _likely(k + j, n + m) for k, n, j, m in found
    )
    # Either share may be the lower one by chance: a fall has half of the prior.
    return 2 * exp(min(evidence, _CAP))


_GAMMA = [0.0, *(lgamma(half / 2) for half in range(1, 2 * (WHOLE + 2)))]
"""The logarithm of the gamma function, by twice its argument."""


def _likely(good: int, size: int) -> float:
    """The logarithm of how likely so many good ones are, over all shares."""
    bad = size - good
    return _GAMMA[2 * good + 1] + _GAMMA[2 * bad + 1] - _GAMMA[2 * size + 2] - _NONE


_NONE = 2 * _GAMMA[1] - _GAMMA[2]


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
