"""Captured answers of Together AI."""

from crew.errors import ContextTooLong, ModelGone, OutOfMoney, RateLimited
from crew.quota.reported import ReportedLimit
from families.captured import REQUESTS, TO_MAY, TOKENS, Case, HeaderCase, openai_error

REFUSALS: tuple[Case, ...] = (
    *(
        Case(
            kind,
            "together_ai",
            429,
            {"id": "o1", **openai_error("Slower, please.", kind)},
            RateLimited,
            wait=2.0,
            reported=(
                ReportedLimit(
                    metric=REQUESTS,
                    unit="second",
                    amount=10,
                    remaining=0,
                    resets_in=2.0,
                ),
            ),
            headers={
                "x-ratelimit-limit": "10",
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "2",
            },
        )
        for kind in ("dynamic_request_limited", "dynamic_token_limited")
    ),
    Case(
        "no such model",
        "together_ai",
        400,
        openai_error(
            "Unable to access model meta-llama/Gone. Please visit the list.",
            "invalid_request_error",
            "model_not_available",
        ),
        ModelGone,
    ),
    Case(
        "too long",
        "together_ai",
        422,
        openai_error(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193"
        ),
        ContextTooLong,
    ),
    Case(
        "the month is paid up",
        "together_ai",
        402,
        openai_error("You have reached your monthly credit limit."),
        OutOfMoney,
        wait=TO_MAY,
        known=False,
    ),
)

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
        "seconds",
        "together_ai",
        {
            "x-ratelimit-limit": "10",
            "x-ratelimit-remaining": "9",
            "x-ratelimit-reset": "1",
            "x-tokenlimit-limit": "3000",
            "x-tokenlimit-remaining": "2900",
        },
        (
            ReportedLimit(
                metric=REQUESTS, unit="second", amount=10, remaining=9, resets_in=1.0
            ),
            ReportedLimit(metric=TOKENS, unit="second", amount=3_000, remaining=2_900),
        ),
    ),
)

UNSUPPORTED = (("together_ai", 400, "This model does not support image inputs"),)
