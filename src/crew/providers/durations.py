"""How long a provider says to wait, in every way that providers write it.

Everything here takes text from outside: it is cut before it is matched, and what
makes no sense is None.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from crew.quota.limits import Limit, Metric, WindowKind, window_end

LONGEST = 32 * 86_400.0
"""Seconds. No provider closes for longer than a month: more is a mistake."""
_LAG = 60.0
"""Seconds. Clocks differ and counters are late: who is refused so soon after a day
began was refused for the day before, and need not wait for the next one."""
_TEXT = 64
_EPOCH_SECONDS, _EPOCH_MILLIS = 1e9, 1e11
"""A number from here on is a moment and no stretch of time."""

GO_DURATION = r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|us|µs|ns|d|h|m|s)){1,6}"
"""A regular expression for `6m0.5s`, `84ms`, `1h2m3s`. It has no groups."""
_GO_DURATION = re.compile(GO_DURATION)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|us|µs|ns|d|h|m|s)")
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
}


def sane(seconds: float) -> float | None:
    """Seconds to wait, never negative; None when they cannot be meant."""
    if not isfinite(seconds) or seconds > LONGEST:
        return None
    return max(0.0, seconds)


def seconds_in(text: str, now: float | None) -> float | None:
    """Seconds from `now`, from what a header holds: a number of seconds, a Go
    duration, a moment as seconds or milliseconds since the epoch, an RFC 3339 time or
    an HTTP date. Moments are None when `now` is.
    """
    text = text.strip()
    if not text or len(text) > _TEXT:
        return None
    try:
        number = float(text)
    except ValueError:
        wait = _go_duration(text)
        return _until(_date(text), now) if wait is None else wait
    if number >= _EPOCH_SECONDS:
        moment = number / 1_000 if number >= _EPOCH_MILLIS else number
        return _until(moment, now)
    return sane(number)


def seconds_of_millis(text: str) -> float | None:
    """Seconds, from a number of milliseconds or a Go duration."""
    text = text.strip()
    if not text or len(text) > _TEXT:
        return None
    try:
        return sane(float(text) / 1_000)
    except ValueError:
        return _go_duration(text)


_LONG_UNITS = {
    "millisecond": 1e-3,
    "msec": 1e-3,
    "second": 1.0,
    "sec": 1.0,
    "minute": 60.0,
    "min": 60.0,
    "hour": 3_600.0,
    "hr": 3_600.0,
    "day": 86_400.0,
    "week": 7 * 86_400.0,
}
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_LONG_PART = rf"{_NUMBER} ?-?(?:{'|'.join(_LONG_UNITS)})s?(?!\w)"
_SHORT_PART = rf"{_NUMBER} ?(?:ms|us|µs|ns|d|h|m|s)(?!\w)"
_ONE_PART = rf"(?:{_LONG_PART}|{GO_DURATION}(?!\w)|{_SHORT_PART})"
_IN_WORDS = rf"{_ONE_PART}(?:(?:,| and|, and)? {_ONE_PART}){{0,4}}"
_ABOUT = r"(?:about |around |approximately |roughly |at least |another |~ ?)?"
_LEAD = (
    r"\b(?:try(?:ing)?(?: it| this| your request| the request)?(?: again)?"
    r"|retry(?:ing)?(?: it| your request| the request)?|retry[-_ ]after|retrydelay"
    r"|come back|resets?|renews?|renewed|refills?|refreshe[sd]|allowed|wait"
    r"|available(?: again| time)?|reset time|cool ?down(?: period)?)"
)
_COMING = re.compile(
    rf"{_LEAD}[:=]?(?: (?:in|after|within|for|of|is))?[:=]? ?{_ABOUT}({_IN_WORDS})",
    re.IGNORECASE,
)
_BARE = re.compile(rf"\bretry[-_ ]after[:= ]{{1,2}}({_NUMBER})(?![\w.:]| [a-z])", re.I)
_ON_A_CLOCK = re.compile(
    rf"{_LEAD} in:? (?:(\d{{1,3}}):)?(\d{{1,2}}):(\d{{2}})(?![\d:])", re.IGNORECASE
)
_ONE = re.compile(r"\b(?:an?|one) (second|minute|hour|day|week)\b", re.IGNORECASE)
_AT = re.compile(
    r"\b(?:try again|retry|resets?|renews?|refills?|available(?: again)?|until)"
    r"(?: (?:at|on|after))?:? "
    r"(\d{4}-\d{2}-\d{2}(?:T| at | )\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
    r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)",
    re.IGNORECASE,
)
_PIECE = re.compile(rf"({_NUMBER}) ?-?([a-zµ]+)", re.IGNORECASE)
_NEXT_DAY = ("midnight utc", "00:00 utc", "try again tomorrow", "daily free allocation")


def wait_in_words(message: str, now: float | None) -> float | None:
    """The seconds in "Please try again in 6m0.5s", "wait 2 minutes and 5 seconds",
    "resets at 2026-04-11T00:00:00Z"; of several the longest."""
    message = _ONE.sub(r"1 \1", message)
    waits = [_sum_of(found[1].lower()) for found in _COMING.finditer(message)]
    waits += [sane(float(found[1])) for found in _BARE.finditer(message)]
    for found in _ON_A_CLOCK.finditer(message):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        waits.append(sane(3_600.0 * hours + 60.0 * minutes + seconds))
    for found in _AT.finditer(message):
        text = re.sub(r" ?(?:UTC|GMT|Z)$", "+00:00", found[1], flags=re.IGNORECASE)
        text = text.replace(" at ", " ")
        waits.append(_until(_date(text), now))
    if not any(waits) and any(sign in message.lower() for sign in _NEXT_DAY):
        waits.append(until_midnight("UTC", now))
    return max((wait for wait in waits if wait is not None), default=None)


def _sum_of(text: str) -> float | None:
    seconds = 0.0
    for number, unit in _PIECE.findall(text):
        known = _UNITS.get(unit) or _LONG_UNITS.get(unit.removesuffix("s"))
        if known is None:
            return None
        seconds += float(number) * known
    return sane(seconds)


def moment_of(headers: Mapping[str, str]) -> float | None:
    """When an answer was sent, in seconds since the epoch, from its `date`."""
    text = headers.get("date", "").strip()
    return _date(text) if text and len(text) <= _TEXT else None


def until_midnight(timezone: str, now: float | None) -> float | None:
    """Seconds until the day ends there; such a day may have 23 or 25 hours."""
    return _until_end("day", timezone, now)


def until_month_end(now: float | None) -> float | None:
    """Seconds until 00:00 UTC on the first of the next month."""
    return _until_end("month", "UTC", now)


def _until_end(unit: str, timezone: str, now: float | None) -> float | None:
    if now is None:
        return None
    window = Limit(
        amount=1,
        metric=Metric.REQUESTS,
        kind=WindowKind.CALENDAR,
        unit=unit,
        timezone=timezone,
    )
    ended = window_end(window, now - _LAG)
    if ended < now:
        return ended + _LAG - now
    return window_end(window, now) - now


def _until(moment: float | None, now: float | None) -> float | None:
    return None if moment is None or now is None else sane(moment - now)


def _go_duration(text: str) -> float | None:
    if _GO_DURATION.fullmatch(text) is None:
        return None
    return sane(sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text)))


def _date(text: str) -> float | None:
    """An RFC 3339 time or any of the three forms of an HTTP date."""
    try:
        parse = datetime.fromisoformat if text[0].isdigit() else parsedate_to_datetime
        found = parse(text)
        # A date without a zone is in UTC: RFC 9110 knows no other.
        zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
        return zoned.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
