"""What the body of a refusal says about limits: which ones, and how long they last.

A family with a shape of its own reads it in its own file; here are what they share, and
the sentence in which OpenAI, Groq, and those who speak as they do, name a limit.
"""

import re
from dataclasses import dataclass

from crew.providers.bodies import Body, as_text
from crew.providers.durations import (
    sane,
    seconds_in,
    seconds_of_millis,
    wait_in_words,
)
from crew.quota.limits import SECONDS, Metric
from crew.quota.reported import ReportedLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit:
    """What was hit. `wait` is the seconds until it is over; None where the body does
    not say. `never`: the request alone is larger than the limit. `absent`: the limit
    is 0, so that the model is not offered at all. `misleads`: the wait that the body
    names is that of another limit."""

    reported: tuple[ReportedLimit, ...] = ()
    wait: float | None = None
    never: bool = False
    absent: bool = False
    misleads: bool = False


METRICS = {
    "requests": Metric.REQUESTS,
    "tokens": Metric.TOKENS,
    "input tokens": Metric.INPUT_TOKENS,
    "output tokens": Metric.OUTPUT_TOKENS,
}
METRIC = "(requests|tokens|input tokens|output tokens)"
"""One of them, as a pattern."""
_UNIT = "(second|sec|minute|min|hour|day|month)"
_UNIT_NAMES = {"sec": "second", "min": "minute"}
_AMOUNT = r":? ?~?([\d,]{1,20})"
_BUCKET = re.compile(
    rf"\b(input tokens|output tokens|tokens|requests) per {_UNIT}\b[^L\n]{{0,60}}"
    rf"Limit{_AMOUNT}(?:,? ?Used{_AMOUNT})?(?:,? ?Requested{_AMOUNT})?"
)


def read_sentence(body: Body, now: float | None) -> LimitHit:
    """The limit in the sentence of a refusal, of a bucket that refills."""
    wait = wait_in_words(body.message, now)
    # A refusal of a request larger than the bucket names a time too: Used + Requested
    # - Limit, as if it could ever fit.
    never = "request too large" in body.words
    match = _BUCKET.search(body.message)
    if match is None:
        return LimitHit(wait=None if never else wait, never=never)
    unit = _UNIT_NAMES.get(match[2], match[2])
    limit, used, requested = (whole(match[n]) for n in (3, 4, 5))
    pace = SECONDS[unit] / limit if limit else None
    if limit is not None and requested is not None:
        never = never or requested > limit
        if wait is None and used is not None and pace is not None:
            wait = sane((used + requested - limit) * pace)
    reported = ReportedLimit(
        metric=METRICS[match[1]],
        unit=unit,
        amount=limit or None,
        remaining=limit - used if limit is not None and used is not None else None,
        resets_in=sane(used * pace) if used is not None and pace is not None else None,
    )
    return LimitHit(reported=(reported,), wait=None if never else wait, never=never)


_IN_SECONDS = frozenset(
    # Without bars, in lower case. Some hold a moment.
    (
        "retryafter",
        "retryafterseconds",
        "retryin",
        "retryinseconds",
        "retrydelay",
        "retrydelayseconds",
        "resetin",
        "resetsin",
        "resetinseconds",
        "resetsinseconds",
        "resetafter",
        "resetafterseconds",
        "resetseconds",
        "waitseconds",
        "waittime",
        "secondsuntilreset",
        "estimatedtime",  # Hugging Face, while a model is loaded
        "quotaresetdelay",  # Google
        "quotaresettimestamp",
        "resetat",
        "resetsat",
        "resettime",
        "ratelimitreset",
        "xratelimitreset",
    )
)
_IN_MILLIS = frozenset(
    (
        "retryafterms",
        "retryaftermillis",
        "retryaftermilliseconds",
        "retryinms",
        "retrydelayms",
        "resetinms",
        "resetafterms",
        "waitms",
    )
)
_ECHOES = ("input", "body", "request", "messages", "prompt", "failed_generation")
"""Fields that may hold the request: what they say is no wait."""
_DEEPEST = 6


def wait_in_fields(value: object, now: float | None, depth: int = 0) -> float | None:
    """The seconds in a field such as `retry_after_ms`, wherever it is in a body; of
    several the longest."""
    if depth > _DEEPEST:
        return None
    waits: list[float | None] = []
    if isinstance(value, list):
        waits = [wait_in_fields(part, now, depth + 1) for part in value[:_MOST]]
    elif isinstance(value, dict):
        for name, part in list(value.items())[:_MOST]:
            bare = str(name).lower().replace("_", "").replace("-", "")
            if bare in _IN_MILLIS:
                waits.append(seconds_of_millis(as_text(part)))
            elif bare in _IN_SECONDS:
                waits.append(_wait_of(part, now))
            elif name not in _ECHOES:
                waits.append(wait_in_fields(part, now, depth + 1))
    return max((wait for wait in waits if wait is not None), default=None)


_MOST = 50


def _wait_of(value: object, now: float | None) -> float | None:
    """`30`, "30", "47s", a moment, or Google's `{"seconds": 47, "nanos": 0}`."""
    if isinstance(value, dict):
        value = value.get("seconds")
    return seconds_in(as_text(value), now)


def whole(text: str | None) -> int | None:
    """The whole number that the text is, commas or not."""
    digits = (text or "").replace(",", "")[:19]
    return int(digits) if digits.isdecimal() else None
