"""Captured answers of OpenRouter."""

import json

from crew.errors import (
    BadKey,
    ContentRefused,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    RateLimited,
    Unsupported,
)
from crew.quota.reported import ReportedLimit
from families.captured import (
    NOW,
    REQUESTS,
    THINKING,
    TO_MIDNIGHT_UTC,
    Case,
    openai_error,
)


def openrouter(message: str, code: int, **metadata: object) -> object:
    error = {"message": message, "code": code, "metadata": metadata}
    return {"error": error, "user_id": "user_2abc"}


RESET_AT_MIDNIGHT = str(int((NOW + TO_MIDNIGHT_UTC) * 1_000))
FREE_DAY = ReportedLimit(
    metric=REQUESTS,
    unit="day",
    amount=50,
    remaining=0,
    resets_in=TO_MIDNIGHT_UTC,
)
UNLOCK = "Add 10 credits to unlock 1000 free model requests per day"
TOO_MANY = "Rate limit exceeded: free-models-per-day"
DAY_HEADERS = {
    "X-RateLimit-Limit": "50",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": RESET_AT_MIDNIGHT,
}

REFUSALS: tuple[Case, ...] = (
    Case(
        "free models of the day",
        "openrouter",
        429,
        openrouter(f"{TOO_MANY}. {UNLOCK}", 429, headers=DAY_HEADERS),
        RateLimited,
        wait=TO_MIDNIGHT_UTC,
        reported=(FREE_DAY,),
    ),
    Case(
        "the fields of autumn 2026",
        "openrouter",
        429,
        openrouter(
            "Rate limit exceeded: free-models-per-day-high-balance",
            429,
            headers=DAY_HEADERS,
            error_type="rate_limit_exceeded",
            limit_source="openrouter_free_tier_daily",
        ),
        RateLimited,
        wait=TO_MIDNIGHT_UTC,
        reported=(FREE_DAY,),
    ),
    Case(
        "free models of the minute",
        "openrouter",
        429,
        openrouter(
            "Rate limit exceeded: free-models-per-min",
            429,
            headers={
                "X-RateLimit-Limit": "20",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int((NOW + 42) * 1_000)),
            },
        ),
        RateLimited,
        wait=42.0,
        reported=(
            ReportedLimit(
                metric=REQUESTS, unit="minute", amount=20, remaining=0, resets_in=42.0
            ),
        ),
    ),
    Case(
        "a model's own day",
        "openrouter",
        429,
        openrouter(
            "Rate limit exceeded: limit_rpd/deepseek/deepseek-r1/0b6a",
            429,
            headers=DAY_HEADERS,
        ),
        RateLimited,
        wait=TO_MIDNIGHT_UTC,
        reported=(FREE_DAY,),
    ),
    Case(
        "the sentence alone, as litellm passes it on",
        "openrouter",
        429,
        f"litellm.RateLimitError: OpenrouterException - {TOO_MANY}. {UNLOCK}",
        RateLimited,
        wait=TO_MIDNIGHT_UTC,
        reported=(
            ReportedLimit(metric=REQUESTS, unit="day", resets_in=TO_MIDNIGHT_UTC),
        ),
    ),
    Case(
        "a limit without a window",
        "openrouter",
        429,
        openrouter("Rate limit exceeded", 429, headers=DAY_HEADERS),
        RateLimited,
        wait=TO_MIDNIGHT_UTC,
    ),
    Case(
        "upstream is full: nobody's limit of ours",
        "openrouter",
        429,
        openrouter(
            "Provider returned error",
            429,
            raw="deepseek/deepseek-r1:free is temporarily rate-limited upstream.",
            provider_name="Chutes",
        ),
        Overloaded,
    ),
    Case(
        "more than the credit can pay",
        "openrouter",
        402,
        openrouter(
            "This request requires more credits, or fewer max_tokens. You requested up "
            "to 32000 tokens, but can only afford 27342.",
            402,
            provider_name=None,
        ),
        OutOfMoney,
    ),
    Case(
        "no credit",
        "openrouter",
        402,
        openrouter("Insufficient credits.", 402, limit_source="openrouter_credits"),
        OutOfMoney,
    ),
    Case(
        "the key's own daily limit",
        "openrouter",
        403,
        openrouter("Key limit exceeded (daily limit).", 403),
        OutOfMoney,
        wait=TO_MIDNIGHT_UTC,
    ),
    Case(
        "the money is held by calls under way",
        "openrouter",
        402,
        openrouter("Try again.", 402, limit_source="openrouter_in_flight_budget"),
        RateLimited,
        wait=3.0,
        headers={"retry-after": "3"},
    ),
    Case(
        "not a model",
        "openrouter",
        400,
        openrouter("deepseek/deepseek-r9 is not a valid model ID", 400),
        ModelGone,
    ),
    Case(
        "nobody serves it",
        "openrouter",
        404,
        openrouter("No endpoints found for deepseek/deepseek-r1:free.", 404),
        ModelGone,
    ),
    Case(
        "too long",
        "openrouter",
        400,
        openrouter("Too long.", 400, error_type="context_length_exceeded"),
        ContextTooLong,
    ),
    Case(
        "flagged",
        "openrouter",
        403,
        openrouter("openai/gpt-5 requires moderation on OpenAI. It was flagged.", 403),
        ContentRefused,
    ),
    Case(
        "wrong key",
        "openrouter",
        401,
        openrouter("No auth credentials found", 401),
        BadKey,
    ),
    Case(
        "overloaded",
        "openrouter",
        503,
        openrouter("No room.", 503, error_type="provider_overloaded"),
        Overloaded,
    ),
    Case(
        "a model without tools",
        "openrouter",
        404,
        openrouter("No endpoints found that support tool use. To learn more ...", 404),
        Unsupported,
    ),
    Case(
        "a model without eyes",
        "openrouter",
        404,
        openrouter("No endpoints found that support image input", 404),
        Unsupported,
    ),
    Case(
        "thoughts that whoever serves it misses",
        "openrouter",
        400,
        openrouter(
            "Provider returned error", 400, raw=json.dumps(openai_error(THINKING))
        ),
        Unsupported,
    ),
    Case(
        "too long for whoever serves it",
        "openrouter",
        400,
        openrouter(
            "Provider returned error",
            400,
            raw=json.dumps(openai_error("maximum context length is 8192 tokens")),
        ),
        ContextTooLong,
    ),
    Case(
        "whatever whoever serves it does not like",
        "openrouter",
        400,
        openrouter("Provider returned error", 400, raw="<html>"),
        Unsupported,
    ),
)
