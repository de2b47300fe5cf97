"""Limits: what they are, how they are written, and when a charge stops counting.

All arithmetic here is pure: the time is an argument and the counts are arguments.
Amounts are whole numbers of a metric's base unit: requests, tokens, or nano-dollars,
so that a thousand additions lose nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
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


class Kind(StrEnum):
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


class LimitSyntaxError(ValueError):
    """A limit is not written as `AMOUNT METRIC/WINDOW [@ TIMEZONE] [refilling]`."""


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
    calendar windows only. `spec` is the whole limit as it is written.
    """

    amount: int
    metric: Metric
    kind: Kind
    unit: str = ""
    count: int = 1
    timezone: str | None = None
    # Worked out once: every call asks for them, for every limit.
    seconds: float = field(init=False, repr=False, compare=False)
    margin: float = field(init=False, repr=False, compare=False)
    spec: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        seconds = float(SECONDS.get(self.unit, 0) * self.count)
        if self.kind is Kind.RUN:
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
        return self.spec

    def _written(self) -> str:
        text = f"{self.shown(self.amount)} {self.metric}"
        if self.kind is Kind.LEASE:
            return text
        text += f"/{self.count} {self.unit}s" if self.count > 1 else f"/{self.unit}"
        if self.timezone:
            text += f" @ {self.timezone}"
        return text + (" refilling" if self.kind is Kind.REFILLING else "")

    def expires_at(self, now: float) -> float:
        """When a charge made at `now` stops counting, in seconds since the epoch.

        Not for refilling buckets, which drain by themselves, nor for concurrency,
        which lasts as long as the lease. A charge within the margin of a calendar
        boundary counts in both windows.
        """
        if self.kind is Kind.CALENDAR:
            return window_end(self, now + self.margin) + self.margin
        return self.slotted(now + self.seconds + self.margin)

    def slotted(self, at: float) -> float:
        """The end of the slot that holds `at`, of a window with a length."""
        slot = self.seconds / SLOTS
        return ceil(at / slot) * slot


_LIMIT = re.compile(
    r"(?P<amount>[\d_.]+)\s*(?P<scale>[KMB]?)\s+(?P<metric>[a-z_]+)"
    r"(?:\s*/\s*(?:(?P<count>\d+)\s*)?(?P<unit>[a-z]+))?"
    r"(?:\s*@\s*(?P<timezone>[A-Za-z0-9_+\-/]+))?(?P<refilling>\s+refilling)?"
)
_SCALES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
FORM = "AMOUNT METRIC/WINDOW [@ TIMEZONE] [refilling], or AMOUNT concurrent"


def parse_limit(text: str) -> Limit:
    """Read a limit such as `1M input_tokens/minute` or `200 requests/day @ UTC`.

    Raises LimitSyntaxError with what was found and what is allowed.
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise LimitSyntaxError(f"{text!r} is not of the form {FORM}")
    metric = _metric(match["metric"], text)
    amount = _amount(match["amount"], match["scale"], metric, text)
    unit, timezone = match["unit"], match["timezone"]
    if metric is Metric.CONCURRENT:
        if unit or timezone or match["refilling"]:
            raise LimitSyntaxError(f"{text!r}: a concurrent limit has no window")
        return Limit(amount=amount, metric=metric, kind=Kind.LEASE)
    if unit is None:
        raise LimitSyntaxError(f"{text!r}: the window is missing: {FORM}")
    unit = unit.removesuffix("s")
    if unit != "run" and unit not in SECONDS:
        allowed = ", ".join([*SECONDS, "run"])
        raise LimitSyntaxError(f"{text!r}: unknown window {unit!r}; allowed: {allowed}")
    count = int(match["count"] or 1)
    kind = _kind(text, unit, count, timezone, refilling=bool(match["refilling"]))
    return Limit(
        amount=amount,
        metric=metric,
        kind=kind,
        unit=unit,
        count=count,
        timezone=timezone,
    )


def _metric(name: str, text: str) -> Metric:
    plural = {"request": "requests", "token": "tokens"}.get(name, name)
    try:
        return Metric(plural)
    except ValueError:
        allowed = ", ".join(Metric)
        message = f"{text!r}: unknown metric {name!r}; allowed: {allowed}"
        raise LimitSyntaxError(message) from None


def _amount(digits: str, scale: str, metric: Metric, text: str) -> int:
    try:
        number = Decimal(digits.replace("_", "")) * _SCALES[scale]
    except InvalidOperation:
        raise LimitSyntaxError(f"{text!r}: {digits!r} is not a number") from None
    if metric is Metric.USD:
        number *= NANO
    if number != int(number):
        raise LimitSyntaxError(f"{text!r}: {metric} come in whole numbers")
    return int(number)


def _kind(
    text: str, unit: str, count: int, timezone: str | None, *, refilling: bool
) -> Kind:
    if count < 1:
        raise LimitSyntaxError(f"{text!r}: a window cannot be empty")
    if timezone is not None:
        if refilling or unit == "run" or count > 1:
            raise LimitSyntaxError(f"{text!r}: only one whole calendar unit has a zone")
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            raise LimitSyntaxError(
                f"{text!r}: unknown time zone {timezone!r}; "
                "use a name such as UTC or America/Los_Angeles"
            ) from None
        return Kind.CALENDAR
    if unit == "run":
        if refilling or count > 1:
            raise LimitSyntaxError(f"{text!r}: a run is counted once, as a whole")
        return Kind.RUN
    return Kind.REFILLING if refilling else Kind.ROLLING


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


THROTTLED_SECONDS = 3_600
"""Windows up to this long shrink with a pool's throttle: a refusal that nobody
expected says nothing about a day."""
DECREASE = 0.5
LEAST_THROTTLE = 0.05
RECOVERY_SECONDS = 300.0
"""How long a throttle takes from nothing back to 1."""
HOLD_SECONDS = 10.0
"""Refusals that come so soon after another are answers to the same burst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The share of its limits that a pool uses, as of `at` (seconds since the
    epoch); it grows back to 1 by itself."""

    share: float
    at: float

    def now(self, now: float) -> float:
        """The share at `now`."""
        return min(1.0, self.share + max(0.0, now - self.at) / RECOVERY_SECONDS)

    def decreased(self, now: float) -> "Throttle":
        """After one more refusal that the counts did not foresee."""
        if self.share < 1 and now - self.at < HOLD_SECONDS:
            return self
        return Throttle(share=max(LEAST_THROTTLE, self.now(now) * DECREASE), at=now)


UNTHROTTLED = Throttle(share=1.0, at=0.0)


def effective(limit: Limit, need: int, *, learned: int | None, share: float) -> Limit:
    """The limit that holds now: at most what the provider said, times the throttle.

    A request that is larger than a throttled limit still fits when nothing counts.
    """
    most = limit.amount if learned is None else min(limit.amount, learned)
    amount = most
    if share < 1 and limit.seconds <= THROTTLED_SECONDS:
        amount = max(int(most * share), min(need, most))
    return limit if amount == limit.amount else replace(limit, amount=amount)


def admit(limit: Limit, used: float, need: int) -> bool:
    """Whether `need` more fits. What takes nothing always fits, even an overdrawn
    limit: a free model is welcome when the money is spent."""
    return need == 0 or used + need <= limit.amount


def opens_at(
    limit: Limit, charges: Charges, need: int, now: float, *, ahead: int = 0
) -> float | None:
    """When `need` fits if nothing else is charged but what waits `ahead`; None when
    it never does. Who is told to wait for more than one window is told roughly."""
    if need > limit.amount:
        return None
    more_windows, need = divmod(max(0, need + ahead - 1), max(1, limit.amount))
    return _fits(limit, charges, need + 1, now) + more_windows * limit.seconds


def _fits(limit: Limit, charges: Charges, need: int, now: float) -> float:
    used = sum(amount for _, amount in charges)
    for expires, amount in sorted(charges):
        if used + need <= limit.amount:
            return now
        used -= amount
        now = max(now, expires)
    return now


def refills_at(
    limit: Limit, used: float, need: int, now: float, *, ahead: int = 0
) -> float | None:
    """As `opens_at`, for a refilling bucket that counts `used`."""
    if need > limit.amount:
        return None
    over = used + ahead + need - limit.amount
    return now + max(0.0, over) / limit.per_second


def level(limit: Limit, empties_at: float, now: float) -> float:
    """What a refilling bucket counts at `now`, if it would be empty at `empties_at`."""
    return max(0.0, empties_at - now) * limit.per_second


def drained(limit: Limit, empties_at: float, change: float, now: float) -> float:
    """When a refilling bucket is empty after `change` was added to its count.

    One that holds nothing, as a provider may say, takes its whole window.
    """
    per_second = limit.per_second or 1 / limit.seconds
    return max(empties_at, now) + change / per_second


def latest(refusals: Iterable[Refusal]) -> Refusal | None:
    """The refusal that lasts longest: the others open before it."""
    worst: Refusal | None = None
    for refusal in refusals:
        if refusal.opens_at is None:
            return refusal
        if worst is None or refusal.opens_at > (worst.opens_at or 0.0):
            worst = refusal
    return worst
