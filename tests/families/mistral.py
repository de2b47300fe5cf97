"""Captured answers of Mistral."""

from crew.errors import ContextTooLong, ModelGone, Overloaded, RateLimited
from crew.quota.reported import ReportedLimit
from families.captured import TOKENS, Case, HeaderCase


def mistral(message: str, kind: str, code: str | None) -> object:
    return {
        "object": "error",
        "message": message,
        "type": kind,
        "param": None,
        "code": code,
        "raw_status_code": 429,
    }


REFUSALS: tuple[Case, ...] = (
    Case(
        "the limit",
        "mistral",
        429,
        mistral("Rate limit exceeded", "rate_limited", "1300"),
        RateLimited,
        wait=40.0,
        reported=(
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=500_000,
                remaining=0,
                resets_in=40.0,
            ),
        ),
        headers={
            "ratelimitbysize-limit": "500000",
            "ratelimitbysize-remaining": "0",
            "ratelimitbysize-reset": "40",
        },
    ),
    Case(
        "the limit, 2025",
        "mistral",
        429,
        {"message": "Requests rate limit exceeded"},
        RateLimited,
    ),
    Case(
        "capacity is not our limit",
        "mistral",
        429,
        mistral(
            "Service tier capacity exceeded for this model.",
            "invalid_request_error",
            None,
        ),
        Overloaded,
    ),
    Case(
        "no such model",
        "mistral",
        400,
        mistral("Invalid model: mistral-tiny", "invalid_model", "1500"),
        ModelGone,
    ),
    Case(
        "too long",
        "mistral",
        400,
        mistral(
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with "
            "32768 maximum context length",
            "invalid_request_error",
            "3051",
        ),
        ContextTooLong,
    ),
)

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
        "minute and month",
        "mistral",
        {
            "ratelimitbysize-limit": "500000",
            "ratelimitbysize-remaining": "467993",
            "ratelimitbysize-reset": "40",
            "ratelimitbysize-query-cost": "32007",
            "x-ratelimitbysize-limit-minute": "500000",
            "x-ratelimitbysize-remaining-minute": "467993",
            "x-ratelimitbysize-limit-month": "1000000000",
            "x-ratelimitbysize-remaining-month": "999967993",
        },
        (
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=500_000,
                remaining=467_993,
                resets_in=40.0,
            ),
            ReportedLimit(
                metric=TOKENS,
                unit="month",
                amount=1_000_000_000,
                remaining=999_967_993,
            ),
        ),
    ),
)

UNSUPPORTED = (
    (
        "mistral",
        400,
        "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a le",
    ),
    ("mistral", 400, "Unexpected role 'user' after role 'tool'"),
)
