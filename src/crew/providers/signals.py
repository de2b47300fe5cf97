"""What a provider's failure says: one class of our error tree for each, how long
waiting helps, and what it told about its limits.

Rules decide by status and by the provider's own words, then the status alone. Sources:
the providers' documentation and captured bodies, as of 2026-11.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from crew.errors import (
    BadAnswer,
    BadKey,
    BadRequest,
    ContentRefused,
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
from crew.providers.headers import retry_after, told_by_headers
from crew.providers.masking import masked
from crew.providers.refusals import Hit, read_refusal
from crew.providers.told import Told

__all__ = ["Told", "classify", "told_by_headers"]

_Kind = type[ProviderError]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A failure with one of these statuses is of this kind if one of the words is in
    it."""

    kind: _Kind
    statuses: frozenset[int]
    words: tuple[str, ...]


def _rule(kind: _Kind, statuses: set[int], *words: str) -> _Rule:
    return _Rule(kind, frozenset(statuses), words)


_REFUSED = {400, 403, 413, 422}
_RULES = (
    _rule(
        ContextTooLong,
        {400, 413, 422},
        "context_length_exceeded",
        "maximum context length",
        "prompt is too long",
        "exceed context limit",
        "input token count",
        "token_limit_exceeded",
        "exceeds the context length",
        "exceeds the available context",
        "`inputs` tokens + `max_new_tokens`",
    ),
    _rule(
        ContentRefused,
        _REFUSED,
        "content_policy",
        "content policy",
        "content_filter",
        "content filtering policy",
        "safety system",
        "usage policy",
        "content exists risk",
        "requires moderation",
        "prohibited_content",
    ),
    # OpenRouter: the account has money, other calls under way hold it.
    _rule(RateLimited, {402}, "openrouter_in_flight_budget"),
    _rule(
        OutOfMoney,
        {400, 401, 402, 403, 429},
        "insufficient_quota",
        "credit_balance_exhausted",
        "credit balance is too low",
        "spend_limit",
        "usage_limit_exceeded",
        "specified api usage limits",
        "insufficient balance",
        "insufficient credits",
        "key limit exceeded",
        "openrouter_credits",
        "openrouter_key_limit",
        "requires more credits",
        "billing_error",
    ),
    _rule(
        BadKey,
        {400, 401, 403},
        "api_key_invalid",
        "api key not valid",
        "api key expired",
        "invalid_api_key",
        "incorrect api key",
        "invalid api key",
        "invalid x-api-key",
        "authentication_error",
        "authentication fails",
        "no auth credentials",
        "permission_error",
        "failed_precondition",  # Gemini: not in this country, or without billing
    ),
    _rule(
        ModelGone,
        {400, 403, 404, 410, 422},
        "model_not_found",
        "model_decommissioned",
        "has been decommissioned",
        "model_not_available",
        "model_permission_blocked",
        "not a valid model id",
        "model not exist",
        "invalid_model",
        "invalid model:",
        "unable to access model",
        "unable to access non-serverless model",
        "is not found for api version",
        "no endpoints found",
        "not_found_error",
    ),
    # Nobody's limit but the provider's own: to slow down would not help.
    _rule(
        Overloaded,
        {429, 498},
        "capacity exceeded",
        "capacity_exceeded",
        "3505",
        "provider returned error",
        "rate-limited upstream",
        "overloaded",
    ),
    # Groq says 413 where OpenAI says 429: larger than the limit, not than the window.
    _rule(RateLimited, {413}, "rate_limit_exceeded"),
    _rule(
        RateLimited,
        {429},
        "rate_limit",
        "rate limit",
        "rate_limited",
        "resource_exhausted",
        "dynamic_request_limited",
        "dynamic_token_limited",
        "slow_down",
    ),
    _rule(Overloaded, {500, 502, 503, 529}, "overloaded", "unavailable", "api_error"),
)
_BY_STATUS: Mapping[int, _Kind] = {
    400: BadRequest,
    401: BadKey,
    402: OutOfMoney,
    403: BadKey,
    404: ModelGone,
    408: TimedOut,
    409: BadRequest,
    413: BadRequest,
    422: BadRequest,
    429: RateLimited,
    498: Overloaded,
}
_WAITING_HELPS = (Overloaded, TimedOut, BadAnswer)


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
    said = read_body(body)
    rule = _ruled(status, said)
    kind = rule or _by_status(status)
    hit = read_refusal(said, now) if kind is RateLimited else Hit()
    if hit.absent:
        # The plan does not have this model: nothing that passes with time.
        kind = ModelGone
    told = _merged(hit.told, told_by_headers(family, lower, now=now))
    return kind(
        deployment,
        _what(kind, hit),
        status=status,
        retry_after=_wait(kind, hit, told, said, lower, now),
        never=hit.never,
        told=told,
        raw="" if rule or hit.told else masked(said),
    )


def _ruled(status: int, said: Body) -> _Kind | None:
    words = said.words
    for rule in _RULES:
        if status in rule.statuses and any(word in words for word in rule.words):
            return rule.kind
    return None


def _by_status(status: int) -> _Kind:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return BadRequest
    return Overloaded if status >= 500 else BadAnswer


def _what(kind: _Kind, hit: Hit) -> str:
    if kind is ContextTooLong:
        # CrewAI shortens a conversation when the error's text says this phrase.
        return "maximum context length exceeded"
    if hit.absent:
        return "the plan does not offer this model: its limit is 0"
    return "the request alone is larger than the limit" if hit.never else ""


def _merged(body: tuple[Told, ...], headers: tuple[Told, ...]) -> tuple[Told, ...]:
    """Both, and of the same limit what the body says: it is what was hit."""
    known = {(told.metric, told.unit) for told in body}
    return body + tuple(t for t in headers if (t.metric, t.unit) not in known)


def _wait(
    kind: _Kind,
    hit: Hit,
    told: tuple[Told, ...],
    said: Body,
    headers: Mapping[str, str],
    now: float | None,
) -> float | None:
    """Seconds after which the same request may pass."""
    if kind is RateLimited:
        if hit.never or hit.wait is not None:
            return hit.wait
        wait = retry_after(headers, now=now)
        return _soon_back(told) if wait is None else wait
    if kind is OutOfMoney:
        return _money_back(said, now)
    return retry_after(headers, now=now) if kind in _WAITING_HELPS else None


def _soon_back(told: tuple[Told, ...]) -> float | None:
    """When the used-up limits of a minute are back as a whole. Longer windows do not
    count: of one that refills, the first part is back long before."""
    resets = [
        t.resets_in
        for t in told
        if t.unit in ("second", "minute") and t.resets_in is not None
        if t.remaining is not None and t.remaining <= t.slack
    ]
    return max(resets, default=None)


_REGAIN = re.compile(
    r"regain access on (\d{4}-\d{2}-\d{2})(?: at (\d{2}:\d{2}))?", re.IGNORECASE
)
_MONTHLY = ("spend_limit", "usage_limit_exceeded", "specified api usage limits")


def _money_back(said: Body, now: float | None) -> float | None:
    """When a spend cap ends; None for money that somebody has to pay in."""
    if (match := _REGAIN.search(said.message)) and now is not None:
        try:
            day = datetime.fromisoformat(f"{match[1]} {match[2] or '00:00'}")
        except ValueError:
            return None
        return sane(day.replace(tzinfo=UTC).timestamp() - now)
    words = said.words
    if "daily limit" in words:
        return until_midnight("UTC", now)
    if "monthly" in words or any(word in words for word in _MONTHLY):
        return until_month_end(now)
    return None
