"""The words for a failure that several providers use, or whoever has no file of its own
under `families`: servers of one's own among them. As of 2026-11."""

from crew.providers.rules import Meaning, Words

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
        "tokens_limit_reached",  # GitHub Models
        "request_too_large",  # Anthropic, by bytes
        "entity too large",
        "payload too large",
        "body too large",
        "content too large",
        "payloadtoolarge",
        "too many tokens",
        "too large for model with",  # Mistral
        "reduce the length of the messages",
    ),
    # llama.cpp, LM Studio, vLLM, SGLang, TGI.
    Meaning.NO_CONTEXT: (
        "exceeds the available context",
        "exceed_context_size",
        "context size has been exceeded",
        "context the overflows",
        "than the context length",
        "than the model's context length",
        "than the maximum model length",
        "maximum model length of",
        "exceeds maximum context",
        "exceeds context length",
        "exceed context window",
        "cannot truncate prompt",
        "n_ctx",
        "`inputs` must have less than",
        "maximum context",
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
        "image input is not supported",
        "unsupported param: tools",
        "conversation roles must alternate",
        "not a multimodal model",
        "support multimodal",
        "at most 0 image",
    ),
    Meaning.MONEY: (
        "spend_limit",
        "usage_limit_exceeded",
        "billing_error",
        "billing_not_active",
        "exceeded_current_quota_error",  # Moonshot
        "please recharge",
        "used all available credits",
        "monthly spending limit",
        "past invoices",
        "arrearage",
    ),
    Meaning.SHUT: (
        "organization_restricted",
        "account_deactivated",
        "account_disabled",
        "account_suspended",
        "consumer_suspended",
        "access_terminated",
        "deactivated_workspace",
        *(
            f"{who} {has} {what}"
            for who in (
                "organization",
                "account",
                "workspace",
                "project",
                "team",
                "user",
            )
            for has in ("has been", "is", "was")
            for what in (
                "disabled",
                "restricted",
                "suspended",
                "deactivated",
                "terminated",
                "banned",
                "blocked",
                "denied access",
                "archived",
                "not active",
                "currently disabled",
                "currently suspended",
            )
        ),
        "access was terminated",
    ),
    Meaning.COUNTRY: (
        "unsupported_country_region_territory",
        "country, region, or territory not supported",
        "unsupported_country",
        "unsupported country",
        "unsupported region",
        "user location is not supported",
        *(
            f"{available} in your {where}"
            for available in ("not available", "not supported", "unavailable")
            for where in ("country", "region", "location", "territory")
        ),
        "your country is not supported",
        "your region is not supported",
        "your location is not supported",
    ),
    Meaning.FIREWALL: (
        "check your network settings",
        "request not allowed",  # Anthropic, to addresses that it does not serve
        "ip_not_authorized",
        "ip address is not allowed",
        "ip is not allowed",
        "ip address is not authorized",
        "your ip is not authorized",
        "blocked by network",
    ),
    # llama.cpp and Ollama: the model wrote a call that they cannot read.
    Meaning.UNREADABLE: (
        "error parsing tool call",
        "failed to parse tool call",
        "failed to parse input at pos",
    ),
    Meaning.NO_ROOM: (
        "could not load model",
        "requires more system memory",
        "failed to load model",
        "model failed to load",
        "insufficient system resources",
        "cudamalloc failed",
        "unable to allocate",
    ),
    Meaning.NOT_FOR_KEY: ("does not have access to model", "must be verified to"),
    Meaning.KEY: (
        "invalid_api_key",
        "invalid api key",
        "authentication_error",
        "permission_error",
    ),
    Meaning.GONE: (
        "model_not_found",
        "no models loaded",  # LM Studio
        "invalid_model",
        "invalid model:",
        # Portkey does not know where to send a call.
        "x-portkey-",
        "invalid custom host",
        "invalid config passed",
        "not_found_error",
    ),
    Meaning.CAPACITY: (
        "overloaded",
        "queue_exceeded",  # Cerebras
        "high traffic",
        "high demand",
        "no available workers",
        "no workers available",
        "no instances available",
        "no available instance",
        "temporarily out of",
        "resource_unavailable",
        "too busy",
        "is busy",
        "are busy",
        "server_busy",
    ),
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
