"""Captured answers of Anthropic."""

from crew.errors import (
    BadKey,
    ContentRefused,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    RateLimited,
)
from crew.quota.reported import ReportedLimit
from families.captured import (
    DAY,
    INPUT,
    OUTPUT,
    REQUESTS,
    TO_MAY,
    TOKENS,
    Case,
    HeaderCase,
)


def anthropic(kind: str, message: str, **more: object) -> object:
    error = {"type": kind, "message": message, **more}
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR"}


REFUSALS: tuple[Case, ...] = (
    Case(
        "input tokens",
        "anthropic",
        429,
        anthropic(
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 30,000 input "
            "tokens per minute (org: 0b6a, model: claude-opus-4-6). For details, refer "
            "to: https://docs.claude.com/en/api/rate-limits.",
        ),
        RateLimited,
        wait=37.0,
        reported=(
            ReportedLimit(metric=INPUT, unit="minute", amount=30_000),
            ReportedLimit(metric=REQUESTS, unit="minute", amount=50, remaining=49),
        ),
        headers={
            "retry-after": "37",
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-input-tokens-limit": "30000",
            "anthropic-ratelimit-input-tokens-remaining": "0",
        },
    ),
    Case(
        "the wording of 2025",
        "anthropic",
        429,
        anthropic(
            "rate_limit_error",
            "This request would exceed the rate limit for your organization (0b6a) of "
            "8,000 output tokens per minute.",
        ),
        RateLimited,
        reported=(ReportedLimit(metric=OUTPUT, unit="minute", amount=8_000),),
    ),
    Case(
        "the month's cap comes without a time",
        "anthropic",
        429,
        anthropic(
            "rate_limit_error",
            "Your organization has reached its spend limit.",
            details={"error_code": "enforced_spend_limit_reached"},
        ),
        OutOfMoney,
        wait=TO_MAY,
    ),
    Case(
        "a cap of one's own is a 400",
        "anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access "
            "on 2026-04-15 at 06:30 UTC.",
        ),
        OutOfMoney,
        wait=4 * DAY + 18.5 * 3_600,
    ),
    Case(
        "a cap of one's own without a date",
        "anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "You have reached your specified API usage limits.",
        ),
        OutOfMoney,
        wait=TO_MAY,
    ),
    Case(
        "no credit",
        "anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
        ),
        OutOfMoney,
    ),
    Case(
        "billing",
        "anthropic",
        402,
        anthropic("billing_error", "Check your payment."),
        OutOfMoney,
    ),
    Case(
        "overloaded",
        "anthropic",
        529,
        anthropic("overloaded_error", "Overloaded"),
        Overloaded,
    ),
    Case("broken", "anthropic", 500, anthropic("api_error", "Internal"), Overloaded),
    Case(
        "too many bytes",
        "anthropic",
        413,
        anthropic("request_too_large", "Request exceeds the maximum size"),
        ContextTooLong,
    ),
    *(
        Case("too long", "anthropic", 400, anthropic("invalid_request_error", text), k)
        for text, k in (
            ("prompt is too long: 205000 tokens > 200000 maximum", ContextTooLong),
            (
                "input length and `max_tokens` exceed context limit: 199000 + 8000 > "
                "200000",
                ContextTooLong,
            ),
            ("Output blocked by content filtering policy", ContentRefused),
        )
    ),
    Case(
        "wrong key",
        "anthropic",
        401,
        anthropic("authentication_error", "invalid x-api-key"),
        BadKey,
    ),
    Case(
        "retired",
        "anthropic",
        404,
        anthropic("not_found_error", "model: claude-opus-4-20250514"),
        ModelGone,
    ),
)

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
        "moments, and tokens in thousands",
        "anthropic",
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-04-10T12:00:01Z",
            "anthropic-ratelimit-input-tokens-limit": "30000",
            "anthropic-ratelimit-input-tokens-remaining": "28000",
            "anthropic-ratelimit-input-tokens-reset": "2026-04-10T12:00:04+00:00",
            "anthropic-ratelimit-tokens-limit": "38000",
            "anthropic-ratelimit-tokens-remaining": "36000",
            "anthropic-ratelimit-tokens-reset": "2026-04-10T11:59:00Z",
        },
        (
            ReportedLimit(
                metric=REQUESTS,
                unit="minute",
                amount=50,
                remaining=49,
                resets_in=1.0,
            ),
            ReportedLimit(
                metric=INPUT,
                unit="minute",
                amount=30_000,
                remaining=28_000,
                resets_in=4.0,
                slack=500,
            ),
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=38_000,
                remaining=36_000,
                resets_in=0.0,
                slack=500,
            ),
        ),
    ),
)

UNSUPPORTED = (
    ("anthropic", 400, "messages.1.content.0.tool_use.id: String should match pa"),
    (
        "anthropic",
        400,
        "messages.1.content.0: Invalid `signature` in `thinking` bl",
    ),
    ("anthropic", 400, "`temperature` is not supported for this model"),
    ("anthropic", 400, "This model does not support assistant message prefill."),
)
