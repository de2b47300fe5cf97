"""What a provider's failure says: one class of our error tree for each, how long
waiting helps, and what it reported of its limits.

Sources: the providers' documentation and captured bodies, as of 2026-11.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from crew.errors import (
    BadAnswer,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    RateLimited,
    TimedOut,
)
from crew.providers.bodies import Body, read_body
from crew.providers.durations import (
    moment_of,
    sane,
    until_midnight,
    until_month_end,
)
from crew.providers.families.registry import FAMILIES
from crew.providers.families.registry import family as family_of
from crew.providers.headers import Headers, openai_limits, retry_after
from crew.providers.masking import masked
from crew.providers.refusals import LimitHit, read_sentence
from crew.providers.rules import (
    SHARED,
    Kind,
    Meaning,
    Words,
    kind_by_status,
    known_kind,
)
from crew.quota.reported import ReportedLimit

__all__ = ["ReportedLimit", "classify", "reported_by_headers"]

_WAITING_HELPS = (Overloaded, TimedOut, BadAnswer)

# A gateway answers in the words of whoever is behind it: all families' words count.
_WORDS: Words = {
    meaning: sum(
        (one.words.get(meaning, ()) for one in FAMILIES), SHARED.get(meaning, ())
    )
    for meaning in Meaning
}


def reported_by_headers(
    family: str, headers: Headers, *, now: float | None
) -> tuple[ReportedLimit, ...]:
    """The limits that a provider reported, on success as on failure.

    `family` is litellm's prefix of the model's id; of an unknown one the names of the
    headers decide. Names are in lower case, or the mapping ignores case. Moments are
    left out when `now` (seconds since the epoch) is None.
    """
    read = family_of(family).reads_headers
    if read is None:
        signed = (
            one.reads_headers
            for one in FAMILIES
            if any(sign in headers for sign in one.header_signs)
        )
        read = next(signed, None) or openai_limits
    return read(headers, now)


def _read_refusal(body: Body, now: float | None) -> LimitHit:
    """The limits that a refused request hit, of several the one that lasts longest.
    The shape of the body decides who speaks."""
    for one in FAMILIES:
        hit = one.reads_refusal(body, now) if one.reads_refusal else None
        if hit is not None:
            return hit
    return read_sentence(body)


def classify(
    deployment: str,
    status: int,
    body: str,
    headers: Mapping[str, str],
    *,
    family: str = "",
    now: float | None = None,
) -> ProviderError:
    """The error that an HTTP status, its body and its headers stand for.

    `family` is litellm's prefix of the model's id. `now` is in seconds since the
    epoch; without it the answer's own `date` is taken.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    now = moment_of(lower) if now is None else now
    refusal = read_body(body)
    known = known_kind(status, refusal, _WORDS)
    kind = known or kind_by_status(status)
    hit = _read_refusal(refusal, now) if kind is RateLimited else LimitHit()
    if hit.absent:
        # The plan does not have this model: nothing that passes with time.
        kind = ModelGone
    if kind is RateLimited and status == 413:
        hit = replace(hit, wait=None, never=True)
    reported = _merged(hit.reported, reported_by_headers(family, lower, now=now))
    error = kind(
        deployment,
        _what(kind, hit),
        status=status,
        retry_after=_wait(kind, hit, reported, refusal, lower, now),
        never=hit.never,
        reported=reported,
        raw="" if known or hit.reported else masked(refusal),
    )
    if isinstance(error, ContextTooLong):
        error.window = _window(refusal.message)
    return error


_WINDOW = re.compile(
    r"(?:maximum context length is|context limit: [\d +]{1,40}>|tokens >"
    r"|tokens allowed \() ?([\d,]{3,12})"
)


def _window(message: str) -> int | None:
    """How many tokens fit, where the message says it."""
    found = _WINDOW.search(message)
    digits = found[1].replace(",", "") if found else ""
    return int(digits) if digits.isdecimal() else None


def _what(kind: Kind, hit: LimitHit) -> str:
    if kind is ContextTooLong:
        # CrewAI shortens a conversation when the error's text says this phrase.
        return "maximum context length exceeded"
    if hit.absent:
        return "the plan does not offer this model: its limit is 0"
    return "the request alone is larger than the limit" if hit.never else ""


def _merged(
    body: tuple[ReportedLimit, ...], headers: tuple[ReportedLimit, ...]
) -> tuple[ReportedLimit, ...]:
    """Both, and of the same limit what the body says: it is what was hit."""
    known = {(reported.metric, reported.unit) for reported in body}
    return body + tuple(t for t in headers if (t.metric, t.unit) not in known)


def _wait(
    kind: Kind,
    hit: LimitHit,
    reported: tuple[ReportedLimit, ...],
    refusal: Body,
    headers: Mapping[str, str],
    now: float | None,
) -> float | None:
    """Seconds after which the same request may pass."""
    if kind is RateLimited:
        if hit.never or hit.wait is not None:
            return hit.wait
        wait = retry_after(headers, now=now)
        return _soon_back(reported) if wait is None else wait
    if kind is OutOfMoney:
        return _money_back(refusal, now)
    return retry_after(headers, now=now) if kind in _WAITING_HELPS else None


def _soon_back(reported: tuple[ReportedLimit, ...]) -> float | None:
    """When the used-up limits of a minute are back as a whole. Longer windows do not
    count: of one that refills, the first part is back long before."""
    resets = [
        t.resets_in
        for t in reported
        if t.unit in ("second", "minute") and t.resets_in is not None
        if t.remaining is not None and t.remaining <= t.slack
    ]
    return max(resets, default=None)


_REGAIN = re.compile(
    r"regain access on (\d{4}-\d{2}-\d{2})(?: at (\d{2}:\d{2}))?", re.IGNORECASE
)
_MONTHLY = ("spend_limit", "usage_limit_exceeded", "specified api usage limits")


def _money_back(refusal: Body, now: float | None) -> float | None:
    """When a spend cap ends; None for money that somebody has to pay in."""
    if (match := _REGAIN.search(refusal.message)) and now is not None:
        try:
            day = datetime.fromisoformat(f"{match[1]} {match[2] or '00:00'}")
        except ValueError:
            return None
        return sane(day.replace(tzinfo=UTC).timestamp() - now)
    words = refusal.words
    if "daily limit" in words:
        return until_midnight("UTC", now)
    if "monthly" in words or any(word in words for word in _MONTHLY):
        return until_month_end(now)
    return None
