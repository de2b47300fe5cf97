"""Reports: what a run took and how the limits stand, as values and JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from crew.journal import AttemptRecord, CallRecord, Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """What one role took. `served_by` counts the answers of each deployment, most
    first; `failures` are calls without an answer."""

    role: str
    served_by: tuple[tuple[str, int], ...]
    calls: int
    failures: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """`count` answers that came from another deployment than the one that was asked
    first, for one reason; what a strategy puts first is no swap. `at` and `task` are
    those of the first answer."""

    at: float
    role: str
    task: str | None
    from_deployment: str
    to_deployment: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run took. Money is in US dollars.

    `cached_tokens` of the input were read from the providers' caches, which saved
    `cache_saved`; None when nobody knows a price.
    `cost` is None when the cost of any call is unknown; `known_cost` leaves those
    out. `cost_all_senior` is what the answers would have cost on the senior tier,
    and `saved` the share of it that was not spent (negative: spent on top). `log` has
    the calls and `attempts` those at tasks, in their order.
    """

    run: str
    calls: int
    failures: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    known_cost: Decimal
    cost_all_senior: Decimal | None
    saved: Decimal | None
    roles: tuple[RoleRow, ...]
    swaps: tuple[Swap, ...]
    log: tuple[CallRecord, ...]
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_saved: Decimal | None = Decimal(0)
    attempts: tuple[AttemptRecord, ...] = ()


def build_report(journal: Journal, run: str) -> RunReport:
    """What the journal knows of a run, counted. Raises StoreUnavailable."""
    calls = journal.calls(run)
    cost = _total(call.cost_usd for call in calls)
    senior = _total(call.senior_usd for call in calls if call.ok)
    return RunReport(
        run=run,
        calls=len(calls),
        failures=sum(not call.ok for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cached_tokens=sum(call.cached_tokens for call in calls),
        cache_write_tokens=sum(call.cache_write_tokens for call in calls),
        cache_saved=_total(
            call.cache_saved_usd
            for call in calls
            if call.cached_tokens or call.cache_write_tokens
        ),
        cost=cost,
        known_cost=_known_cost(calls),
        cost_all_senior=senior,
        saved=1 - cost / senior if cost is not None and senior else None,
        roles=tuple(
            _role_row(role, [call for call in calls if call.role == role])
            for role in dict.fromkeys(call.role for call in calls)
        ),
        swaps=_swaps(calls),
        log=tuple(calls),
        attempts=tuple(journal.attempts.of(run)),
    )


def _role_row(role: str, calls: Sequence[CallRecord]) -> RoleRow:
    served = Counter(call.deployment for call in calls if call.ok)
    return RoleRow(
        role=role,
        served_by=tuple(served.most_common()),
        calls=len(calls),
        failures=sum(not call.ok for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cost=_total(call.cost_usd for call in calls),
    )


def _swaps(calls: Sequence[CallRecord]) -> tuple[Swap, ...]:
    swaps: dict[tuple[str, ...], Swap] = {}
    for call in calls:
        first = call.swapped_from
        if not (call.ok and first):
            continue
        why = _without_time(call.reason.removeprefix(f"{first}: "))
        key = (call.role, first, call.deployment, why)
        if key in swaps:
            swaps[key] = replace(swaps[key], count=swaps[key].count + 1)
            continue
        swaps[key] = Swap(
            at=call.at,
            role=call.role,
            task=call.task,
            from_deployment=first,
            to_deployment=call.deployment,
            reason=why,
        )
    return tuple(swaps.values())


def _without_time(reason: str) -> str:
    """Why a deployment was closed, without the time at which it opens, which differs
    from call to call."""
    return reason.partition("; opens ")[0]


def _known_cost(calls: Iterable[CallRecord]) -> Decimal:
    return sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0))


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
