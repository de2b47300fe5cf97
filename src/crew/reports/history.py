"""A stretch of time as figures: what was spent, how well it went, and how fast."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from crew.journal import AttemptRecord, CallRecord, Stretch
from crew.regression.signals import UNAVAILABLE

_MINUTE = 60.0
_QUARTER = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day, where the reader is. `usd` leaves calls of unknown cost out;
    `senior_usd` is None where an answer's price at the senior tier is unknown."""

    day: str
    calls: int
    free_calls: int
    failed: int
    usd: Decimal
    senior_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one deployment, or one provider, did. Seconds are those of its answers;
    None without one. `available` is the share of its calls that it did not fail."""

    name: str
    calls: int
    answered: int
    usd: Decimal
    input_tokens: int
    output_tokens: int
    median_seconds: float | None
    slow_seconds: float | None
    available: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """How many first attempts of a deployment at work of this kind and complexity
    passed their gates. Only attempts that a gate judged count."""

    deployment: str
    kind: str
    complexity: str
    attempts: int
    passed: int

    @property
    def rate(self) -> float:
        return self.passed / self.attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The figures of a stretch. Money is in US dollars; `cost` leaves unknown amounts
    out, `unknown_costs` counts them; `senior_usd` is None where one is unknown.
    `free_calls` and `free_usd` are the shares of the answers, and of what they would
    have cost on the senior tier, that cost nothing; None where there was none.
    `per_minute` is the mean number of calls of the minutes that had any, `busiest`
    that of the busiest one. `removed`
    counts calls that the journal no longer has: they are in no figure.
    """

    since: float
    until: float
    runs: int
    tasks: Counter[str]
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: Decimal
    senior_usd: Decimal | None
    unknown_costs: int
    free_calls: float | None
    free_usd: float | None
    per_minute: float
    busiest: int
    days: tuple[Day, ...]
    deployments: tuple[Service, ...]
    providers: tuple[Service, ...]
    success: tuple[Success, ...]
    errors: tuple[tuple[str, str, str, int], ...]
    removed: int = 0

    @property
    def saved(self) -> Decimal | None:
        """The share of all-senior that was not spent; None without an answer."""
        return 1 - self.cost / self.senior_usd if self.senior_usd else None

    @property
    def cost_per_task(self) -> Decimal | None:
        """US dollars for each task that ended; None without one."""
        tasks = self.tasks.total()
        return self.cost / tasks if tasks else None

    @property
    def success_rate(self) -> float | None:
        """The share of the tasks that ended, and did not fail."""
        tasks = self.tasks.total()
        return 1 - self.tasks["failed"] / tasks if tasks else None


def history(stretch: Stretch) -> History:
    """Count a stretch of time."""
    calls = stretch.calls
    answers = [call for call in calls if call.ok]
    free = [call for call in answers if is_free(call)]
    senior = _senior(calls)
    minutes = Counter(int(call.at // _MINUTE) for call in calls)
    return History(
        since=stretch.since,
        until=stretch.until,
        runs=len(stretch.runs),
        tasks=Counter(task.status for task in stretch.tasks),
        calls=len(calls),
        failed=len(calls) - len(answers),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cached_tokens=sum(call.cached_tokens for call in calls),
        cost=_sum(call.cost_usd for call in calls),
        senior_usd=senior,
        unknown_costs=sum(call.cost_usd is None for call in calls),
        free_calls=len(free) / len(answers) if answers else None,
        free_usd=float(_sum(call.senior_usd for call in free) / senior)
        if senior
        else None,
        per_minute=len(calls) / len(minutes) if minutes else 0.0,
        busiest=max(minutes.values(), default=0),
        days=_days(calls),
        deployments=_services(calls, lambda call: call.deployment),
        providers=_services(calls, lambda call: call.provider),
        success=_success(stretch.attempts),
        errors=_errors(calls),
        removed=stretch.removed,
    )


def is_free(call: CallRecord) -> bool:
    """Whether it cost nothing."""
    return call.cost_usd is not None and not call.cost_usd


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which that share of the sorted `values` lies; None without any.
    The nearest rank: always a value that was measured."""
    if not values:
        return None
    return values[min(len(values) - 1, max(0, -int(-share * len(values) // 1) - 1))]


def _days(calls: Iterable[CallRecord]) -> tuple[Day, ...]:
    by_day: defaultdict[str, list[CallRecord]] = defaultdict(list)
    for call in calls:
        by_day[_day(int(call.at // _QUARTER))].append(call)
    return tuple(
        Day(
            day=day,
            calls=len(own),
            free_calls=sum(call.ok and is_free(call) for call in own),
            failed=sum(not call.ok for call in own),
            usd=_sum(call.cost_usd for call in own),
            senior_usd=_senior(own),
        )
        for day, own in sorted(by_day.items())
    )


@lru_cache(maxsize=4096)
def _day(quarter: int) -> str:
    """The day of a quarter of an hour: no offset of a time zone is finer."""
    at = quarter * _QUARTER
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%Y-%m-%d}"


def _services(
    calls: Iterable[CallRecord], name: Callable[[CallRecord], str]
) -> tuple[Service, ...]:
    """The most used first."""
    by_name: defaultdict[str, list[CallRecord]] = defaultdict(list)
    for call in calls:
        by_name[name(call)].append(call)
    rows = [_service(of, own) for of, own in by_name.items()]
    return tuple(sorted(rows, key=lambda row: (-row.calls, row.name)))


def _service(name: str, calls: Sequence[CallRecord]) -> Service:
    times = sorted(call.seconds for call in calls if call.ok)
    failed = sum(call.outcome in UNAVAILABLE for call in calls)
    return Service(
        name=name,
        calls=len(calls),
        answered=len(times),
        usd=_sum(call.cost_usd for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        median_seconds=percentile(times, 0.5),
        slow_seconds=percentile(times, 0.95),
        available=1 - failed / len(calls),
    )


def _success(attempts: Iterable[AttemptRecord]) -> tuple[Success, ...]:
    tried: Counter[tuple[str, str, str]] = Counter()
    passed: Counter[tuple[str, str, str]] = Counter()
    for one in attempts:
        if one.number == 1 and one.gate and one.deployment:
            key = (one.deployment, one.kind or "general", one.complexity)
            tried[key] += 1
            passed[key] += one.verdict == "passed"
    return tuple(
        Success(
            deployment=key[0],
            kind=key[1],
            complexity=key[2],
            attempts=count,
            passed=passed[key],
        )
        for key, count in tried.most_common()
    )


def _errors(calls: Iterable[CallRecord]) -> tuple[tuple[str, str, str, int], ...]:
    """Deployment, class, the provider's word, and how often; most first."""
    counted = Counter(
        (call.deployment, call.outcome, call.detail) for call in calls if not call.ok
    )
    return tuple((*key, count) for key, count in counted.most_common(200))


def _senior(calls: Iterable[CallRecord]) -> Decimal | None:
    """What the answers would have cost on the senior tier; None where nobody knows."""
    amounts = [call.senior_usd for call in calls if call.ok]
    return None if None in amounts else _sum(amounts)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((one for one in amounts if one is not None), Decimal(0))
