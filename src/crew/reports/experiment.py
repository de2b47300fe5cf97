"""`crew report --experiment`: what an experiment says so far, as text and JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from crew.experiments import ArmSummary, Duel, Finding, Interval, Metric
from crew.settings.experiments import climbs

_HEAD = ("arm", "tasks", "passed", "gate success", "cost", "seconds")
_BETTER = {
    Metric.SUCCESS: "passes more often",
    Metric.COST: "takes less money at more tasks than not",
    Metric.SECONDS: "takes less time at more tasks than not",
}


def experiment_lines(finding: Finding) -> list[str]:
    """What an experiment says so far, for a person."""
    wrong = 100 / finding.decide_at
    return [
        f"{finding.name}: decided from an evidence of {finding.enough:g} on (a false "
        f"winner in {wrong:.2g} % at most, however often you look)",
        *_table(finding),
        "Intervals are of 95 %: that of gate success holds at every look, those of "
        "cost and seconds (the mean of a task) for one.",
        *(_line(finding, metric) for metric in Metric),
        *_left_out(finding),
    ]


def experiment_document(finding: Finding) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "experiment": finding.name,
        "decide_at": finding.decide_at,
        "enough": finding.enough,
        "arms": [_arm(one) for one in finding.arms],
        "metrics": {
            metric.name.lower(): {
                "winner": finding.winner(metric),
                "since": _moment(finding.since(metric)),
                "verdict": "decided" if finding.winner(metric) else "too few",
                "duels": [_duel(one) for one in finding.duels[metric]],
            }
            for metric in Metric
        },
    }


def decided_line(finding: Finding) -> str | None:
    """One line about a winner by gate success; None as long as there is none."""
    winner = finding.winner(Metric.SUCCESS)
    if winner is None:
        return None
    name, what = finding.name, _shown(finding, Metric.SUCCESS, winner)
    return (
        f"experiment {name}: {what}. It goes on until you end it; "
        f"`crew report --experiment {name}` proposes a change"
    )


def _table(finding: Finding) -> Iterator[str]:
    rows = [_HEAD, *(_row(one) for one in finding.arms)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells).rstrip()}"


def _row(one: ArmSummary) -> tuple[str, ...]:
    return (
        one.arm,
        str(one.tasks),
        str(one.passed),
        shown_interval(one.rate, ".2f"),
        shown_interval(one.usd, ".4f", "$") if one.tasks else "-",
        shown_interval(one.seconds, ".1f"),
    )


def shown_interval(found: Interval | None, form: str, unit: str = "") -> str:
    """A mean with its bounds, as far as they are known."""
    if found is None:
        return "unknown" if unit else "-"
    shown = f"{unit}{found.value:{form}}"
    if found.low is None or found.high is None:
        return shown
    return f"{shown} [{found.low:{form}}, {found.high:{form}}]"


def _line(finding: Finding, metric: Metric) -> str:
    winner = finding.winner(metric)
    if winner is not None:
        return f"{metric}: {_shown(finding, metric, winner)}"
    return f"{metric}: too few to say ({'; '.join(map(_pairs, finding.duels[metric]))})"


def _shown(finding: Finding, metric: Metric, winner: str) -> str:
    since = finding.since(metric)
    day = f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d}" if since else ""
    own = [one for one in finding.duels[metric] if winner in (one.first, one.second)]
    what = f"{winner} {_BETTER[metric]}"
    return f"{what}{day} ({'; '.join(map(_pairs, own))})"


def _pairs(duel: Duel) -> str:
    found = duel.evidence
    return (
        f"{duel.first} {found.wins} : {found.losses} {duel.second} of {found.pairs} "
        f"pairs, evidence {found.value:.3g}"
    )


def _left_out(finding: Finding) -> Iterator[str]:
    for one in finding.arms:
        for why, count in one.left_out.items():
            tasks = f"{count} task{'s' * (count != 1)}"
            yield f"not counted: {tasks} of {one.arm}: {why}"
        if one.tasks and climbs(one.arm):
            yield f"{one.arm}: the whole ladder counts, not its first attempt"


def _arm(one: ArmSummary) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "tasks": one.tasks,
        "passed": one.passed,
        "gate_success": _bounds(one.rate),
        "cost_usd": _bounds(one.usd),
        "seconds": _bounds(one.seconds),
        "left_out": dict(one.left_out),
    }


def _bounds(found: Interval | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high}


def _duel(one: Duel) -> dict[str, Any]:
    found = one.evidence
    return {
        "first": one.first,
        "second": one.second,
        "wins": found.wins,
        "losses": found.losses,
        "ties": found.ties,
        "evidence": min(found.value, 1e300),  # JSON knows no infinity
        "winner": one.winner,
    }


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
