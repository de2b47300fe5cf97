"""Which class of our error tree a failure is: by its status and the provider's words.

The first rule that matches decides, else the status alone. Sources: the providers'
documentation and captured bodies, as of 2026-11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Rule:
    """A failure with one of these statuses is of this kind if one of the words is in
    it."""

    kind: Kind
    statuses: frozenset[int]
    words: tuple[str, ...]


def _rule(kind: Kind, statuses: set[int], *words: str) -> _Rule:
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
        "exceeds the context window",
        "maximum prompt length is",
        "maximum input length is",
        "range of input length should be",
        "input is too long",
        "while limit is",  # Cerebras
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
    # What one deployment does not take and another may: images, tools, and what the
    # model before it left in a conversation.
    _rule(
        Unsupported,
        {400, 404, 405, 422, 500},
        "no endpoints found that support",  # OpenRouter: image input, tool use
        "support image",
        "support tool",
        "support function calling",
        "image_url is only supported",
        "image input modality is not enabled",
        "unknown variant `image_url`",
        "missing data required for image input",  # Ollama
        "tool calling` is not supported",
        "tool calling is not supported",
        "tool calling not supported",
        "function calling is not enabled",
        "reasoning_content",  # DeepSeek and Moonshot want it back in a tool loop
        "content[].thinking",
        "thought_signature",  # Gemini 3
        "`thinking`",  # Anthropic: blocks that it did not write, or that are missing
        "tool_use.id",
        "tool call id was",  # Mistral
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
        "spending cap",
        "credits are depleted",
    ),
    # A model that wrote no valid call: another try, or another model, may (Groq).
    _rule(
        BadAnswer,
        {400, 422},
        "tool_use_failed",
        "failed to call a function",
        "tool call validation failed",
    ),
    # The key is good, and this model not for it.
    _rule(
        ModelGone,
        {401, 403},
        "key_model_access_denied",
        "can only access models",
        "does not have access to model",
        "must be verified to",
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
        # A litellm proxy without a database, of a key that is not its own.
        "no_db_connection",
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
        # Gateways that do not know where to send a call.
        "invalid model name",
        "there are no healthy deployments for this model",
        "x-portkey-",
        "invalid custom host",
        "invalid config passed",
        "unable to access model",
        "unable to access non-serverless model",
        "is not found for api version",
        "no endpoints found",
        "not_found_error",
        "not found, try pulling",
    ),
    # Nobody's limit but the provider's own: to slow down would not help.
    _rule(
        Overloaded,
        {429, 498},
        "capacity exceeded",
        "capacity_exceeded",
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
    # Refused by whoever serves this model at OpenRouter, or for a parameter or an order
    # of messages that this model does not know: others may see no fault in it.
    _rule(
        Unsupported,
        {400, 404, 422},
        "provider returned error",
        "not supported",
        "not support",
        "unsupported",
        "message_order",
        "after role",  # the same without its code
        "roles must alternate",
        "assistant message prefill",
        "string_above_max_length",  # ids of calls that others make
        "invalid_function_parameters",
    ),
)
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


def known_kind(status: int, said: Body) -> Kind | None:
    """The class, if a rule knows the failure."""
    words = said.words
    for rule in _RULES:
        if status in rule.statuses and any(word in words for word in rule.words):
            return rule.kind
    return None


def kind_by_status(status: int) -> Kind:
    """The class of a failure that no rule knows."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return BadRequest
    return Overloaded if status >= 500 else BadAnswer
