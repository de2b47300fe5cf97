"""The page of a stretch of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from crew.reports.history import History
from crew.reports.history_document import REMOVED, history_document
from crew.reports.page.rendering import rendered

VERSION = 1
"""Of the JSON that a page embeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A further part of the page: what its rows say, in words, stands in `note`. A
    heading with a `>` is that of a column of figures."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One day of a chart of bars; heights are shares of the chart's."""

    left: float
    width: float
    heights: tuple[float, float]


def history_page(found: History, *, tables: Sequence[Table] = ()) -> str:
    """The stretch as one HTML page, without any file or request besides."""
    money = [(day.senior_usd or Decimal(0), day.usd) for day in found.days]
    calls = [(Decimal(day.calls), Decimal(day.free_calls)) for day in found.days]
    return rendered(
        "history.html",
        {"version": VERSION, **history_document(found)},
        found=found,
        money=_columns(money),
        top_usd=max((max(one) for one in money), default=Decimal(0)),
        calls=_columns(calls),
        top_calls=max((one[0] for one in calls), default=Decimal(0)),
        tables=tables,
        removed=REMOVED,
    )


def _columns(values: Sequence[tuple[Decimal, Decimal]]) -> list[Column]:
    """Two bars a day, one before the other."""
    top = max((max(one) for one in values), default=Decimal(0))
    width = 1000 / max(1, len(values))
    return [
        Column(
            left=index * width + width * 0.1,
            width=width * 0.8,
            heights=(
                float(behind / top) * 215 if top else 0.0,
                float(before / top) * 215 if top else 0.0,
            ),
        )
        for index, (behind, before) in enumerate(values)
    ]
