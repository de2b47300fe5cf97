"""From the attempts of an experiment to the outcomes that count (pure)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from crew.journal import AttemptRecord, Trials
from crew.settings.experiments import climbs

UNJUDGED = "no gate of its trust had anything to look at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one task at one arm. `usd` is None when nobody knows it; `pair`
    names the comparison that it belongs to, where the same task went to each arm."""

    arm: str
    passed: bool
    usd: Decimal | None
    seconds: float
    at: float
    pair: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The outcomes of an experiment in their order, and how many tasks of each arm do
    not count, by the reason."""

    outcomes: tuple[Outcome, ...] = ()
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def read(trials: Trials) -> Record:
    """The outcomes of attempts in their order: the first attempt at each task counts
    or, where the arm is a ladder and the task came to an end, all of them as one."""
    tasks: dict[tuple[str, str], list[AttemptRecord]] = {}
    for one in trials.attempts:
        tasks.setdefault((one.run, one.task), []).append(one)
    found: list[Outcome] = []
    left: dict[str, Counter[str]] = {}
    for task, made in tasks.items():
        made.sort(key=lambda one: one.number)
        first = made[0]
        whole = climbs(first.arm)
        if first.number != 1 or (whole and task not in trials.ended):
            continue
        last = made[-1] if whole else first
        if why := _left_out(made if whole else [first], last):
            left.setdefault(first.arm, Counter())[why] += 1
        else:
            found.append(_outcome(made if whole else [first], last))
    return Record(
        outcomes=tuple(sorted(found, key=lambda one: one.at)),
        left_out={arm: dict(reasons) for arm, reasons in left.items()},
    )


def _left_out(made: Sequence[AttemptRecord], last: AttemptRecord) -> str:
    """Why a task says nothing about its arm; empty where it does."""
    if why := next((one.left_out for one in made if one.left_out), ""):
        return why
    passed = last.verdict == "passed"
    return UNJUDGED if passed and last.trust != last.task_trust else ""


def _outcome(made: Sequence[AttemptRecord], last: AttemptRecord) -> Outcome:
    usd = [one.cost_usd for one in made if one.cost_usd is not None]
    return Outcome(
        arm=last.arm,
        passed=last.verdict == "passed",
        usd=sum(usd, Decimal(0)) if len(usd) == len(made) else None,
        seconds=sum(one.seconds for one in made),
        at=last.at,
        pair=last.pair,
    )
