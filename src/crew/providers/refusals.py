"""What the body of a refusal says about limits: which ones, and how long they last.

The shape of the body decides who speaks. Sources: the providers' documentation and
captured bodies, as of 2026-11.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from crew.providers.bodies import Body, as_object, as_text, objects
from crew.providers.durations import (
    GO_DURATION,
    sane,
    seconds_in,
    until_midnight,
)
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


def read_refusal(body: Body, now: float | None) -> LimitHit:
    """The limits that a refused request hit, of several the one that lasts longest."""
    if "RESOURCE_EXHAUSTED" in body.codes or _GEMINI in body.message:
        return _gemini(body, now)
    headers = as_object(body.metadata.get("headers"))
    if headers or "free-models-per-" in body.message:
        return _openrouter(body, headers, now)
    if match := _ANTHROPIC.search(body.message):
        metric, unit = _METRICS[match[2]], match[3]
        return LimitHit(
            reported=(ReportedLimit(metric=metric, unit=unit, amount=_whole(match[1])),)
        )
    return _bucket(body)


_METRICS = {
    "requests": Metric.REQUESTS,
    "tokens": Metric.TOKENS,
    "input tokens": Metric.INPUT_TOKENS,
    "output tokens": Metric.OUTPUT_TOKENS,
}
_METRIC = "(requests|tokens|input tokens|output tokens)"
_ANTHROPIC = re.compile(
    rf"\bof ([\d,]{{1,20}}) {_METRIC} per (second|minute|hour|day|month)\b"
)


# Gemini.

_GEMINI = "Quota exceeded for metric"
_PER_DAY = "PerDay"
_LIMIT_ZERO = re.compile(r"\blimit: 0(?![\d.])")
PACIFIC = "America/Los_Angeles"
"""Where Gemini's day ends."""


def _gemini(body: Body, now: float | None) -> LimitHit:
    violations = [v for part in body.details for v in objects(part.get("violations"))]
    reported = tuple(t for v in violations if (t := _violation(v, now)) is not None)
    # A value of 0 is left out of Google's JSON; the message has it.
    values = [as_text(v.get("quotaValue")) for v in violations]
    if "0" in values or _LIMIT_ZERO.search(body.message):
        return LimitHit(reported=reported, absent=True)
    quotas = [as_text(v.get("quotaId")) for v in violations]
    # A body that was cut is all message.
    if any(_PER_DAY in text for text in [*quotas, body.message]):
        # The delay that is given beside it is that of another limit: 47 s, at noon.
        return LimitHit(reported=reported, wait=until_midnight(PACIFIC, now))
    delays = [as_text(part.get("retryDelay")) for part in body.details]
    waits = [wait for d in delays if (wait := seconds_in(d, None)) is not None]
    return LimitHit(reported=reported, wait=max(waits, default=_wait_in(body.message)))


def _violation(
    violation: Mapping[str, object], now: float | None
) -> ReportedLimit | None:
    quota = as_text(violation.get("quotaId"))
    name = f"{quota} {as_text(violation.get('quotaMetric'))}".lower()
    unit = next((u for u in SECONDS if f"per{u}" in name), None)
    if "token" in name:
        input_only = "inputtoken" in name or "input_token" in name
        metric = Metric.INPUT_TOKENS if input_only else Metric.TOKENS
    elif "request" in name:
        metric = Metric.REQUESTS
    else:
        return None
    if unit is None:
        return None
    return ReportedLimit(
        metric=metric,
        unit=unit,
        amount=_whole(as_text(violation.get("quotaValue"))) or None,
        # A request that did not fit says that requests are used up, not tokens.
        remaining=0 if metric is Metric.REQUESTS else None,
        resets_in=until_midnight(PACIFIC, now) if unit == "day" else None,
    )


# OpenRouter.

_OPENROUTER: Mapping[str, tuple[str, ...]] = {
    "minute": ("per-min", "_per_min", "limit_rpm", "_minute"),
    "day": ("per-day", "_per_day", "limit_rpd", "_daily"),
}


def _openrouter(
    body: Body, headers: Mapping[str, object], now: float | None
) -> LimitHit:
    found = {name.lower(): as_text(value) for name, value in headers.items()}
    # The reset is in milliseconds since the epoch.
    wait = seconds_in(found.get("x-ratelimit-reset", ""), now)
    words = body.words
    signs = _OPENROUTER.items()
    unit = next((u for u, said in signs if any(sign in words for sign in said)), None)
    if unit is None:
        return LimitHit(wait=wait)
    if unit == "day" and wait is None:
        wait = until_midnight("UTC", now)
    reported = ReportedLimit(
        metric=Metric.REQUESTS,
        unit=unit,
        amount=_whole(found.get("x-ratelimit-limit", "")) or None,
        remaining=_whole(found.get("x-ratelimit-remaining", "")),
        resets_in=wait,
    )
    return LimitHit(reported=(reported,), wait=wait)


# OpenAI, Groq, and who speaks as they do: buckets that refill.

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


def _bucket(body: Body) -> LimitHit:
    wait = _wait_in(body.message)
    # A request that is larger than the bucket is told a time too: Used + Requested
    # - Limit, as if it could ever fit.
    never = "request too large" in body.words
    match = _BUCKET.search(body.message)
    if match is None:
        return LimitHit(wait=None if never else wait, never=never)
    unit = _UNIT_NAMES.get(match[2], match[2])
    limit, used, requested = (_whole(match[n]) for n in (3, 4, 5))
    pace = SECONDS[unit] / limit if limit else None
    if limit is not None and requested is not None:
        never = never or requested > limit
        if wait is None and used is not None and pace is not None:
            wait = sane((used + requested - limit) * pace)
    reported = ReportedLimit(
        metric=_METRICS[match[1]],
        unit=unit,
        amount=limit or None,
        remaining=limit - used if limit is not None and used is not None else None,
        resets_in=sane(used * pace) if used is not None and pace is not None else None,
    )
    return LimitHit(reported=(reported,), wait=None if never else wait, never=never)


def _wait_in(message: str) -> float | None:
    """The time in "Please try again in 6m0.5s"."""
    if match := _WAIT.search(message):
        return seconds_in(match[1], None)
    if match := _WAIT_IN_WORDS.search(message):
        return sane(float(match[1]) * SECONDS[match[2]])
    return None


def _whole(text: str | None) -> int | None:
    digits = (text or "").replace(",", "")[:19]
    return int(digits) if digits.isdecimal() else None
