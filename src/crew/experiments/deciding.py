"""What an experiment says so far: which arm is better, or that it is too few (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import comb

from crew.experiments.evidence import Evidence, weigh
from crew.experiments.outcomes import Outcome, Record
from crew.experiments.summaries import ArmSummary, summarize

FALSE_WINNERS = 20.0
"""The evidence that decides where nothing else is said: 1 in 20 at most."""


class Metric(StrEnum):
    """What an arm may be better in."""

    SUCCESS = "gate success"
    COST = "cost"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two arms beside each other: the evidence, and since when (seconds since the
    epoch) it decides."""

    first: str
    second: str
    evidence: Evidence
    since: float | None = None

    @property
    def winner(self) -> str | None:
        """The arm that is better; None: it is too few to say."""
        return {1: self.first, 2: self.second}.get(self.evidence.winner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an experiment says so far. `enough` is the evidence that a duel needs: with
    more than two arms more of it, as more duels may go wrong."""

    name: str
    decide_at: float
    enough: float
    arms: tuple[ArmSummary, ...]
    duels: Mapping[Metric, tuple[Duel, ...]]

    def winner(self, metric: Metric) -> str | None:
        """The arm that is better than each other one; None: it is too few to say."""
        for arm in self.arms:
            own = [
                one for one in self.duels[metric] if arm.arm in (one.first, one.second)
            ]
            if own and all(one.winner == arm.arm for one in own):
                return arm.arm
        return None

    def since(self, metric: Metric) -> float | None:
        """When that was decided, in seconds since the epoch."""
        arm = self.winner(metric)
        moments = [
            one.since
            for one in self.duels[metric]
            if one.winner == arm and one.since is not None
        ]
        return max(moments) if arm is not None and moments else None


def find(
    name: str,
    record: Record,
    *,
    arms: Sequence[str] = (),
    decide_at: float = FALSE_WINNERS,
) -> Finding:
    """What the outcomes say so far of these arms; without any, of those that they
    name."""
    known = [*arms] or sorted({one.arm for one in record.outcomes} | {*record.left_out})
    by_arm = {arm: [one for one in record.outcomes if one.arm == arm] for arm in known}
    # Every two arms are compared, so each comparison may be wrong less often.
    enough = decide_at * max(1, comb(len(known), 2))
    return Finding(
        name=name,
        decide_at=decide_at,
        enough=enough,
        arms=tuple(
            summarize(arm, by_arm[arm], record.left_out.get(arm, {})) for arm in known
        ),
        duels={
            metric: tuple(
                _duel(metric, by_arm[one], by_arm[other], (one, other), enough)
                for one, other in combinations(known, 2)
            )
            for metric in Metric
        },
    )


def _duel(
    metric: Metric,
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    names: tuple[str, str],
    enough: float,
) -> Duel:
    said = [
        (sign, max(one.at, other.at))
        for one, other in _pairs(first, second)
        if (sign := _sign(metric, one, other)) is not None
    ]
    weighed = weigh([sign for sign, _ in said], enough)
    since = said[weighed.after - 1][1] if weighed.winner else None
    return Duel(first=names[0], second=names[1], evidence=weighed, since=since)


def _pairs(
    first: Sequence[Outcome], second: Sequence[Outcome]
) -> Iterator[tuple[Outcome, Outcome]]:
    """The same task of both where they did it, and else the k-th of each. A later
    outcome changes no earlier pair."""
    named = {one.pair: one for one in second if one.pair}
    same = [(one, named[one.pair]) for one in first if one.pair in named]
    yield from sorted(same, key=lambda both: max(one.at for one in both))
    yield from zip(
        (one for one in first if not one.pair),
        (one for one in second if not one.pair),
        strict=False,
    )


def _sign(metric: Metric, first: Outcome, second: Outcome) -> int | None:
    """Which of the two is better: 1, -1, or 0 for neither; None: nobody knows."""
    match metric:
        case Metric.SUCCESS:
            return first.passed - second.passed
        case Metric.COST:
            if first.usd is None or second.usd is None:
                return None
            return (first.usd < second.usd) - (first.usd > second.usd)
        case Metric.SECONDS:
            return (first.seconds < second.seconds) - (first.seconds > second.seconds)
