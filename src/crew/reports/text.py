"""Reports as plain text for a terminal: the summary of a run, and how limits stand."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from math import ceil
from typing import Any

from rich.box import Box
from rich.console import Console
from rich.table import Table

from crew.quota.limits import NANO, Limit, Metric
from crew.quota.store import LimitState, PlanState, PoolState
from crew.reports.failures import DONE
from crew.reports.report import RoleRow, RunReport
from crew.reports.verdicts import NOTHING, verdicts_of

_ONE_RULE = Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
"""Nothing but a line of dashes under the head."""
_NARROWEST = 80
"""Columns in which every figure has room; a narrower terminal breaks the lines."""
_NO_TERMINAL = 100
"""Columns of what is not a terminal."""


def summary_lines(report: RunReport, *, width: int | None = None) -> str:
    """What a run took, in `width` columns; by default as many as the terminal has."""
    roles = figures_table(
        "Role", "Served by", "Calls>", "Failed>", "In>", "Out>", "Cost>"
    )
    for row in report.roles:
        roles.add_row(*_summary_row(row.role, _served(row), row))
    roles.add_row(*_summary_row("total", "", report))
    parts: list[Table | str] = [roles, ""]
    if report.swaps:
        swaps = figures_table("Role", "Swap", "Calls>", "Why")
        for swap in report.swaps:
            names = f"{swap.from_deployment or '?'} -> {swap.to_deployment}"
            swaps.add_row(swap.role, names, f"{swap.count:,}", swap.reason)
        parts += [swaps, ""]
    if report.cached_tokens or report.cache_write_tokens:
        parts.append(_cache(report))
    return printed(*parts, _bill(report), width=width)


def _summary_row(name: str, served: str, row: RoleRow | RunReport) -> tuple[str, ...]:
    return (
        name,
        served,
        f"{row.calls:,}",
        f"{row.failures:,}" if row.failures else "",
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
        shown_usd(row.cost),
    )


def _served(row: RoleRow) -> str:
    return "\n".join(f"{name} x{count}" for name, count in row.served_by)


def _bill(report: RunReport) -> str:
    text = f"Cost: {shown_usd(report.cost)}"
    if report.cost is None:
        text += f" (what is known: {shown_usd(report.known_cost)})"
    text += f"; all on the senior tier: {shown_usd(report.cost_all_senior)}"
    if report.saved is None:
        return text
    word = "saved" if report.saved >= 0 else "costs more by"
    return f"{text}; {word} {abs(report.saved):.1%}"


def _cache(report: RunReport) -> str:
    text = f"Cached: {report.cached_tokens:,} of {report.input_tokens:,} input tokens"
    if report.cache_saved is None:
        return text
    word = "saved" if report.cache_saved >= 0 else "cost more by"
    return f"{text}; {word} {shown_usd(abs(report.cache_saved))}"


def shown_usd(amount: Decimal | None) -> str:
    """Dollars to four decimals; below a cent, to four digits."""
    if amount is None:
        return "unknown"
    decimals = 3 - amount.adjusted() if 0 < amount < Decimal("0.01") else 4
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.{decimals}f}"


def task_lines(tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Who did the work of each task, and what its gates found; `tasks` as in the
    document of the run."""
    for task in tasks:
        roles = (
            f"{role} ({count} call{'s' * (count != 1)})"
            for role, count in task["roles"].items()
        )
        line = f"{task['name']}: {task['status']}, by {', '.join(roles) or 'nobody'}"
        found = verdicts_of(task["gates"])
        silent = [one.gate for one in found if one.verdict == NOTHING]
        if silent:
            line += f"; nothing to look at for {', '.join(silent)}"
        if task["status"] not in DONE and task["kept"]:
            line += f"; its last answer: {task['kept']}"
        yield line


def status_lines(
    pools: Sequence[PoolState],
    plans: Mapping[str, PlanState] = {},
    *,
    now: float,
    notes: Sequence[str] = (),
    width: int | None = None,
    height: int | None = None,
) -> str:
    """How the pools stand at `now`, what is nearest to its end first, in `width`
    columns (by default as many as the terminal has) and at most `height` lines. What
    is in flight counts as used. A pool without limits shows only while something
    closes or narrows it. `notes` stand at the end."""
    rows = sorted(
        (row for pool in pools for row in _rows(pool, now)),
        key=lambda row: row[0],
        reverse=True,
    )
    if not rows:
        return "\n".join(["No limit is set.", *notes])
    held = [
        f"{provider} is on the plan {state.plan}: {state.reason}"
        for provider, state in plans.items()
    ]
    held += notes
    count = len(rows) if height is None else max(1, min(len(rows), height))
    while True:
        text = _status_table(rows[:count], len(rows) - count, held, width)
        too_long = height is not None and len(text.splitlines()) > height
        if not too_long or count == 1:
            return text
        count -= 1


def _status_table(
    rows: Sequence[tuple[Any, ...]], left_out: int, held: list[str], width: int | None
) -> str:
    table = figures_table("Pool", "Limit", "Used>", "Left>", "Resets in>")
    for _, *cells in rows:
        table.add_row(*cells)
    more = [f"and {left_out} that are used less (--all)"] if left_out else []
    return printed(table, *more, *(["", *held] if held else []), width=width)


def _rows(pool: PoolState, now: float) -> Iterator[tuple[Any, ...]]:
    """The rows of a pool, each behind what orders them: 1 is a limit that is used up,
    and what closes a pool goes before that."""
    for cells in _conditions(pool, now):
        yield 2.0, pool.name, *cells
    for state in pool.limits:
        used = state.used + state.reserved
        part = used / (used + state.left) if used + state.left > 0 else 1.0
        yield part, pool.name, *_limit_row(state, now)


def _conditions(pool: PoolState, now: float) -> Iterator[tuple[str, ...]]:
    """What besides its limits holds a pool back."""
    until = pool.cooldown_until
    if until is not None and until > now:
        why = f"cooldown: {pool.cooldown_reason}" if pool.cooldown_reason else ""
        yield why or "cooldown", "", "", duration(until - now)
    if pool.throttle is not None:
        yield f"throttled to {pool.throttle:.0%}", "", "", ""
    if pool.waiting:
        yield f"{pool.waiting} in line", "", "", ""


def _limit_row(state: LimitState, now: float) -> tuple[str, ...]:
    limit, resets = state.limit, state.resets_at
    text = str(limit)
    if state.learned is not None:
        text += f" (the provider says {limit.shown(state.learned)})"
    return (
        text,
        _shown(limit, state.used + state.reserved),
        _shown(limit, state.left),
        duration(resets - now) if resets is not None else "",
    )


def _shown(limit: Limit, amount: int) -> str:
    if limit.metric is Metric.USD:
        return shown_usd(Decimal(amount) / NANO)
    return f"{amount:,}"


def duration(seconds: float) -> str:
    """The two largest units, such as `3h 20m`, rounded up."""
    left = max(0, ceil(seconds))
    for size, unit, small, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if left >= size:
            return f"{left // size}{unit} {left % size // small}{name}"
    return f"{left // 60}m {left % 60}s" if left >= 60 else f"{left}s"


def figures_table(*titles: str) -> Table:
    """A table whose columns of text give way when it gets narrow. A title with a `>`
    heads figures: they stand to the right and keep their width."""
    table = Table(box=_ONE_RULE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for title in titles:
        if title.endswith(">"):
            table.add_column(title[:-1], justify="right", no_wrap=True)
        else:
            table.add_column(title, overflow="fold")
    return table


def printed(*parts: Table | str, width: int | None) -> str:
    """The parts as text, without colours, markup or spaces at the end of a line."""
    columns = width or shutil.get_terminal_size((_NO_TERMINAL, 24)).columns
    console = Console(
        file=StringIO(),
        width=max(columns, _NARROWEST),
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
