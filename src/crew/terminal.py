"""Reports as plain text for a terminal: the summary of a run, and how limits stand."""

import textwrap
from collections.abc import Sequence
from decimal import Decimal
from itertools import zip_longest
from math import ceil

from crew.quota.limits import NANO, Limit, Metric
from crew.quota.store import LimitState, PoolState
from crew.report import RoleRow, RunReport

_LONG_WORD = 24
"""A column keeps words up to this length in one piece while there is room."""
_NARROWEST = 8
_GLUE = "\N{NO-BREAK SPACE}"


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
