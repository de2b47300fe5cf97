"""Deployments that are benched or got worse, as lines and as JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Protocol

from crew.journal import RegressionRecord
from crew.reports.amounts import duration


class Benched(Protocol):
    """A deployment that is out of use until then, in seconds since the epoch."""

    @property
    def deployment(self) -> str: ...

    @property
    def until(self) -> float: ...

    @property
    def reason(self) -> str: ...


def bench_lines(benches: Sequence[Benched], now: float) -> list[str]:
    """One line each."""
    return [
        f"{one.deployment} is benched for {duration(one.until - now)}: {one.reason} "
        f"(crew bench --lift {one.deployment})"
        for one in benches
    ]


def regression_lines(found: Sequence[RegressionRecord]) -> list[str]:
    """One line each."""
    return [f"got worse: {one.text}" for one in found]


def bench_documents(benches: Sequence[Benched]) -> list[dict[str, object]]:
    """The benches as JSON."""
    return [
        {
            "deployment": one.deployment,
            "until": _moment(ceil(one.until)),
            "reason": one.reason,
        }
        for one in benches
    ]


def regression_documents(found: Sequence[RegressionRecord]) -> list[dict[str, object]]:
    """The regressions as JSON; shares are of good outcomes."""
    return [
        {
            "deployment": one.deployment,
            "kind": one.kind,
            "signal": str(one.signal),
            "before": round(one.before, 4),
            "after": round(one.after, 4),
            "began_at": _moment(one.began_at),
            "tasks": one.outcomes,
            "found_at": _moment(one.at),
            "text": one.text,
        }
        for one in found
    ]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
