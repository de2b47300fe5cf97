"""Captured answers of OpenAI."""

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
    REQUESTS,
    TO_MAY,
    TOKENS,
    Case,
    HeaderCase,
    openai_error,
)

ORG = "org-0123456789abcdef"

REFUSALS: tuple[Case, ...] = (
    Case(
        "tokens of the minute",
        "openai",
        429,
        openai_error(
            f"Rate limit reached for gpt-4o-mini in organization {ORG} on tokens per "
            "min (TPM): Limit 200000, Used 195869, Requested 4412. Please try again in "
            "84ms. Visit https://platform.openai.com/account/rate-limits for more.",
            "tokens",
            "rate_limit_exceeded",
        ),
        RateLimited,
        wait=0.084,
        reported=(
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=200_000,
                remaining=4_131,
                resets_in=195_869 / 200_000 * 60,
            ),
        ),
    ),
    Case(
        "requests of the day",
        "openai",
        429,
        openai_error(
            f"Rate limit reached for gpt-4o in organization {ORG} on requests per day "
            "(RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.",
            "requests",
            "rate_limit_exceeded",
        ),
        RateLimited,
        wait=432.0,
        reported=(
            ReportedLimit(
                metric=REQUESTS,
                unit="day",
                amount=200,
                remaining=0,
                resets_in=DAY,
            ),
        ),
        headers={"retry-after": "433"},
    ),
    Case(
        "the old wording",
        "openai",
        429,
        openai_error(
            f"Rate limit reached for default-gpt-3.5-turbo in organization {ORG} on "
            "requests per min. Limit: 3 / min. Please try again in 20s.",
            "requests",
            "rate_limit_exceeded",
        ),
        RateLimited,
        wait=20.0,
        reported=(ReportedLimit(metric=REQUESTS, unit="minute", amount=3),),
    ),
    Case(
        "no time is given: it is computed",
        "openai",
        429,
        openai_error(
            "Rate limit reached on tokens per min (TPM): Limit 50,000, Used 47,949, "
            "Requested ~3,006.",
            "tokens",
            "rate_limit_exceeded",
        ),
        RateLimited,
        wait=955 / 50_000 * 60,
        reported=(
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=50_000,
                remaining=2_051,
                resets_in=47_949 / 50_000 * 60,
            ),
        ),
    ),
    Case(
        "larger than the bucket",
        "openai",
        429,
        openai_error(
            f"Request too large for gpt-4o in organization {ORG} on tokens per min "
            "(TPM): Limit 30000, Requested 34307. The input or output tokens must be "
            "reduced in order to run successfully.",
            "tokens",
            "rate_limit_exceeded",
        ),
        RateLimited,
        reported=(ReportedLimit(metric=TOKENS, unit="minute", amount=30_000),),
        never=True,
        headers={"retry-after": "9"},
    ),
    *(
        Case(
            f"money: {code}",
            "openai",
            429,
            openai_error(
                "You exceeded your current quota, please check your plan and billing "
                "details.",
                "insufficient_quota",
                code,
            ),
            OutOfMoney,
            wait=wait,
            headers={"retry-after": "1"},
        )
        for code, wait in (
            ("insufficient_quota", None),
            ("credit_balance_exhausted", None),
            ("organization_spend_limit_exceeded", TO_MAY),
            ("project_spend_limit_exceeded", TO_MAY),
            ("organization_usage_limit_exceeded", TO_MAY),
        )
    ),
    Case(
        "slow down",
        "openai",
        429,
        openai_error("Slow down.", "rate_limit_error", "slow_down"),
        RateLimited,
        wait=15.0,
        headers={"Retry-After": "15"},
    ),
    Case(
        "overloaded",
        "openai",
        503,
        openai_error("Busy.", "service_unavailable_error", "server_is_overloaded"),
        Overloaded,
        wait=2.0,
        headers={"retry-after": "2"},
    ),
    Case(
        "too long",
        "openai",
        400,
        openai_error(
            "This model's maximum context length is 8192 tokens. However, your messages"
            " resulted in 9001 tokens.",
            "invalid_request_error",
            "context_length_exceeded",
        ),
        ContextTooLong,
    ),
    Case(
        "policy",
        "openai",
        400,
        openai_error(
            "Your request was rejected as a result of our safety system.",
            "invalid_request_error",
            "content_policy_violation",
        ),
        ContentRefused,
    ),
    Case(
        "flagged",
        "openai",
        400,
        openai_error(
            "Invalid prompt: your prompt was flagged as potentially violating our "
            "usage policy.",
            "invalid_request_error",
            "invalid_prompt",
        ),
        ContentRefused,
    ),
    Case(
        "no such model",
        "openai",
        404,
        openai_error(
            "The model `gpt-4` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
        ),
        ModelGone,
    ),
    Case(
        "a model that the project may not use",
        "openai",
        403,
        openai_error(
            "Project `proj_abc` does not have access to model `gpt-5`",
            "invalid_request_error",
            "model_not_found",
        ),
        ModelGone,
    ),
    Case(
        "wrong key",
        "openai",
        401,
        openai_error(
            "Incorrect API key provided: sk-abc***xyz.",
            "invalid_request_error",
            "invalid_api_key",
        ),
        BadKey,
    ),
    Case(
        "in words",
        "openai",
        429,
        openai_error(
            "Requests have exceeded call rate limit. Please retry after 2 seconds."
        ),
        RateLimited,
        wait=2.0,
    ),
)

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
        "minutes",
        "openai",
        {
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-limit-tokens": "30000",
            "x-ratelimit-remaining-tokens": "29000",
            "x-ratelimit-reset-tokens": "2s",
            "x-ratelimit-limit-project-tokens": "10000",
        },
        (
            ReportedLimit(
                metric=REQUESTS,
                unit="minute",
                amount=500,
                remaining=499,
                resets_in=0.12,
            ),
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=30_000,
                remaining=29_000,
                resets_in=2.0,
            ),
            ReportedLimit(metric=TOKENS, unit="minute", amount=10_000),
        ),
    ),
    HeaderCase(
        "a day, by its pace",
        "openai",
        {
            "x-ratelimit-limit-requests": "200",
            "x-ratelimit-remaining-requests": "198",
            "x-ratelimit-reset-requests": "14m24s",
        },
        (
            ReportedLimit(
                metric=REQUESTS, unit="day", amount=200, remaining=198, resets_in=864.0
            ),
        ),
    ),
    HeaderCase(
        "no pace while nothing is missing",
        "openai",
        {
            "x-ratelimit-limit-requests": "200",
            "x-ratelimit-remaining-requests": "200",
            "x-ratelimit-reset-requests": "0s",
        },
        (
            ReportedLimit(
                metric=REQUESTS,
                unit="minute",
                amount=200,
                remaining=200,
                resets_in=0.0,
            ),
        ),
    ),
    HeaderCase(
        "no pace without a reset",
        "openai",
        {"x-ratelimit-limit-requests": "200"},
        (ReportedLimit(metric=REQUESTS, unit="minute", amount=200),),
    ),
    HeaderCase("no limit is none", "openai", {"x-ratelimit-limit-requests": "0"}, ()),
    HeaderCase("minus one is none", "openai", {"x-ratelimit-limit-tokens": "-1"}, ()),
)

UNSUPPORTED = (
    ("openai", 400, "Invalid content type. image_url is only supported by certain"),
    ("openai", 400, "Invalid schema for function: invalid_function_parameters"),
    ("openai", 400, "Unsupported value: 'temperature' does not support 0.2 with"),
)
