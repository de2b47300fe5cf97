"""Limits: what they are, and when a charge stops counting.

All arithmetic here is pure: the time is an argument and the counts are arguments.
Amounts are whole numbers of a metric's base unit: requests, tokens, or nano-dollars,
so that a thousand additions lose nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from math import ceil
from zoneinfo import ZoneInfo

NANO = 1_000_000_000
SLOTS = 100
"""A rolling window is counted in this many slots; a charge counts up to one slot
longer than the window, never shorter."""

MARGIN = 0.5
"""Seconds by which a window is kept longer, at most: a request reaches the provider
after it was reserved, and the two clocks differ."""


class Metric(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    USD = "usd"
    CONCURRENT = "concurrent"


class WindowKind(StrEnum):
    """How a window moves on."""

    ROLLING = "rolling"
    CALENDAR = "calendar"
    REFILLING = "refilling"
    RUN = "run"
    LEASE = "lease"


SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 31 * 86_400,
}
RUN_SECONDS = 31 * 86_400.0
"""A limit per run counts for the life of the run; after a month nobody resumes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call takes. `usd` is None when nobody knows the price."""

    requests: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal | None = None

    def amount(self, metric: Metric) -> int:
        """What this takes of a limit on `metric`, in its base unit."""
        # By identity: this is asked for every limit of every call.
        if metric is Metric.REQUESTS or metric is Metric.CONCURRENT:
            return self.requests
        if metric is Metric.INPUT_TOKENS:
            return self.input_tokens
        if metric is Metric.OUTPUT_TOKENS:
            return self.output_tokens
        if metric is Metric.TOKENS:
            return self.input_tokens + self.output_tokens
        return ceil(self.usd * NANO) if self.usd else 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=(self.usd or Decimal(0)) + (other.usd or Decimal(0)),
        )


NOTHING = Usage(requests=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `amount` of `metric` in a window.

    `seconds` is the length of the window (of a calendar window: the longest it can
    be; a month is taken as 31 days), `margin` the seconds by which it is kept longer
    than it is. `count` and `unit` are the window as written; `timezone` is set for
    calendar windows only. `spec` is the whole limit as it is written: its name in a
    store. `written` is the amount there where somebody approved more, as `amount`.
    """

    amount: int
    metric: Metric
    kind: WindowKind
    unit: str = ""
    count: int = 1
    timezone: str | None = None
    written: int | None = None
    # Worked out once: every call asks for them, for every limit.
    seconds: float = field(init=False, repr=False, compare=False)
    margin: float = field(init=False, repr=False, compare=False)
    spec: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        seconds = float(SECONDS.get(self.unit, 0) * self.count)
        if self.kind is WindowKind.RUN:
            seconds = RUN_SECONDS
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "margin", min(MARGIN, seconds / 10))
        object.__setattr__(self, "spec", self._written())

    @property
    def per_second(self) -> float:
        """What a refilling bucket gains in one second."""
        return self.amount / self.seconds

    def shown(self, amount: float) -> str:
        """An amount of this metric as a person writes it."""
        if self.metric is Metric.USD:
            text = f"{Decimal(round(amount)) / NANO:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        for letter, scale in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
            if amount and amount % scale == 0:
                return f"{round(amount) // scale}{letter}"
        return f"{round(amount)}"

    def __str__(self) -> str:
        if self.written is None:
            return self.spec
        return f"{self.spec}, raised to {self.shown(self.amount)}"

    def _written(self) -> str:
        amount = self.amount if self.written is None else self.written
        text = f"{self.shown(amount)} {self.metric}"
        if self.kind is WindowKind.LEASE:
            return text
        text += f"/{self.count} {self.unit}s" if self.count > 1 else f"/{self.unit}"
        if self.timezone:
            text += f" @ {self.timezone}"
        return text + (" refilling" if self.kind is WindowKind.REFILLING else "")

    def expires_at(self, now: float) -> float:
        """When a charge made at `now` stops counting, in seconds since the epoch.

        Not for refilling buckets, which drain by themselves, nor for concurrency,
        which lasts as long as the lease. A charge within the margin of a calendar
        boundary counts in both windows.
        """
        if self.kind is WindowKind.CALENDAR:
            return window_end(self, now + self.margin) + self.margin
        return self.slotted(now + self.seconds + self.margin)

    def slotted(self, at: float) -> float:
        """The end of the slot that holds `at`, of a window with a length."""
        slot = self.seconds / SLOTS
        return ceil(at / slot) * slot


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def window_end(limit: Limit, now: float) -> float:
    """When the calendar window that holds `now` ends, in seconds since the epoch.

    Days have 23, 24 or 25 hours there, months 28 to 31 days.
    """
    if limit.unit == "second":
        return now // 1 + 1
    # Zones are offset by whole minutes, so no other window ends within one.
    return _end_after(limit.unit, limit.timezone or "UTC", now // 60 * 60)


@lru_cache(maxsize=256)
def _end_after(unit: str, timezone: str, now: float) -> float:
    zone = _zone(timezone)
    if unit in ("minute", "hour"):
        # Hours are counted by the local clock.
        offset = datetime.fromtimestamp(now, zone).utcoffset() or timedelta()
        local = now + offset.total_seconds()
        size = SECONDS[unit]
        return (local // size + 1) * size - offset.total_seconds()
    midnight = datetime.fromtimestamp(now, zone).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    if unit == "day":
        following = midnight + timedelta(days=1)
    else:
        following = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following.timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What several calls draw on together, and its limits: a provider, a deployment,
    a class of deployments, a role, a user, a team, a run, the budget."""

    name: str
    limits: tuple[Limit, ...] = ()


Charges = Sequence[tuple[float, int]]
"""What counts against one limit: when each charge stops counting, and its amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a reservation was not made. Nothing was changed.

    `limit` is None when the pool cools down. `opens_at` is in seconds since the
    epoch; None means never: the request is larger than the limit.
    """

    pool: str
    limit: Limit | None
    reason: str
    opens_at: float | None
