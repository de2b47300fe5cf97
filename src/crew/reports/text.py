"""The summary of a run as plain text for a terminal, and its tables."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from rich.box import Box
from rich.console import Console
from rich.table import Table

from crew.reports.amounts import shown_usd
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
            names = f"{swap.from_deployment} -> {swap.to_deployment}"
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
            line += f"; no verdict of {', '.join(silent)}"
        if task["status"] not in DONE and task["kept"]:
            line += f"; its last answer: {task['kept']}"
        yield line


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
