"""What people think of the answers, by deployment and kind of work."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crew.journal import SKIPPED, MarkRecord
from crew.regression import Interval, mean_interval, share
from crew.reports.text import figures_table, printed

WORST, BEST, GOOD = 1, 5, 4
WORDS = 3
"""How many of the latest words of a row are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRow:
    """The marks of one deployment at one kind of work: their mean, and the share that
    is 4 or 5. `whys` are the latest words, with their marks."""

    deployment: str
    kind: str
    mean: Interval
    good: Interval
    whys: Sequence[tuple[int, str]]


def mark_rows(marks: Iterable[MarkRecord]) -> list[MarkRow]:
    """The rows, by kind and then by mean, the best first."""
    places: dict[tuple[str, str], list[MarkRecord]] = defaultdict(list)
    for one in marks:
        if one.mark != SKIPPED:
            places[one.kind or "no kind", one.deployment].append(one)
    rows = [_row(*place, found) for place, found in places.items()]
    return sorted(rows, key=lambda row: (row.kind, -row.mean.value, row.deployment))


def _row(kind: str, deployment: str, found: Sequence[MarkRecord]) -> MarkRow:
    values = [float(one.mark) for one in found]
    mean = mean_interval(values, low=WORST, high=BEST, step=1)
    good = share(sum(one.mark >= GOOD for one in found), len(found))
    assert mean is not None and good is not None
    return MarkRow(
        deployment=deployment,
        kind=kind,
        mean=mean,
        good=good,
        whys=[(one.mark, one.why) for one in found if one.why][-WORDS:],
    )


def mark_lines(rows: Sequence[MarkRow], *, width: int | None = None) -> str:
    """The rows as a table, with 95 % intervals, and the words below it."""
    if not rows:
        return "Nobody has marked an answer in this time; see crew review."
    table = figures_table("Kind", "Deployment", "Marks>", "Mean", "4 or 5")
    for row in rows:
        table.add_row(
            row.kind,
            row.deployment,
            f"{row.mean.size:,}",
            f"{row.mean.value:.2f} [{row.mean.low:.2f}, {row.mean.high:.2f}]",
            f"{row.good.value:.0%} [{row.good.low:.0%}, {row.good.high:.0%}]",
        )
    words = [
        f"{row.deployment}, {row.kind}: {mark}, {why}"
        for row in rows
        for mark, why in row.whys
    ]
    return printed(table, *(["", *words] if words else []), width=width)


def mark_documents(rows: Sequence[MarkRow]) -> list[dict[str, object]]:
    """The rows as JSON."""
    return [
        {
            "deployment": row.deployment,
            "kind": row.kind,
            "mean": row.mean.document(),
            "good": row.good.document(),
            "whys": [{"mark": mark, "why": why} for mark, why in row.whys],
        }
        for row in rows
    ]
