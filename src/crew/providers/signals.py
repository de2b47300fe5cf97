"""What a provider's failure says: one class of our error tree for each.

The status decides, then the body. The body is read here and not kept: it may quote
the prompt. Sources: the providers' documentation as of 2026-11.
"""

import re
from collections.abc import Mapping

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

_CONTEXT = (
    "context_length_exceeded",
    "maximum context length",
    "prompt is too long",
    "exceed context limit",
    "input token count",
    "token_limit_exceeded",
)
_CONTENT = ("content_policy", "content policy", "content_filter", "safety system")
_MONEY = (
    "insufficient_quota",
    "credit_balance",
    "credit balance is too low",
    "spend_limit",
    "usage_limit_exceeded",
    "specified api usage limits",
    "insufficient balance",
    "insufficient credits",
)
_KEY = ("api key not valid", "invalid_api_key", "incorrect api key")
_BY_STATUS: Mapping[int, type[ProviderError]] = {
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
}


def classify(
    deployment: str, status: int, body: str, headers: Mapping[str, str]
) -> ProviderError:
    """The error that an HTTP status, its body and its headers stand for."""
    kind = _by_body(status, body.lower()) or _BY_STATUS.get(status)
    if kind is None:
        kind = Overloaded if status >= 500 else BadAnswer
        kind = BadRequest if 400 <= status < 500 else kind
    # CrewAI shortens a conversation when the error's text says this phrase.
    what = "maximum context length exceeded" if kind is ContextTooLong else ""
    return kind(deployment, what, status=status, retry_after=retry_after(headers))


def _by_body(status: int, body: str) -> type[ProviderError] | None:
    markers: list[tuple[tuple[str, ...], type[ProviderError]]] = []
    if status in (400, 413, 422):
        markers = [
            (_CONTEXT, ContextTooLong),
            (_CONTENT, ContentRefused),
            (_MONEY, OutOfMoney),
            (_KEY, BadKey),
        ]
    elif status == 429:
        markers = [(_MONEY, OutOfMoney)]
    for words, kind in markers:
        if any(word in body for word in words):
            return kind
    return None


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after` (seconds, or a Go duration such as 6m0s).

    None where it is missing or cannot be read; dates are not used by any provider
    of ours. Never negative.
    """
    text = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        parts = _DURATION.findall(text)
        return sum(float(n) * _UNITS[u] for n, u in parts) if parts else None
