"""A change in one line, for a person."""

from datetime import UTC, datetime

from crew.regression.detector import Change
from crew.regression.signals import Signal


def change_text(
    deployment: str, kind: str | None, signal: Signal, change: Change, now: float
) -> str:
    """Such as `qwen-coder, coding: .92 -> .61 of the tasks pass their gates since 14:00
    UTC, 31 tasks`; `now` is in seconds since the epoch."""
    before, after, what = change.before, change.after, "of the tasks pass their gates"
    if signal is Signal.ERRORS:
        before, after = 1 - before, 1 - after
        what = "of the tasks have calls that fail by the provider's fault"
    elif signal is Signal.LATENCY:
        before, after = 1 - before, 1 - after
        what = "of the tasks are slower than nine of ten were"
    return (
        f"{deployment}, {kind or 'no kind'}: {_share(before)} -> {_share(after)} "
        f"{what} since {since(change.began_at, now)}, {change.outcomes} tasks"
    )


def _share(value: float) -> str:
    """A share as statistics write it: .92, and 1."""
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"


def since(at: float, now: float) -> str:
    """A moment, in UTC: the time of today, or the day with it."""
    moment, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    form = "%H:%M UTC" if moment.date() == today.date() else "%Y-%m-%d %H:%M UTC"
    return f"{moment:{form}}"
