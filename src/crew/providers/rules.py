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
    Blocked,
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
    reason: str

    def __init__(self, kind: Kind, statuses: set[int], reason: str = "") -> None:
        self.kind = kind
        self.statuses = frozenset(statuses)
        self.reason = reason

    TOO_LONG = ContextTooLong, {400, 413, 422}
    # Servers of one's own say so by any status.
    NO_CONTEXT = ContextTooLong, {400, 413, 422, 500}
    # The account has money, other calls under way hold it.
    HELD = RateLimited, {402}
    MONEY = OutOfMoney, {400, 401, 402, 403, 412, 429}
    SHUT = (
        Blocked,
        {400, 401, 402, 403, 404, 412, 429},
        "the account or its organisation is shut; ask the provider why",
    )
    CONTENT = ContentRefused, _REFUSED
    COUNTRY = (
        Blocked,
        {400, 401, 403, 404, 422, 451},
        "the provider does not serve this country; use another provider",
    )
    FIREWALL = (
        Blocked,
        {400, 401, 403, 451},
        "this network or address is refused; check the network, a VPN, a firewall",
    )
    SETTINGS = (
        Blocked,
        {400, 401, 403, 404, 503},
        "the account's settings exclude it; change them at the provider's site",
    )
    PROJECT = (
        Blocked,
        {400, 401, 403},
        "the account's settings exclude this API or this machine; change them there",
    )
    # What one deployment does not take and another may: images, tools, and what the
    # model before it left in a conversation.
    UNSUPPORTED = Unsupported, {400, 404, 405, 422, 500, 501}
    # The model wrote no valid call, or no valid JSON.
    SLIP = BadAnswer, {400, 422}
    # The same, found out by a server of one's own.
    UNREADABLE = BadAnswer, {500}
    # The key is good, and this model not for it.
    NOT_FOR_KEY = ModelGone, {401, 403}
    KEY = BadKey, {400, 401, 403}
    GONE = ModelGone, {400, 403, 404, 410, 422}
    # The machine that serves it is too small, which no time mends.
    NO_ROOM = (
        ModelGone,
        {400, 500, 503},
        "more than its server can load; give it more memory, or take a smaller model",
    )
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


_BY_STATUS: Mapping[int, Kind] = {
    400: BadRequest,
    401: BadKey,
    402: OutOfMoney,
    403: BadKey,
    404: ModelGone,
    407: Unreachable,  # a proxy on the way
    408: TimedOut,
    409: BadRequest,
    413: ContextTooLong,
    422: BadRequest,
    429: RateLimited,
    451: Blocked,
    498: Overloaded,
}
_WORKERS_AI_FULL = "3040"
_OUR_LIMIT = ("rate limit", "rate_limit", "quota", " per minute", " per day", "daily")
"""What a refusal that is about our limit says, whatever it says of capacity."""


def meaning_of(status: int, body: Body, words: Words) -> Meaning | None:
    """What the failure means, if one of the words is in it."""
    text = body.words
    for meaning in Meaning:
        found = words.get(meaning, ())
        if status in meaning.statuses and any(word in text for word in found):
            return meaning
    if status in Meaning.SLIP.statuses and "failed_generation" in body.error:
        return Meaning.SLIP
    return Meaning.CAPACITY if _is_capacity(status, body) else None


def _is_capacity(status: int, body: Body) -> bool:
    if status not in Meaning.CAPACITY.statuses:
        return False
    ours = any(sign in body.words for sign in _OUR_LIMIT)
    return _WORKERS_AI_FULL in body.codes or ("capacity" in body.words and not ours)


def kind_by_status(status: int, body: Body) -> Kind:
    """The class of a failure that no rule knows."""
    if status == 413 and body.whole and body.message:
        return BadRequest  # too large in a way of its own
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return BadRequest
    return Overloaded if status >= 500 else BadAnswer
