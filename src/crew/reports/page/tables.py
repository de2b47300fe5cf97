"""What else a page of a stretch of time shows: fallbacks, experiments, and people's
marks."""

from collections.abc import Sequence

from crew.experiments import Finding, Metric
from crew.regression import Interval
from crew.reports.experiment import shown_interval
from crew.reports.fallbacks import FallbackRow
from crew.reports.marks import MarkRow
from crew.reports.page.history_page import Table
from crew.reports.page.rendering import percent, seconds, usd


def fallbacks_table(rows: Sequence[FallbackRow]) -> Table:
    """How often each fallback served, and how well."""
    return Table(
        title="Effectiveness of fallbacks",
        head=(
            "Kind",
            "Turn",
            "Deployment",
            "Served>",
            "Attempts>",
            "Passed>",
            "Beside the first>",
            "Faults>",
            "Call>",
            "Attempt>",
        ),
        rows=[
            (
                row.kind,
                row.turn,
                row.deployment,
                percent(row.served.value) if row.served else "",
                f"{row.attempts:,}",
                _share(row.passed),
                _points(row.beside),
                percent(row.faults.value) if row.faults else "",
                "" if row.seconds is None else seconds(row.seconds),
                "" if row.usd is None else usd(row.usd),
            )
            for row in rows
        ],
        note="Shares with intervals of 95 %. See docs/quality.md."
        if rows
        else "No attempt at a task is recorded in this time.",
    )


def experiments_table(findings: Sequence[Finding]) -> Table:
    """What the experiments say that had an attempt in this time."""
    return Table(
        title="Experiments",
        head=(
            "Experiment",
            "Arm",
            "Tasks>",
            "Passed>",
            "Gate success>",
            "Cost>",
            "Seconds>",
            "So far",
        ),
        rows=[
            (
                found.name,
                one.arm,
                f"{one.tasks:,}",
                f"{one.passed:,}",
                shown_interval(one.rate, ".0%"),
                shown_interval(one.usd, ".4f", "$"),
                shown_interval(one.seconds, ".1f"),
                _standing(found, one.arm),
            )
            for found in findings
            for one in found.arms
        ],
        note="Since each began, with intervals of 95 %. See docs/experiments.md."
        if findings
        else "No task of an experiment was tried in this time.",
    )


def _standing(found: Finding, arm: str) -> str:
    """What is decided of an arm."""
    won = [str(metric) for metric in Metric if found.winner(metric) == arm]
    if won:
        return f"better at {', '.join(won)}"
    return "" if found.winner(Metric.SUCCESS) else "not decided"


def marks_table(rows: Sequence[MarkRow]) -> Table:
    """What people think of the answers."""
    return Table(
        title="Quality of answers by people's marks",
        head=("Kind", "Deployment", "Marks>", "Mean of 1 to 5>", "4 or 5>"),
        rows=[
            (
                row.kind,
                row.deployment,
                f"{row.mean.size:,}",
                f"{row.mean.value:.1f} [{row.mean.low:.1f}, {row.mean.high:.1f}]",
                _share(row.good),
            )
            for row in rows
        ],
        note="" if rows else "Nobody marked an answer in this time (crew review).",
    )


def _share(found: Interval | None) -> str:
    if found is None:
        return ""
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def _points(found: Interval | None) -> str:
    if found is None:
        return ""
    bounds = f"[{found.low * 100:+.0f}, {found.high * 100:+.0f}]"
    return f"{found.value * 100:+.0f} points {bounds}"
