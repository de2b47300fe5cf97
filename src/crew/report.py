"""Reports: what a run took and how the limits stand, as values, JSON and plain text."""

import json
import os
import secrets
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from math import ceil
from pathlib import Path

from crew.errors import Closed
from crew.journal import Call, Journal, RunRecord, TaskRecord
from crew.quota.limits import NANO, Limit, Metric
from crew.quota.store import LimitState, PoolState

_LONG_WORD = 24
"""A column keeps words up to this length in one piece while there is room."""
_NARROWEST = 8
_GLUE = "\N{NO-BREAK SPACE}"


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
    """`count` answers that came from another deployment than the chain's first, for
    one reason. `at` and `task` are those of the first answer; `from_deployment` is
    empty when the reason does not name one."""

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

    `cost` is None when the cost of any answer is unknown; `known_cost` leaves those
    out. `cost_all_senior` is what the answers would have cost on the senior tier,
    and `saved` the share of it that was not spent (negative: spent on top).
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
    log: tuple[Call, ...]


def build_report(journal: Journal, run: str) -> RunReport:
    """What the journal knows of a run, counted. Raises StoreUnavailable."""
    calls = journal.calls(run)
    cost = _cost(calls)
    senior = _total(call.senior_usd for call in calls if call.ok)
    return RunReport(
        run=run,
        calls=len(calls),
        failures=sum(not call.ok for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
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
    )


def _role_row(role: str, calls: Sequence[Call]) -> RoleRow:
    served = Counter(call.deployment for call in calls if call.ok)
    return RoleRow(
        role=role,
        served_by=tuple(served.most_common()),
        calls=len(calls),
        failures=sum(not call.ok for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cost=_cost(calls),
    )


def _swaps(calls: Sequence[Call]) -> tuple[Swap, ...]:
    swaps: dict[tuple[str, ...], Swap] = {}
    for call in calls:
        if not (call.ok and call.reason):
            continue
        first, why = _reason(call.reason)
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


def _reason(text: str) -> tuple[str, str]:
    """The deployment that a reason names, and why it was closed, without the time at
    which it opens, which differs from call to call."""
    first, _, rest = text.partition(": ")
    if not rest or " " in first:
        first, rest = "", text
    return first, rest.partition("; opens ")[0]


def _known_cost(calls: Iterable[Call]) -> Decimal:
    return sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0))


def _cost(calls: Sequence[Call]) -> Decimal | None:
    # A call that failed without a cost counts as free: most are not charged.
    if any(call.ok and call.cost_usd is None for call in calls):
        return None
    return _known_cost(calls)


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def run_document(
    report: RunReport,
    record: RunRecord,
    tasks: Sequence[TaskRecord],
    results: Mapping[str, str],
    result: str | None,
    workspace: Mapping[str, object] | str | None,
    *,
    error: str | None = None,
    closed: Sequence[Closed] = (),
) -> dict[str, object]:
    """The record of a run as a JSON document.

    `results` are the tasks' results by name. `workspace` is told as it is,
    `error` of a run that is not done, `closed` of one that is closed.
    """
    document: dict[str, object] = {
        "run": record.run,
        "status": record.status,
        "rehearsal": record.rehearsal,
        "result": result,
        "workspace": workspace,
        "tasks": [
            {
                "name": task.name,
                "agent": task.agent,
                "status": task.status,
                "result": results.get(task.name),
            }
            for task in tasks
        ],
        "calls": [_call_document(call) for call in report.log],
        "cost_usd": _dollars(report.cost),
        "cost_all_senior_usd": _dollars(report.cost_all_senior),
    }
    if error is not None and record.status != "done":
        document["error"] = error
    if record.status == "closed":
        document["closed"] = [
            {
                "deployment": entry.deployment,
                "limit": entry.limit,
                "opens_at": _iso(entry.opens_at),
            }
            for entry in closed
        ]
    return document


def _call_document(call: Call) -> dict[str, object]:
    return {
        "task": call.task,
        "role": call.role,
        "deployment": call.deployment,
        "provider": call.provider,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cost_usd": _dollars(call.cost_usd),
        "seconds": round(call.seconds, 3),
        "outcome": call.outcome,
        "reason": call.reason,
    }


def write_document(path: Path, document: Mapping[str, object]) -> None:
    """Write a JSON document: all of it, or the file stays as it was. Raises OSError."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:
            # Models write lone surrogates; so escaped, they are still JSON.
            file.write(text.encode(errors="backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def status_document(pools: Sequence[PoolState]) -> dict[str, object]:
    """How the pools stand, as a JSON document. Amounts of usd are dollars."""
    return {
        "pools": [
            {
                "name": pool.name,
                "limits": [_limit_document(state) for state in pool.limits],
                "cooldown_until": _iso(pool.cooldown_until),
                "throttle": pool.throttle,
            }
            for pool in pools
        ]
    }


def _limit_document(state: LimitState) -> dict[str, object]:
    return {
        "limit": str(state.limit),
        "used": _amount(state.limit, state.used),
        "reserved": _amount(state.limit, state.reserved),
        "left": _amount(state.limit, state.left),
        "resets_at": _iso(state.resets_at),
    }


def _amount(limit: Limit, amount: int) -> int | float:
    return amount / NANO if limit.metric is Metric.USD else amount


def _dollars(amount: Decimal | None) -> float | None:
    return None if amount is None else float(round(amount, 9))


def _iso(moment: float | None) -> str | None:
    """The next whole second: nobody comes back too early."""
    if moment is None:
        return None
    return datetime.fromtimestamp(ceil(moment), UTC).isoformat()


def summary_lines(report: RunReport, *, width: int = 100) -> str:
    """What a run took, for a terminal of `width` columns."""
    head = ("Role", "Served by", "Calls", "Failed", "In", "Out", "Cost")
    rows = [_summary_row(row.role, _served(row), row) for row in report.roles]
    rows.append(_summary_row("total", "", report))
    lines = _table(head, rows, width=width, right={2, 3, 4, 5, 6})
    if report.swaps:
        swaps = [
            (
                swap.role,
                f"{swap.from_deployment or '?'} -> {swap.to_deployment}",
                f"{swap.count:,}",
                swap.reason,
            )
            for swap in report.swaps
        ]
        titles = ("Role", "Swap", "Calls", "Why")
        lines += ["", *_table(titles, swaps, width=width, right={2})]
    return "\n".join([*lines, "", *textwrap.wrap(_bill(report), width)])


def _summary_row(name: str, served: str, row: RoleRow | RunReport) -> tuple[str, ...]:
    return (
        name,
        served,
        f"{row.calls:,}",
        f"{row.failures:,}" if row.failures else "",
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
        _money(row.cost),
    )


def _served(row: RoleRow) -> str:
    return ", ".join(f"{name}{_GLUE}x{count}" for name, count in row.served_by)


def _bill(report: RunReport) -> str:
    text = f"Cost: {_money(report.cost)}"
    if report.cost is None:
        text += f" (what is known: {_money(report.known_cost)})"
    text += f"; all on the senior tier: {_money(report.cost_all_senior)}"
    if report.saved is None:
        return text
    word = "saved" if report.saved >= 0 else "dearer by"
    return f"{text}; {word} {abs(report.saved):.1%}"


def _money(amount: Decimal | None) -> str:
    """Dollars to four decimals; below a cent, to four digits."""
    if amount is None:
        return "unknown"
    decimals = 3 - amount.adjusted() if 0 < amount < Decimal("0.01") else 4
    return f"${amount:,.{decimals}f}"


def status_lines(pools: Sequence[PoolState], *, now: float, width: int = 100) -> str:
    """How the pools stand at `now`, for a terminal of `width` columns. What is in
    flight counts as used. A pool without limits shows only while it cools down."""
    rows: list[tuple[str, ...]] = []
    for pool in pools:
        lines = [_limit_row(state, now) for state in pool.limits]
        until = pool.cooldown_until
        if until is not None and until > now:
            why = f"cooldown: {pool.cooldown_reason}" if pool.cooldown_reason else ""
            lines.insert(0, (why or "cooldown", "", "", _duration(until - now)))
        names = (pool.name, *[""] * len(lines))
        rows += [(name, *line) for name, line in zip(names, lines, strict=False)]
    head = ("Pool", "Limit", "Used", "Left", "Resets in")
    if not rows:
        return "No limit is set."
    return "\n".join(_table(head, rows, width=width, right={2, 3, 4}))


def _limit_row(state: LimitState, now: float) -> tuple[str, ...]:
    limit, resets = state.limit, state.resets_at
    return (
        str(limit),
        _shown(limit, state.used + state.reserved),
        _shown(limit, state.left),
        _duration(resets - now) if resets is not None else "",
    )


def _shown(limit: Limit, amount: int) -> str:
    if limit.metric is Metric.USD:
        return _money(Decimal(amount) / NANO)
    return f"{amount:,}"


def _duration(seconds: float) -> str:
    """The two largest units, such as `3h 20m`, rounded up."""
    left = max(0, ceil(seconds))
    for size, unit, small, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if left >= size:
            return f"{left // size}{unit} {left % size // small}{name}"
    return f"{left // 60}m {left % 60}s" if left >= 60 else f"{left}s"


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, right: set[int]
) -> list[str]:
    """Aligned columns, two spaces apart. Columns of text give way and their cells go
    on below; those in `right` hold numbers and keep their width."""
    columns = list(zip(head, *rows, strict=True))
    sizes = [max(map(len, column)) for column in columns]
    _fit(columns, sizes, width - 2 * (len(sizes) - 1), right)
    lines = []
    for row in (head, ["-" * size for size in sizes], *rows):
        cells = [_wrap(cell, size) for cell, size in zip(row, sizes, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = [
                part.rjust(size) if index in right else part.ljust(size)
                for index, (part, size) in enumerate(zip(parts, sizes, strict=True))
            ]
            lines.append("  ".join(padded).rstrip().replace(_GLUE, " "))
    return lines


def _wrap(cell: str, size: int) -> list[str]:
    """The lines of a cell; only a word that is longer than a line is cut."""
    lines = textwrap.wrap(cell, size, break_long_words=False, break_on_hyphens=False)
    return [
        line[start : start + size]
        for line in lines
        for start in range(0, len(line), size)
    ]


def _fit(
    columns: Sequence[Sequence[str]], sizes: list[int], room: int, right: set[int]
) -> None:
    """Narrow the columns of text, the widest first: down to their longest word, and
    if that is not enough, further."""
    text = [index for index in range(len(sizes)) if index not in right]
    words = {
        index: max(len(word) for cell in columns[index] for word in cell.split(" "))
        for index in text
    }
    kept = {index: min(words[index], _LONG_WORD) for index in text}
    for least in (kept, dict.fromkeys(text, _NARROWEST)):
        while sum(sizes) > room:
            wide = [index for index in text if sizes[index] > least[index]]
            if not wide:
                break
            sizes[max(wide, key=sizes.__getitem__)] -= 1
