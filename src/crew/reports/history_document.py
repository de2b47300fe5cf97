"""The figures of a stretch of time as JSON, as CSV, and as text."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from decimal import Decimal
from io import StringIO

from rich.table import Table

from crew.journal import CallRecord
from crew.reports.amounts import shown_usd
from crew.reports.document import call_document, iso_moment
from crew.reports.history import History
from crew.reports.text import figures_table, printed
from crew.texts.cells import safe_cell

REMOVED = "they are in no figure here, but in the sums of crew status"


def history_document(found: History) -> dict[str, object]:
    """The figures as a JSON document; docs/report-page.md describes it. What nobody
    knows is null."""
    return {
        "since": iso_moment(found.since),
        "until": iso_moment(found.until),
        "runs": found.runs,
        "tasks": dict(found.tasks),
        "calls": found.calls,
        "failed_calls": found.failed,
        "removed_calls": found.removed,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cached_tokens": found.cached_tokens,
        "cost_usd": float(found.cost),
        "unknown_costs": found.unknown_costs,
        "cost_all_senior_usd": _number(found.senior_usd),
        "saved": _number(found.saved),
        "cost_per_task_usd": _number(found.cost_per_task),
        "free_calls": found.free_calls,
        "free_usd": found.free_usd,
        "success_rate": found.success_rate,
        "calls_per_minute": found.per_minute,
        "calls_of_busiest_minute": found.busiest,
        "days": [_plain(asdict(day)) for day in found.days],
        "deployments": [_plain(asdict(one)) for one in found.deployments],
        "providers": [_plain(asdict(one)) for one in found.providers],
        "success": [asdict(one) | {"rate": one.rate} for one in found.success],
        "errors": [
            {"deployment": name, "outcome": outcome, "detail": detail, "count": count}
            for name, outcome, detail, count in found.errors
        ],
    }


def calls_csv(calls: Iterable[CallRecord]) -> Iterator[str]:
    """The calls as lines of CSV, with a heading. A cell that a spreadsheet would take
    for a formula begins with an apostrophe."""
    writer: csv.DictWriter[str] | None = None
    for call in calls:
        row = {"run": call.run, "ended_at": iso_moment(call.at), **call_document(call)}
        line = StringIO()
        if writer is None:
            csv.DictWriter(line, row, lineterminator="\n").writeheader()
        writer = csv.DictWriter(line, row, lineterminator="\n")
        writer.writerow(
            {
                key: safe_cell(value) if isinstance(value, str) else value
                for key, value in row.items()
            }
        )
        yield from line.getvalue().splitlines()


def history_lines(found: History, *, width: int | None = None) -> str:
    """The figures as text."""
    days = figures_table("Day", "Calls>", "Free>", "Failed>", "Spent>", "All senior>")
    for day in found.days:
        days.add_row(
            day.day,
            f"{day.calls:,}",
            f"{day.free_calls:,}",
            f"{day.failed:,}",
            shown_usd(day.usd),
            shown_usd(day.senior_usd),
        )
    served = figures_table(
        "Deployment", "Calls>", "Median>", "95 %>", "Avail.>", "Cost>"
    )
    for one in found.deployments:
        served.add_row(
            one.name,
            f"{one.calls:,}",
            _seconds(one.median_seconds),
            _seconds(one.slow_seconds),
            f"{one.available:.1%}",
            shown_usd(one.usd),
        )
    success = figures_table("Deployment", "Work", "First attempts>", "Passed>")
    for row in found.success:
        work = f"{row.kind}.{row.complexity}"
        success.add_row(row.deployment, work, f"{row.attempts:,}", f"{row.rate:.0%}")
    parts: list[Table | str] = [_head(found), "", days, "", served]
    if found.success:
        parts += ["", success]
    return printed(*parts, width=width)


def _head(found: History) -> str:
    ended = ", ".join(f"{count} {status}" for status, count in found.tasks.items())
    unknown = f" (and {found.unknown_costs:,} calls of unknown cost)"
    lines = [
        f"Since {iso_moment(found.since)}: {found.runs:,} runs, {found.calls:,} "
        f"calls, {found.failed:,} failed; tasks: {ended or 'none'}",
        f"Spent {shown_usd(found.cost)}"
        f"{unknown if found.unknown_costs else ''}; all on the senior tier: "
        f"{shown_usd(found.senior_usd)}; saved {_share(found.saved)}",
        f"Served free: {_share(found.free_calls)} of the answers, "
        f"{_share(found.free_usd)} of the money",
    ]
    if found.removed:
        lines.append(f"{found.removed:,} calls are no longer in the journal: {REMOVED}")
    return "\n".join(lines)


def _share(share: Decimal | float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _seconds(length: float | None) -> str:
    return "" if length is None else f"{length:.1f} s"


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {
        key: float(value) if isinstance(value, Decimal) else value
        for key, value in values.items()
    }


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
