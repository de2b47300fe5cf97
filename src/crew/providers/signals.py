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
    Blocked,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    RateLimited,
    TimedOut,
    Unsupported,
)
from crew.providers.bodies import Body, as_text, read_body
from crew.providers.durations import (
    moment_of,
    sane,
    until_midnight,
    until_month_end,
    wait_in_words,
)
from crew.providers.families.registry import FAMILIES
from crew.providers.families.registry import family as family_of
from crew.providers.front import in_front, is_web_page
from crew.providers.headers import (
    Headers,
    long_window_back,
    openai_limits,
    plain_reset,
    retry_after,
)
from crew.providers.masking import masked
from crew.providers.refusals import LimitHit, read_sentence, wait_in_fields, whole
from crew.providers.rules import (
    Kind,
    Meaning,
    Words,
    kind_by_status,
    meaning_of,
)
from crew.providers.words import SHARED
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
_ADVICE: Mapping[str, str] = {
    word: sentence for one in FAMILIES for word, sentence in one.advice.items()
}
_ADVISED = (Blocked, ModelGone, Unsupported)
_NO_PAGE = "not at this address, where a web page answers; check base_url"


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


def is_known(status: int, body: str) -> bool:
    """Whether an answer with this status says in words what it is."""
    return meaning_of(status, read_body(body), _WORDS) is not None


def _read_refusal(body: Body, now: float | None) -> LimitHit:
    """The limits that a refused request hit, of several the one that lasts longest.
    The shape of the body decides who speaks."""
    for one in FAMILIES:
        hit = one.reads_refusal(body, now) if one.reads_refusal else None
        if hit is not None:
            return hit
    return read_sentence(body, now)


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
    if reason := in_front(status, lower, body):
        return Blocked(deployment, reason, status=status)
    refusal = read_body(body)
    meaning = meaning_of(status, refusal, _WORDS)
    kind = meaning.kind if meaning else kind_by_status(status, refusal)
    hit = _read_refusal(refusal, now) if kind is RateLimited else LimitHit()
    if hit.absent:
        # The plan does not have this model: nothing that passes with time.
        kind = ModelGone
    if kind is RateLimited and status == 413:
        hit = replace(hit, wait=None, never=True)
    reported = _merged(hit.reported, reported_by_headers(family, lower, now=now))
    page = kind is ModelGone and is_web_page(lower, body)
    error = kind(
        deployment,
        _NO_PAGE if page else _what(kind, hit, meaning, refusal),
        status=status,
        retry_after=_wait(kind, hit, reported, refusal, lower, now),
        never=hit.never,
        reported=reported,
        raw="" if meaning or hit.reported else masked(refusal),
    )
    return _with_more(error, meaning, refusal)


def _with_more(
    error: ProviderError, meaning: Meaning | None, refusal: Body
) -> ProviderError:
    """The error with what its class alone carries."""
    if isinstance(error, ContextTooLong):
        error.window = _window(refusal)
    if isinstance(error, Blocked):
        if meaning is Meaning.SETTINGS:
            error.reach = "class"
        elif meaning is Meaning.COUNTRY and "model" in refusal.words:
            error.reach = "deployment"
    return error


_SIZE = r" ?([\d,]{3,12})\b"
_WINDOW = re.compile(
    r"(?:maximum context length is|context limit: [\d +]{1,40}>|tokens >"
    r"|tokens allowed \(|available context size \(|context length of only"
    r"|max size:|n_ctx(?: ?[:=(]| \()|limit is|maximum prompt length is"
    r"|maximum input length is|context length \(|model length of"
    r"|must have less than|must be <=|context length|context window of|large for model"
    r" with|cannot exceed)" + _SIZE,
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"range of input length should be \[\d{1,9}, ?([\d,]{3,12})\]", re.I
)


def _window(refusal: Body) -> int | None:
    """How many tokens fit, where the failure says it."""
    if (size := whole(as_text(refusal.error.get("n_ctx")))) is not None:
        return size
    found = _WINDOW.search(refusal.message) or _LISTED.search(refusal.message)
    return whole(found[1]) if found else None


def _advice(refusal: Body) -> str:
    """What to do, by the words of the family that speaks."""
    for one in FAMILIES:
        if sentence := one.advises(refusal):
            return sentence
    words = refusal.words
    return next((text for word, text in _ADVICE.items() if word in words), "")


def _what(kind: Kind, hit: LimitHit, meaning: Meaning | None, refusal: Body) -> str:
    if kind is ContextTooLong:
        # CrewAI shortens a conversation when the error's text says this phrase.
        return "maximum context length exceeded"
    if hit.absent:
        return "not offered on this plan: its limit is 0"
    if kind in _ADVISED and (advice := _advice(refusal)):
        return advice
    if meaning is not None and meaning.reason:
        return meaning.reason
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
        return None if hit.never else _limit_back(hit, reported, refusal, headers, now)
    if kind is OutOfMoney:
        return _money_back(refusal, now)
    if kind not in _WAITING_HELPS:
        return None
    return _said(refusal, headers, now)


def _limit_back(
    hit: LimitHit,
    reported: tuple[ReportedLimit, ...],
    refusal: Body,
    headers: Mapping[str, str],
    now: float | None,
) -> float | None:
    """When the limit is back: by the body's own shape, by what it says elsewhere, or
    by what is used up. A longer window that is used up goes before a shorter wait."""
    said = hit.wait
    if said is None:
        said = _said(Body() if hit.misleads else refusal, headers, now)
    long = long_window_back(headers, now)
    if said is None and long is None:
        soon = _soon_back(reported)
        return plain_reset(headers, now) if soon is None else soon
    return max(wait for wait in (said, long) if wait is not None)


def _said(refusal: Body, headers: Mapping[str, str], now: float | None) -> float | None:
    """The wait that is given in a header, in a field of the body, or in words."""
    wait = retry_after(headers, now=now)
    if wait is None:
        wait = wait_in_fields(refusal.whole, now)
    return wait_in_words(refusal.message, now) if wait is None else wait


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
    if (wait := wait_in_words(refusal.message, now)) is not None:
        return wait
    words = refusal.words
    if "daily limit" in words:
        return until_midnight("UTC", now)
    if "monthly" in words or any(word in words for word in _MONTHLY):
        return until_month_end(now)
    return None
