"""How often each fallback served, and how well, beside the first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import mean, median

from crew.journal import AttemptRecord, CallRecord, Stretch
from crew.regression import Interval, difference, share
from crew.regression.signals import FAULTS
from crew.reports.amounts import shown_usd
from crew.reports.text import figures_table, printed

FIRST, FALLBACK = "first", "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackRow:
    """What one deployment did at one kind of work in one turn: as the first of its
    chain, as a fallback in it, or as a later step of the ladder.

    `served` is its share of the answered calls, `passed` that of its attempts that the
    gates let pass, without second tries; `beside` is `passed` less that of the first
    ones. `faults` is the share of its calls that failed by the provider's fault.
    `seconds` is the median of an answered call, `usd` what an attempt cost. `why` is
    what mostly closed the first one. None: there is nothing to take it from.
    """

    kind: str
    turn: str
    deployment: str
    served: Interval | None
    attempts: int
    passed: Interval | None
    beside: Interval | None
    faults: Interval | None
    seconds: float | None
    usd: Decimal | None
    why: str


@dataclass(slots=True)
class _Counted:
    """What is known of one row, before it is made."""

    attempts: list[AttemptRecord] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)

    @property
    def passed(self) -> Interval | None:
        judged = [one for one in self.attempts if _is_judged(one)]
        return share(sum(one.verdict == "passed" for one in judged), len(judged))


def fallback_rows(stretch: Stretch) -> list[FallbackRow]:
    """The rows, by kind: the first ones, then their fallbacks, then further steps."""
    counted: dict[tuple[str, str, str], _Counted] = defaultdict(_Counted)
    for attempt, calls in _attempts(stretch):
        kind = attempt.kind or "no kind"
        last = next(
            (one for one in reversed(calls) if one.deployment == attempt.deployment),
            None,
        )
        turn = _turn(attempt, last)
        counted[kind, turn, attempt.deployment].attempts.append(attempt)
        for call in calls:
            key = (kind, _turn(attempt, call), call.deployment)
            counted[key].calls.append(call)
    order = sorted(counted, key=lambda key: (key[0], _rank(key[1]), key[1], key[2]))
    return [_row(key, counted) for key in order if key[2]]


def _attempts(stretch: Stretch) -> Iterator[tuple[AttemptRecord, list[CallRecord]]]:
    """Each attempt with its calls: the journal keeps how many those were."""
    waiting: dict[tuple[str, str | None], list[CallRecord]] = defaultdict(list)
    for call in stretch.calls:
        waiting[call.run, call.task].append(call)
    for attempt in stretch.attempts:
        calls = waiting[attempt.run, attempt.task]
        yield attempt, calls[: attempt.calls]
        del calls[: attempt.calls]


def _turn(attempt: AttemptRecord, call: CallRecord | None) -> str:
    if attempt.place > 0:
        return f"step {attempt.place + 1} ({attempt.step})"
    return FALLBACK if call is not None and call.swapped_from else FIRST


def _rank(turn: str) -> int:
    return (FIRST, FALLBACK).index(turn) if turn in (FIRST, FALLBACK) else 2


def _is_judged(attempt: AttemptRecord) -> bool:
    """Whether its verdict counts: a second try at the same step knew the reason."""
    second = attempt.place == 0 and attempt.number > 1
    return not second and bool(attempt.gate or attempt.verdict == "failed")


def _row(
    key: tuple[str, str, str], counted: Mapping[tuple[str, str, str], _Counted]
) -> FallbackRow:
    kind, turn, deployment = key
    mine = counted[key]
    answered = [call for call in mine.calls if call.ok]
    every = sum(
        call.ok for at, one in counted.items() if at[0] == kind for call in one.calls
    )
    passed = mine.passed
    first = _first(kind, counted) if turn != FIRST else None
    costs = [one.cost_usd for one in mine.attempts if one.cost_usd is not None]
    faults = sum(call.outcome in FAULTS for call in mine.calls)
    return FallbackRow(
        kind=kind,
        turn=turn,
        deployment=deployment,
        served=share(len(answered), every),
        attempts=len(mine.attempts),
        passed=passed,
        beside=difference(passed, first) if passed and first else None,
        faults=share(faults, len(mine.calls)),
        seconds=median(call.seconds for call in answered) if answered else None,
        usd=mean(costs) if costs else None,
        why=_why(mine.calls),
    )


def _first(
    kind: str, counted: Mapping[tuple[str, str, str], _Counted]
) -> Interval | None:
    firsts = [one for at, one in counted.items() if at[:2] == (kind, FIRST)]
    return _Counted(attempts=[one for row in firsts for one in row.attempts]).passed


def _why(calls: Iterable[CallRecord]) -> str:
    """The reason that most of them give, without the time at which it ends."""
    reasons = Counter(
        call.reason.partition("; opens ")[0] for call in calls if call.swapped_from
    )
    return reasons.most_common(1)[0][0] if reasons else ""


def fallback_lines(rows: Sequence[FallbackRow], *, width: int | None = None) -> str:
    """The rows as a table, with 95 % intervals; what stands beside the first is in
    points."""
    if not rows:
        return "No attempt at a task is recorded in this time."
    table = figures_table(
        "Kind", "Turn", "Deployment", "Served>", "Passed", "Beside first",
        "Faults>", "Call>", "Attempt>",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row.kind,
            row.turn,
            row.deployment,
            f"{row.served.value:.0%}" if row.served else "",
            _percent(row.passed),
            _points(row.beside),
            f"{row.faults.value:.1%}" if row.faults else "",
            f"{row.seconds:.1f} s" if row.seconds is not None else "",
            shown_usd(row.usd),
        )
    whys = [
        f"{row.deployment} ({row.kind}, {row.turn}) mostly because {row.why}"
        for row in rows
        if row.why
    ]
    return printed(table, *(["", *whys] if whys else []), width=width)


def _percent(found: Interval | None) -> str:
    if found is None:
        return ""
    bounds = f"[{found.low * 100:.0f}, {found.high * 100:.0f}]"
    return f"{found.value:.0%} {bounds} of {found.size}"


def _points(found: Interval | None) -> str:
    if found is None:
        return ""
    bounds = f"[{found.low * 100:+.0f}, {found.high * 100:+.0f}]"
    return f"{found.value * 100:+.0f} {bounds}"


def fallback_documents(rows: Sequence[FallbackRow]) -> list[dict[str, object]]:
    """The rows as JSON; an unknown figure is null."""
    return [
        {
            "kind": row.kind,
            "turn": row.turn,
            "deployment": row.deployment,
            "served": _document(row.served),
            "attempts": row.attempts,
            "passed": _document(row.passed),
            "beside_first": _document(row.beside),
            "faults": _document(row.faults),
            "median_seconds": None if row.seconds is None else round(row.seconds, 3),
            "usd_per_attempt": None if row.usd is None else float(row.usd),
            "why": row.why or None,
        }
        for row in rows
    ]


def _document(found: Interval | None) -> dict[str, float] | None:
    return found.document() if found is not None else None
