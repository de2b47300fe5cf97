"""Which class of our error tree a failure is: by its status and the provider's words.

The first meaning that matches decides, else the status alone. Sources: the providers'
documentation and captured bodies, as of 2026-11.
"""

from collections.abc import Mapping
from enum import Enum

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
    Unreachable,
    Unsupported,
)
from crew.providers.bodies import Body

Kind = type[ProviderError]
"""A class of the error tree."""


_REFUSED = {400, 403, 413, 422}


class Meaning(Enum):
    """What a failure's words mean, at one of these statuses. The first that fits
    decides."""

    kind: Kind
    statuses: frozenset[int]

    def __init__(self, kind: Kind, statuses: set[int]) -> None:
        self.kind = kind
        self.statuses = frozenset(statuses)

    TOO_LONG = ContextTooLong, {400, 413, 422}
    CONTENT = ContentRefused, _REFUSED
    # What one deployment does not take and another may: images, tools, and what the
    # model before it left in a conversation.
    UNSUPPORTED = Unsupported, {400, 404, 405, 422, 500}
    # The account has money, other calls under way hold it.
    HELD = RateLimited, {402}
    MONEY = OutOfMoney, {400, 401, 402, 403, 429}
    # The model wrote no valid call.
    SLIP = BadAnswer, {400, 422}
    # The key is good, and this model not for it.
    NOT_FOR_KEY = ModelGone, {401, 403}
    KEY = BadKey, {400, 401, 403}
    GONE = ModelGone, {400, 403, 404, 410, 422}
    # Nobody's limit but the provider's own: to slow down would not help.
    CAPACITY = Overloaded, {429, 498}
    # The same with the status of a request that is wrong.
    DOWN = Overloaded, {400}
    TOO_LARGE = RateLimited, {413}
    LIMIT = RateLimited, {429}
    OVERLOADED = Overloaded, {500, 502, 503, 529}
    # A parameter or an order of messages that this model does not know: others may
    # see no fault in it.
    OTHERS = Unsupported, {400, 404, 422}


Words = Mapping[Meaning, tuple[str, ...]]
"""What says each of them, in lower case: codes, or parts of a sentence."""

SHARED: Words = {
    Meaning.TOO_LONG: (
        "context_length_exceeded",
        "maximum context length",
        "exceeds the context length",
        "exceeds the context window",
        "maximum prompt length is",
        "maximum input length is",
        "range of input length should be",
        "input is too long",
        "while limit is",  # Cerebras
        "exceeds the available context",
    ),
    Meaning.CONTENT: (
        "content_policy",
        "content policy",
        "content_filter",
        "usage policy",
    ),
    Meaning.UNSUPPORTED: (
        "support image",
        "support tool",
        "support function calling",
        "image_url is only supported",
        "tool calling` is not supported",
        "tool calling is not supported",
        "tool calling not supported",
    ),
    Meaning.MONEY: ("spend_limit", "usage_limit_exceeded", "billing_error"),
    Meaning.NOT_FOR_KEY: ("does not have access to model", "must be verified to"),
    Meaning.KEY: (
        "invalid_api_key",
        "invalid api key",
        "authentication_error",
        "permission_error",
    ),
    Meaning.GONE: (
        "model_not_found",
        "invalid_model",
        "invalid model:",
        # Portkey does not know where to send a call.
        "x-portkey-",
        "invalid custom host",
        "invalid config passed",
        "not_found_error",
    ),
    Meaning.CAPACITY: ("overloaded",),
    Meaning.LIMIT: ("rate_limit", "rate limit"),
    Meaning.OVERLOADED: ("overloaded", "unavailable", "api_error"),
    Meaning.OTHERS: (
        "not supported",
        "not support",
        "unsupported",
        "roles must alternate",
        "assistant message prefill",
    ),
}
"""The words that several use, or whoever has no file of its own under `families`."""


_BY_STATUS: Mapping[int, Kind] = {
    400: BadRequest,
    401: BadKey,
    402: OutOfMoney,
    403: BadKey,
    404: ModelGone,
    407: Unreachable,  # a proxy on the way
    408: TimedOut,
    409: BadRequest,
    413: BadRequest,
    422: BadRequest,
    429: RateLimited,
    498: Overloaded,
}


def known_kind(status: int, body: Body, words: Words) -> Kind | None:
    """The class, if one of the words is in the failure."""
    text = body.words
    for meaning in Meaning:
        found = words.get(meaning, ())
        if status in meaning.statuses and any(word in text for word in found):
            return meaning.kind
    return None


def kind_by_status(status: int) -> Kind:
    """The class of a failure that no rule knows."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return BadRequest
    return Overloaded if status >= 500 else BadAnswer
