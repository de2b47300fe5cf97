"""What a run will take, by what earlier ones took: the median, and what nine of ten
stay under. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median

from crew.journal.past import PastRun, Taken
from crew.settings import Settings, TaskSpec

FEWEST = 3
"""How many earlier runs it takes to say that one does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure of a run: its median, and what 90 % of the runs stay under."""

    median: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will take; `usd` is None when a price is unknown. `count` is how many
    earlier runs of the same tasks it is taken from, or, with `of_tasks`, the fewest
    earlier tasks of the same kind and complexity; 0: nothing is known. `roles` and
    `roles_high` are what each role needs, by the median and by the 90 %."""

    count: int = 0
    of_tasks: bool = False
    calls: Spread | None = None
    tokens: Spread | None = None
    usd: Spread | None = None
    seconds: Spread | None = None
    roles: Mapping[str, Taken] = field(default_factory=dict)
    roles_high: Mapping[str, Taken] = field(default_factory=dict)

    @property
    def is_firm(self) -> bool:
        """Whether enough is known to hold a run back."""
        return self.count >= FEWEST


def estimate(
    settings: Settings,
    tasks: Sequence[TaskSpec],
    runs: Sequence[PastRun],
    by_kind: Mapping[tuple[str | None, str], Sequence[Taken]],
) -> Estimate:
    """The estimate for a run of these tasks: from runs of the same tasks, else from
    tasks of the same kind and complexity."""
    if runs:
        return _from_runs(runs)
    samples: list[tuple[str, Sequence[Taken]]] = []
    for task in tasks:
        role = settings.roles.get(task.agent or settings.manager)
        kind = task.kind or (role.kind if role else None)
        known = by_kind.get((kind, task.complexity), ())
        if not known or role is None:
            return Estimate()
        samples.append((role.name, known))
    return _from_tasks(samples) if samples else Estimate()


def _from_runs(runs: Sequence[PastRun]) -> Estimate:
    totals = [sum(one.roles.values(), Taken()) for one in runs]
    names = dict.fromkeys(name for one in runs for name in one.roles)
    of = {name: [one.roles.get(name, Taken()) for one in runs] for name in names}
    return Estimate(
        count=len(runs),
        calls=_spread(one.calls for one in totals),
        tokens=_spread(one.input_tokens + one.output_tokens for one in totals),
        usd=_spread(one.usd for one in totals),
        seconds=_spread(one.seconds for one in runs),
        roles={name: _typical(some, high=False) for name, some in of.items()},
        roles_high={name: _typical(some, high=True) for name, some in of.items()},
    )


def _from_tasks(samples: Sequence[tuple[str, Sequence[Taken]]]) -> Estimate:
    roles: dict[str, Taken] = {}
    roles_high: dict[str, Taken] = {}
    for name, some in samples:
        roles[name] = roles.get(name, Taken()) + _typical(some, high=False)
        high = _typical(some, high=True)
        roles_high[name] = roles_high.get(name, Taken()) + high
    middle, most = sum(roles.values(), Taken()), sum(roles_high.values(), Taken())
    tokens = middle.input_tokens + middle.output_tokens
    return Estimate(
        count=min(len(some) for _, some in samples),
        of_tasks=True,
        calls=Spread(median=middle.calls, high=most.calls),
        tokens=Spread(median=tokens, high=most.input_tokens + most.output_tokens),
        usd=None
        if middle.usd is None or most.usd is None
        else Spread(median=middle.usd, high=most.usd),
        seconds=Spread(median=middle.seconds, high=most.seconds),
        roles=roles,
        roles_high=roles_high,
    )


def _typical(some: Sequence[Taken], *, high: bool) -> Taken:
    def of(values: Iterable[float | None]) -> float | None:
        spread = _spread(values)
        return None if spread is None else spread.high if high else spread.median

    return Taken(
        calls=ceil(of(one.calls for one in some) or 0),
        input_tokens=ceil(of(one.input_tokens for one in some) or 0),
        output_tokens=ceil(of(one.output_tokens for one in some) or 0),
        usd=of(one.usd for one in some),
        seconds=of(one.seconds for one in some) or 0.0,
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    """None when one of them is unknown."""
    ordered = list(values)
    known = sorted(one for one in ordered if one is not None)
    if not known or len(known) < len(ordered):
        return None
    return Spread(median=median(known), high=known[ceil(0.9 * len(known)) - 1])
