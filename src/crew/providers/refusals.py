"""What the body of a refusal says about limits: which ones, and how long they last.

A family with a shape of its own reads it in its own file; here are what they share, and
the sentence in which OpenAI, Groq, and those who speak as they do, name a limit.
"""

import re
from dataclasses import dataclass

from crew.providers.bodies import Body
from crew.providers.durations import GO_DURATION, sane, seconds_in
from crew.quota.limits import SECONDS, Metric
from crew.quota.reported import ReportedLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit:
    """What was hit. `wait` is the seconds until it is over; None where the body does
    not say. `never`: the request alone is larger than the limit. `absent`: the limit
    is 0, so that the model is not offered at all."""

    reported: tuple[ReportedLimit, ...] = ()
    wait: float | None = None
    never: bool = False
    absent: bool = False


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
_WAIT = re.compile(rf"(?:try again|retry) (?:in|after) ({GO_DURATION})(?!\w)")
_WAIT_IN_WORDS = re.compile(
    r"(?:try again|retry) (?:in|after) (\d{1,9}(?:\.\d{1,9})?) (second|minute|hour)"
)


def read_sentence(body: Body) -> LimitHit:
    """The limit in the sentence of a refusal, of a bucket that refills."""
    wait = wait_in(body.message)
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


def wait_in(message: str) -> float | None:
    """The time in "Please try again in 6m0.5s"."""
    if match := _WAIT.search(message):
        return seconds_in(match[1], None)
    if match := _WAIT_IN_WORDS.search(message):
        return sane(float(match[1]) * SECONDS[match[2]])
    return None


def whole(text: str | None) -> int | None:
    """The whole number that the text is, commas or not."""
    digits = (text or "").replace(",", "")[:19]
    return int(digits) if digits.isdecimal() else None
