"""How a limit is written: `AMOUNT METRIC/WINDOW [@ TIMEZONE] [refilling]`."""

import re
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from crew.quota.limits import NANO, SECONDS, Limit, Metric, WindowKind


class LimitSyntaxError(ValueError):
    """A limit is not written as `AMOUNT METRIC/WINDOW [@ TIMEZONE] [refilling]`."""


_LIMIT = re.compile(
    r"(?P<amount>[\d_.]+)\s*(?P<scale>[KMB]?)\s+(?P<metric>[a-z_]+)"
    r"(?:\s*/\s*(?:(?P<count>\d+)\s*)?(?P<unit>[a-z]+))?"
    r"(?:\s*@\s*(?P<timezone>[A-Za-z0-9_+\-/]+))?(?P<refilling>\s+refilling)?"
)
_SCALES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
_CHARACTERS = 100
_MOST = 2**53
"""Of tokens, requests or billionths of a dollar: as far as a Redis script counts."""
_LONGEST = 100 * 366 * 86_400
"""Seconds of a window."""
FORM = "AMOUNT METRIC/WINDOW [@ TIMEZONE] [refilling], or AMOUNT concurrent"


def parse_limit(text: str) -> Limit:
    """Read a limit such as `1M input_tokens/minute` or `200 requests/day @ UTC`.

    Raises LimitSyntaxError with what was found and what is allowed.
    """
    if len(text) > _CHARACTERS:
        raise LimitSyntaxError(f"is too long to be of the form {FORM}")
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise LimitSyntaxError(f"{text!r} is not of the form {FORM}")
    metric = _metric(match["metric"], text)
    amount = _amount(match["amount"], match["scale"], metric, text)
    unit, timezone = match["unit"], match["timezone"]
    if metric is Metric.CONCURRENT:
        if unit or timezone or match["refilling"]:
            raise LimitSyntaxError(f"{text!r}: a concurrent limit has no window")
        return Limit(amount=amount, metric=metric, kind=WindowKind.LEASE)
    if unit is None:
        raise LimitSyntaxError(f"{text!r}: the window is missing: {FORM}")
    unit = unit.removesuffix("s")
    if unit != "run" and unit not in SECONDS:
        allowed = ", ".join([*SECONDS, "run"])
        raise LimitSyntaxError(f"{text!r}: unknown window {unit!r}; allowed: {allowed}")
    count = int(match["count"] or 1)
    if count * SECONDS.get(unit, 1) > _LONGEST:
        raise LimitSyntaxError(f"{text!r}: a window has at most 100 years")
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
    if number > _MOST:
        largest = f"{_MOST // NANO:,}" if metric is Metric.USD else f"{_MOST:,}"
        raise LimitSyntaxError(f"{text!r}: at most {largest} {metric}")
    if number != int(number):
        raise LimitSyntaxError(f"{text!r}: {metric} come in whole numbers")
    return int(number)


def _kind(
    text: str, unit: str, count: int, timezone: str | None, *, refilling: bool
) -> WindowKind:
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
        return WindowKind.CALENDAR
    if unit == "run":
        if refilling or count > 1:
            raise LimitSyntaxError(f"{text!r}: a run is counted once, as a whole")
        return WindowKind.RUN
    return WindowKind.REFILLING if refilling else WindowKind.ROLLING
