"""Captured answers of Gemini."""

import json

from crew.errors import (
    BadKey,
    Blocked,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    RateLimited,
)
from crew.quota.reported import ReportedLimit
from families.captured import INPUT, REQUESTS, TO_MIDNIGHT_PACIFIC, Case, HeaderCase


def google(code: int, status: str, message: str, *details: object) -> object:
    return {
        "error": {
            "code": code,
            "message": message,
            "status": status,
            "details": list(details),
        }
    }


FREE_REQUESTS = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
FREE_TOKENS = "generativelanguage.googleapis.com/generate_content_free_tier_input_token"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
TOKENS_PER_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"


def exhausted(*violations: tuple[str, str, str | None], delay: str = "") -> object:
    """Gemini's 429, with one violation for each (metric, id, value)."""
    found = []
    lines = ""
    for metric, quota, value in violations:
        entry = {
            "quotaMetric": metric,
            "quotaId": quota,
            "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"},
        }
        found.append(entry | ({"quotaValue": value} if value is not None else {}))
        lines += f"\n* Quota exceeded for metric: {metric}, limit: {value or 0}, "
        lines += "model: gemini-2.5-flash"
    advice = f"\nPlease retry in {delay}." if delay else ""
    details: list[object] = [
        {
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{"description": "Learn more", "url": "https://ai.google.dev"}],
        },
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": found},
    ]
    if delay:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
        details.append(retry | {"retryDelay": delay})
    message = (
        "You exceeded your current quota, please check your plan and billing details."
        " For more information on this error, head to: https://ai.google.dev/gemini-api"
        f"/docs/rate-limits. {lines}{advice}"
    )
    return google(429, "RESOURCE_EXHAUSTED", message, *details)


GEMINI_DAY = ReportedLimit(
    metric=REQUESTS,
    unit="day",
    amount=20,
    remaining=0,
    resets_in=TO_MIDNIGHT_PACIFIC,
)
GEMINI_MINUTE = ReportedLimit(metric=REQUESTS, unit="minute", amount=10, remaining=0)

REFUSALS: tuple[Case, ...] = (
    Case(
        "the day is exhausted and the delay misleads",
        "gemini",
        429,
        exhausted((FREE_REQUESTS, PER_DAY, "20"), delay="47s"),
        RateLimited,
        wait=TO_MIDNIGHT_PACIFIC,
        reported=(GEMINI_DAY,),
    ),
    Case(
        "the day, in a body that was cut",
        "gemini",
        429,
        json.dumps(exhausted((FREE_REQUESTS, PER_DAY, "20"), delay="47s"))[:-20],
        RateLimited,
        wait=TO_MIDNIGHT_PACIFIC,
    ),
    Case(
        "the minute is exhausted",
        "gemini",
        429,
        exhausted((FREE_REQUESTS, PER_MINUTE, "10"), delay="7.967587226s"),
        RateLimited,
        wait=7.967587226,
        reported=(GEMINI_MINUTE,),
    ),
    Case(
        "minute and day at once: the day lasts longer",
        "gemini",
        429,
        exhausted(
            (FREE_REQUESTS, PER_MINUTE, "10"),
            (FREE_TOKENS, TOKENS_PER_MINUTE, "250000"),
            (FREE_REQUESTS, PER_DAY, "20"),
            delay="4.2s",
        ),
        RateLimited,
        wait=TO_MIDNIGHT_PACIFIC,
        reported=(
            GEMINI_MINUTE,
            ReportedLimit(metric=INPUT, unit="minute", amount=250_000),
            GEMINI_DAY,
        ),
    ),
    Case(
        "input tokens of a paid plan",
        "gemini",
        429,
        exhausted(
            (
                "generativelanguage.googleapis.com/generate_content_paid_tier_input",
                "GenerateContentPaidTierInputTokensPerModelPerMinute",
                "2000000",
            ),
            delay="25s",
        ),
        RateLimited,
        wait=25.0,
        reported=(ReportedLimit(metric=INPUT, unit="minute", amount=2_000_000),),
    ),
    Case(
        "a limit of 0 is no offer",
        "gemini",
        429,
        exhausted((FREE_REQUESTS, PER_DAY, "0"), delay="30s"),
        ModelGone,
        reported=(
            ReportedLimit(
                metric=REQUESTS,
                unit="day",
                remaining=0,
                resets_in=TO_MIDNIGHT_PACIFIC,
            ),
        ),
    ),
    Case(
        "a limit of 0 that is only in the message",
        "gemini",
        429,
        exhausted((FREE_REQUESTS, PER_MINUTE, None), delay="30s"),
        ModelGone,
        reported=(ReportedLimit(metric=REQUESTS, unit="minute", remaining=0),),
    ),
    Case(
        "limits that we have no word for",
        "gemini",
        429,
        exhausted(
            ("generativelanguage.googleapis.com/images", "ImagesPerMinute", "5"),
            (FREE_REQUESTS, "RequestsAtOnce", "5"),
            delay="3s",
        ),
        RateLimited,
        wait=3.0,
    ),
    Case(
        "no details: what the message says",
        "gemini",
        429,
        google(429, "RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 12.5s."),
        RateLimited,
        wait=12.5,
    ),
    Case(
        "the error of a stream, in a list",
        "gemini",
        429,
        [exhausted((FREE_REQUESTS, PER_DAY, "20"), delay="47s")],
        RateLimited,
        wait=TO_MIDNIGHT_PACIFIC,
        reported=(GEMINI_DAY,),
    ),
    Case(
        "prepaid and empty",
        "gemini",
        402,
        google(402, "RESOURCE_EXHAUSTED", "Your prepaid balance is empty."),
        OutOfMoney,
        known=False,
    ),
    Case(
        "a wrong key is a 400",
        "gemini",
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            },
        ),
        BadKey,
    ),
    Case(
        "not in this country",
        "gemini",
        400,
        google(400, "FAILED_PRECONDITION", "User location is not supported."),
        Blocked,
    ),
    Case(
        "too long",
        "gemini",
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens "
            "allowed (1048576).",
        ),
        ContextTooLong,
    ),
    Case(
        "overloaded",
        "gemini",
        503,
        google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        Overloaded,
    ),
    Case(
        "retired",
        "gemini",
        404,
        google(
            404,
            "NOT_FOUND",
            "models/gemini-2.0-flash is not found for API version v1beta, or is not "
            "supported for generateContent.",
        ),
        ModelGone,
    ),
)

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
        "gemini tells nothing", "gemini", {"x-ratelimit-limit-requests": "5"}, ()
    ),
)

UNSUPPORTED = (
    ("gemini", 400, "Image input modality is not enabled for models/gemma-3-1b-it"),
    ("gemini", 400, "Function calling is not enabled for models/gemma-3-1b-it"),
    ("gemini", 400, "Function call is missing a thought_signature in functionCall"),
)
