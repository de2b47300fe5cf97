"""What providers say when they refuse, and what their headers tell, as typed values.

The bodies are captured ones, shortened; ids of organisations are made up.
"""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import deployment, provider
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
    Unsupported,
)
from crew.providers.exchange import MOST_BYTES
from crew.providers.prompt import Prompt
from crew.providers.signals import ReportedLimit, classify, reported_by_headers
from crew.providers.transport import OnChunk, acomplete, complete
from crew.quota.limits import Metric
from crew.settings import Deployment

NOW = datetime(2026, 4, 10, 12, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0
TO_MIDNIGHT_UTC = 12 * 3_600.0
TO_MIDNIGHT_PACIFIC = 19 * 3_600.0  # it is 05:00 there
TO_MAY = 20.5 * DAY
REQUESTS, TOKENS = Metric.REQUESTS, Metric.TOKENS
INPUT, OUTPUT = Metric.INPUT_TOKENS, Metric.OUTPUT_TOKENS
ORG = "org-0123456789abcdef"


@dataclass(frozen=True)
class Case:
    """An answer of a provider, and what it says."""

    name: str
    family: str
    status: int
    body: object
    kind: type[ProviderError]
    wait: float | None = None
    reported: tuple[ReportedLimit, ...] = ()
    never: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    known: bool = True

    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    def error(self, now: float | None = NOW) -> ProviderError:
        return classify(
            "slot", self.status, self.text(), self.headers, family=self.family, now=now
        )


def openai(message: str, kind: str | None = None, code: str | None = None) -> object:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return {"error": error}


def anthropic(kind: str, message: str, **more: object) -> object:
    error = {"type": kind, "message": message, **more}
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR"}


def openrouter(message: str, code: int, **metadata: object) -> object:
    error = {"message": message, "code": code, "metadata": metadata}
    return {"error": error, "user_id": "user_2abc"}


def mistral(message: str, kind: str, code: str | None) -> object:
    return {
        "object": "error",
        "message": message,
        "type": kind,
        "param": None,
        "code": code,
        "raw_status_code": 429,
    }


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

GEMINI = [
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
        BadKey,
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
]

OPENAI = [
    Case(
        "tokens of the minute",
        "openai",
        429,
        openai(
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
        openai(
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
        openai(
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
        openai(
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
        openai(
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
            openai(
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
        openai("Slow down.", "rate_limit_error", "slow_down"),
        RateLimited,
        wait=15.0,
        headers={"Retry-After": "15"},
    ),
    Case(
        "overloaded",
        "openai",
        503,
        openai("Busy.", "service_unavailable_error", "server_is_overloaded"),
        Overloaded,
        wait=2.0,
        headers={"retry-after": "2"},
    ),
    Case(
        "too long",
        "openai",
        400,
        openai(
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
        openai(
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
        openai(
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
        openai(
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
        openai(
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
        openai(
            "Incorrect API key provided: sk-abc***xyz.",
            "invalid_request_error",
            "invalid_api_key",
        ),
        BadKey,
    ),
]


def on_groq(on: str, numbers: str, wait: str) -> object:
    message = (
        "Rate limit reached for model `llama-3.3-70b-versatile` in organization "
        f"`org_01j` service tier `on_demand` on {on}: {numbers}. Please try again in "
        f"{wait}. Need more tokens? Upgrade to Dev Tier today at "
        "https://console.groq.com/settings/billing"
    )
    error = {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}
    return {"error": error}


GROQ = [
    Case(
        "tokens of the day, a bucket that refills",
        "groq",
        429,
        on_groq(
            "tokens per day (TPD)",
            "Limit 100000, Used 97050, Requested 3619",
            "9m38.016s",
        ),
        RateLimited,
        wait=578.016,
        reported=(
            ReportedLimit(
                metric=TOKENS,
                unit="day",
                amount=100_000,
                remaining=2_950,
                resets_in=0.9705 * DAY,
            ),
            ReportedLimit(
                metric=REQUESTS,
                unit="day",
                amount=1_000,
                remaining=998,
                resets_in=172.8,
            ),
        ),
        headers={
            "retry-after": "579",
            "x-ratelimit-limit-requests": "1000",
            "x-ratelimit-remaining-requests": "998",
            "x-ratelimit-reset-requests": "2m52.8s",
        },
    ),
    Case(
        "charged beyond the limit afterwards",
        "groq",
        429,
        on_groq(
            "tokens per minute (TPM)",
            "Limit 7500, Used 16673, Requested ~3658",
            "1m42.653s",
        ),
        RateLimited,
        wait=102.653,
        reported=(
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=7_500,
                remaining=-9_173,
                resets_in=16_673 / 7_500 * 60,
            ),
        ),
    ),
    Case(
        "a time is told for what never fits",
        "groq",
        429,
        on_groq(
            "tokens per minute (TPM)", "Limit 9000, Used 0, Requested 16008", "46.72s"
        ),
        RateLimited,
        reported=(
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=9_000,
                remaining=9_000,
                resets_in=0.0,
            ),
        ),
        never=True,
    ),
    Case(
        "larger than the bucket is a 413",
        "groq",
        413,
        openai(
            "Request too large for model `llama-3.1-8b-instant` in organization "
            "`org_01j` service tier `on_demand` on tokens per minute (TPM): Limit 6000,"
            " Requested 7000, please reduce your message size and try again.",
            "tokens",
            "rate_limit_exceeded",
        ),
        RateLimited,
        reported=(ReportedLimit(metric=TOKENS, unit="minute", amount=6_000),),
        never=True,
    ),
    Case(
        "a 413 without numbers",
        "groq",
        413,
        openai("Please reduce your message.", "tokens", "rate_limit_exceeded"),
        RateLimited,
        never=True,
        headers={"retry-after": "3"},
    ),
    Case(
        "decommissioned",
        "groq",
        400,
        openai(
            "The model `llama3-70b-8192` has been decommissioned and is no longer "
            "supported.",
            "invalid_request_error",
            "model_decommissioned",
        ),
        ModelGone,
    ),
    Case(
        "flex capacity",
        "groq",
        498,
        openai("Flex tier capacity exceeded", "error", "capacity_exceeded"),
        Overloaded,
    ),
]

ANTHROPIC = [
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
        BadRequest,
        known=False,
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
]

THINKING = (
    "The `reasoning_content` in the thinking mode must be passed back to the API."
)
OPENROUTER = [
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
        openrouter("Provider returned error", 400, raw=json.dumps(openai(THINKING))),
        Unsupported,
    ),
    Case(
        "too long for whoever serves it",
        "openrouter",
        400,
        openrouter(
            "Provider returned error",
            400,
            raw=json.dumps(openai("maximum context length is 8192 tokens")),
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
]

OTHERS = [
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
    *(
        Case(
            kind,
            "together_ai",
            429,
            {"id": "o1", **openai("Slower, please.", kind)},  # type: ignore[dict-item]
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
        openai(
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
        openai(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193"
        ),
        ContextTooLong,
    ),
    Case(
        "the month is paid up",
        "together_ai",
        402,
        openai("You have reached your monthly credit limit."),
        OutOfMoney,
        wait=TO_MAY,
        known=False,
    ),
    Case(
        "no balance",
        "deepseek",
        402,
        openai("Insufficient Balance", "unknown_error", "invalid_request_error"),
        OutOfMoney,
    ),
    Case(
        "in words",
        "openai",
        429,
        openai("Requests have exceeded call rate limit. Please retry after 2 seconds."),
        RateLimited,
        wait=2.0,
    ),
    Case(
        "too many at once",
        "deepseek",
        429,
        openai("Rate limit reached: concurrent requests"),
        RateLimited,
    ),
    Case(
        "risk",
        "deepseek",
        400,
        openai("Content Exists Risk", "invalid_request_error"),
        ContentRefused,
    ),
    Case(
        "no such model",
        "deepseek",
        400,
        openai("Model Not Exist", "invalid_request_error"),
        ModelGone,
    ),
    Case(
        "no such model",
        "ollama_chat",
        404,
        {"error": 'model "qwen3" not found, try pulling it first'},
        ModelGone,
    ),
]
CASES = [*GEMINI, *OPENAI, *GROQ, *ANTHROPIC, *OPENROUTER, *OTHERS]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.family}: {c.name}")
def test_a_captured_body_is_understood(case: Case) -> None:
    error = case.error()

    assert type(error) is case.kind
    assert error.status == case.status
    assert error.retry_after == pytest.approx(case.wait)
    assert error.never is case.never
    assert len(error.reported) == len(case.reported)
    for found, expected in zip(error.reported, case.reported, strict=True):
        assert (found.metric, found.unit) == (expected.metric, expected.unit)
        assert (found.amount, found.remaining) == (expected.amount, expected.remaining)
        assert found.resets_in == pytest.approx(expected.resets_in)
    assert (error.raw == "") is case.known


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.family}: {c.name}")
def test_the_family_is_not_needed_to_read_a_body(case: Case) -> None:
    error = classify("slot", case.status, case.text(), case.headers, now=NOW)

    assert type(error) is case.kind


# Headers.

HEADERS: list[tuple[str, str, dict[str, str], tuple[ReportedLimit, ...]]] = [
    (
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
    (
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
    (
        "requests of the day, tokens of the minute",
        "groq",
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-limit-tokens": "18000",
            "x-ratelimit-remaining-tokens": "17997",
            "x-ratelimit-reset-tokens": "7.66s",
        },
        (
            ReportedLimit(
                metric=REQUESTS,
                unit="day",
                amount=14_400,
                remaining=14_370,
                resets_in=179.56,
            ),
            ReportedLimit(
                metric=TOKENS,
                unit="minute",
                amount=18_000,
                remaining=17_997,
                resets_in=7.66,
            ),
        ),
    ),
    (
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
    (
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
    (
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
    (
        "the window is in the name",
        "cerebras",
        {
            "x-ratelimit-limit-requests-day": "14400",
            "x-ratelimit-remaining-requests-day": "14399",
            "x-ratelimit-reset-requests-day": "3600.5",
            "x-ratelimit-limit-tokens-minute": "60000",
        },
        (
            ReportedLimit(
                metric=REQUESTS,
                unit="day",
                amount=14_400,
                remaining=14_399,
                resets_in=3_600.5,
            ),
            ReportedLimit(metric=TOKENS, unit="minute", amount=60_000),
        ),
    ),
    (
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
    (
        "no pace without a reset",
        "openai",
        {"x-ratelimit-limit-requests": "200"},
        (ReportedLimit(metric=REQUESTS, unit="minute", amount=200),),
    ),
    ("no limit is none", "openai", {"x-ratelimit-limit-requests": "0"}, ()),
    ("minus one is none", "openai", {"x-ratelimit-limit-tokens": "-1"}, ()),
    ("no number", "groq", {"x-ratelimit-limit-tokens": "many"}, ()),
    ("endless", "groq", {"x-ratelimit-remaining-tokens": "inf"}, ()),
    ("too large", "groq", {"x-ratelimit-remaining-tokens": "9" * 40}, ()),
    ("gemini tells nothing", "gemini", {"x-ratelimit-limit-requests": "5"}, ()),
    ("nothing", "", {"content-type": "application/json"}, ()),
]


@pytest.mark.parametrize(
    ("family", "headers", "expected"),
    [pytest.param(*case[1:], id=f"{case[1]}: {case[0]}") for case in HEADERS],
)
def test_headers_tell_limits(
    family: str, headers: dict[str, str], expected: tuple[ReportedLimit, ...]
) -> None:
    assert reported_by_headers(family, headers, now=NOW) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [case[2:] for case in HEADERS if case[1] not in ("groq", "gemini")],
    ids=lambda value: str(value)[:40],
)
def test_of_an_unknown_family_the_names_decide(
    headers: dict[str, str], expected: tuple[ReportedLimit, ...]
) -> None:
    assert reported_by_headers("new", headers, now=NOW) == expected


def test_together_is_known_by_its_names_alone_when_tokens_are_told() -> None:
    headers = {"x-tokenlimit-limit": "300", "x-ratelimit-limit": "10"}

    reported = reported_by_headers("new", headers, now=NOW)

    assert [(one.metric, one.unit) for one in reported] == [
        (REQUESTS, "second"),
        (TOKENS, "second"),
    ]


RETRY_AFTER = [
    ("7", 7.0),
    ("0", 0.0),
    ("0.5", 0.5),
    (" 12 ", 12.0),
    ("-3", 0.0),
    ("6m0.5s", 360.5),
    ("1h2m3s", 3_723.0),
    ("84ms", 0.084),
    ("250us", 0.00025),
    ("Fri, 10 Apr 2026 12:00:30 GMT", 30.0),
    ("Friday, 10-Apr-26 12:00:30 GMT", 30.0),
    ("Fri Apr 10 12:00:30 2026", 30.0),
    ("Fri, 10 Apr 2026 11:00:00 GMT", 0.0),
    ("2026-04-10T12:01:00Z", 60.0),
    (str(int(NOW) + 9), 9.0),
    (f"{int(NOW * 1_000) + 9_000}", 9.0),
    ("nan", None),
    ("inf", None),
    ("-inf", None),
    ("1e300", None),
    (str(33 * 86_400), None),
    ("999999999h", None),
    ("Fri, 10 Apr 2099 12:00:00 GMT", None),
    ("Fri, 99 Foo 9999 99:99:99 GMT", None),
    ("soon", None),
    ("1x", None),
    ("1h and more", None),
    ("", None),
    ("5" * 5_000, None),
    ("1m" * 5_000, None),
]


@pytest.mark.parametrize(("text", "expected"), RETRY_AFTER, ids=lambda v: str(v)[:40])
def test_retry_after_is_read_in_every_form(text: str, expected: float | None) -> None:
    error = classify("slot", 503, "{}", {"Retry-After": text}, now=NOW)

    assert error.retry_after == pytest.approx(expected)


def test_the_finer_retry_after_wins() -> None:
    headers = {"retry-after": "2", "retry-after-ms": "1250"}

    assert classify("slot", 429, "", headers, now=NOW).retry_after == 1.25


def test_without_a_clock_the_answers_own_date_counts() -> None:
    headers = {"Date": "Fri, 10 Apr 2026 12:00:00 GMT"}
    case = GEMINI[0]

    dated = classify("slot", 429, case.text(), headers, family="gemini")
    undated = classify("slot", 429, case.text(), {}, family="gemini")

    assert dated.retry_after == TO_MIDNIGHT_PACIFIC
    assert isinstance(undated, RateLimited)
    assert undated.retry_after is None


@pytest.mark.parametrize(
    ("local", "hours"),
    [
        ("2026-03-08T00:00:00-08:00", 23),
        ("2026-03-08T12:00:00-07:00", 12),
        ("2026-11-01T00:00:00-07:00", 25),
        ("2026-11-01T01:30:00-07:00", 23.5),
        ("2026-11-01T01:30:00-08:00", 22.5),
        ("2026-04-10T23:59:59-07:00", 1 / 3_600),
        # Refused for the day before: their clock is late, or ours is early.
        ("2026-04-11T00:00:01-07:00", 59 / 3_600),
        ("2026-04-11T00:01:01-07:00", 24 - 61 / 3_600),
    ],
)
def test_geminis_day_ends_at_midnight_pacific(local: str, hours: float) -> None:
    now = datetime.fromisoformat(local).timestamp()

    assert GEMINI[0].error(now).retry_after == pytest.approx(hours * 3_600)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-02-01T00:00:00+00:00", 28),
        ("2026-12-31T00:00:00+00:00", 1),
        ("2026-03-01T00:00:20+00:00", 40 / DAY),
    ],
)
def test_a_spend_cap_ends_with_the_month(now: str, days: int) -> None:
    (capped,) = (case for case in ANTHROPIC if case.name.startswith("the month's cap"))

    error = capped.error(datetime.fromisoformat(now).timestamp())

    assert error.retry_after == pytest.approx(days * DAY)


def test_a_cap_with_a_date_that_does_not_exist_has_no_time() -> None:
    text = "specified API usage limits. You will regain access on 2026-99-99"

    assert classify("slot", 400, text, {}, now=NOW).retry_after is None


def test_a_used_up_minute_is_awaited_when_nothing_else_is_said() -> None:
    headers = {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20h",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "31s",
    }

    error = classify("slot", 429, "", headers, family="groq", now=NOW)

    assert error.retry_after == 31.0


@pytest.mark.parametrize(
    ("family", "status", "message"),
    [
        ("openai", 400, "Invalid content type. image_url is only supported by certain"),
        ("gemini", 400, "Image input modality is not enabled for models/gemma-3-1b-it"),
        ("gemini", 400, "Function calling is not enabled for models/gemma-3-1b-it"),
        ("gemini", 400, "Function call is missing a thought_signature in functionCall"),
        ("deepseek", 400, f"{THINKING}"),
        ("deepseek", 422, "messages[0]: unknown variant `image_url`, expected `text`"),
        ("moonshot", 400, "thinking is enabled but reasoning_content is missing in as"),
        ("groq", 400, "`tool calling` is not supported with this model"),
        ("groq", 400, "'messages.2' : property 'reasoning_content' is unsupported"),
        ("ollama_chat", 400, "library/gemma3:4b does not support tools"),
        ("ollama_chat", 500, "this model is missing data required for image input"),
        ("anthropic", 400, "messages.1.content.0.tool_use.id: String should match pa"),
        (
            "anthropic",
            400,
            "messages.1.content.0: Invalid `signature` in `thinking` bl",
        ),
        (
            "mistral",
            400,
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a le",
        ),
        ("together_ai", 400, "This model does not support image inputs"),
        ("openai", 400, "Invalid schema for function: invalid_function_parameters"),
        ("mistral", 400, "Unexpected role 'user' after role 'tool'"),
        ("openai", 400, "Unsupported value: 'temperature' does not support 0.2 with"),
        ("anthropic", 400, "`temperature` is not supported for this model"),
        ("anthropic", 400, "This model does not support assistant message prefill."),
    ],
)
def test_what_one_model_cannot_take_is_no_fault_of_the_request(
    family: str, status: int, message: str
) -> None:
    body = json.dumps(openai(message, "invalid_request_error"))

    error = classify("slot", status, body, {}, family=family)

    assert type(error) is Unsupported
    assert error.costs_nothing


@pytest.mark.parametrize(
    ("message", "window"),
    [
        ("This model's maximum context length is 8,192 tokens. However, ...", 8_192),
        ("prompt is too long: 205000 tokens > 200000 maximum", 200_000),
        (
            "input length and `max_tokens` exceed context limit: 199000 + 8000 > "
            "200000, decrease input length",
            200_000,
        ),
        (
            "The input token count (120) exceeds the maximum number of tokens "
            "allowed (1048576).",
            1_048_576,
        ),
        ("the prompt exceeds the context length", None),
    ],
)
def test_how_much_fits_is_read_where_it_is_said(
    message: str, window: int | None
) -> None:
    body = json.dumps({"error": {"message": message, "code": None}})

    error = classify("slot", 400, body, {}, family="openai")

    assert isinstance(error, ContextTooLong)
    assert error.window == window


def test_a_message_that_crewai_waits_for_is_in_too_long_a_conversation() -> None:
    (too_long,) = (c for c in OPENAI if c.name == "too long")

    assert "maximum context length" in str(too_long.error())


# What nobody knows.

BY_STATUS: list[tuple[int, type[ProviderError]]] = [
    (400, BadRequest),
    (401, BadKey),
    (402, OutOfMoney),
    (403, BadKey),
    (404, ModelGone),
    (408, TimedOut),
    (409, BadRequest),
    (413, BadRequest),
    (418, BadRequest),
    (422, BadRequest),
    (429, RateLimited),
    (500, Overloaded),
    (502, Overloaded),
    (503, Overloaded),
    (504, Overloaded),
    (529, Overloaded),
    (200, BadAnswer),
    (302, BadAnswer),
    (0, BadAnswer),
    (-1, BadAnswer),
]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "null", "<html>no</html>", '{"error": {"message": "?"}}']
)
def test_the_status_decides_about_an_unknown_body(
    status: int, kind: type[ProviderError], body: str
) -> None:
    error = classify("slot", status, body, {}, now=NOW)

    assert type(error) is kind
    assert (error.retry_after, error.never, error.reported) == (None, False, ())


def test_what_is_unknown_is_kept_for_the_journal() -> None:
    body = openai("Something odd about this request", "odd_error", "odd")

    raw = json.loads(classify("slot", 400, json.dumps(body), {}).raw)

    assert raw == {
        "type": "odd_error",
        "code": "odd",
        "message": "Something odd about this request",
    }


KEYS = [
    "sk-proj-abcdefghijklmnop",
    "sk-ant-api03-AAAA_bbbb-cccc",
    "sk-or-v1-0123456789abcdef0123456789abcdef",
    "gsk_abcdefghijklmnop",
    "AIzaSyA-abcdefghijklmnop",
    "Bearer abc.def",
    "0123456789abcdef0123456789abcdef",
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "ABCDEFGHIJKLMNOPQRSTUVWX",
    "abcdefghijklmnopqrstuvwxyz",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "body",
    [
        "denied for {}, sorry",
        "{}",
        "x" * 5 + " " * 80 + "{}",
        '{{"error": {{"message": "denied for {}", "type": "odd"}}}}',
        '{{"error": {{"code": "{}", "type": "{}"}}}}',
        '{{"message": "key={}"}}',
    ],
)
def test_no_key_stays_in_what_is_kept(key: str, body: str) -> None:
    for status in (400, 401, 429, 500):
        error = classify("slot", status, body.format(key, key), {})

        assert key not in error.raw
        assert key[-12:] not in error.raw
        assert key not in str(error)


PROMPT = "Write my diary for the king"


@pytest.mark.parametrize(
    "body",
    [
        openai(f"Invalid value: '{PROMPT}'. Supported values are: 'a'."),
        openai(f'Could not parse "{PROMPT}'),
        openai("Validation failed: " + json.dumps({"content": PROMPT})),
        openai("x" * 101 + PROMPT),
        openai(f"1 validation error: input_value={PROMPT}"),
        {"detail": [{"type": "extra", "msg": "not allowed", "input": PROMPT}]},
        {"object": "error", "message": {"detail": [{"msg": "no", "input": PROMPT}]}},
        {"messages": [{"role": "user", "content": PROMPT}]},
        {"error": {"message": "no", "request": PROMPT}},
        [{"error": {"message": "no", "details": [{"description": PROMPT}]}}],
    ],
    ids=lambda body: json.dumps(body)[:50],
)
def test_no_prompt_stays_in_what_is_kept(body: object) -> None:
    for status in (400, 422, 429, 500):
        error = classify("slot", status, json.dumps(body), {})

        assert "diary" not in error.raw
        assert "diary" not in str(error)


# Whatever comes.

COARSE: dict[int, type[ProviderError]] = dict(BY_STATUS)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "details",
                    "metadata",
                    "headers",
                    "violations",
                    "quotaId",
                    "quotaValue",
                    "retryDelay",
                    "detail",
                    "msg",
                    "code",
                    "type",
                    "status",
                    "X-RateLimit-Reset",
                    "X-RateLimit-Limit",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
BODIES = st.one_of(
    st.text(),
    st.binary().map(lambda raw: raw.decode(errors="replace")),
    ANYTHING.map(json.dumps),
    st.sampled_from(CASES).map(Case.text),
    st.tuples(st.sampled_from(CASES), st.integers(0, 900)).map(
        lambda pair: pair[0].text()[: pair[1]]
    ),
    st.tuples(st.sampled_from(CASES), st.integers(0, 300), st.text(max_size=5)).map(
        lambda part: part[0].text()[: part[1]] + part[2] + part[0].text()[part[1] + 3 :]
    ),
)
NAMES = sorted({name for _, _, headers, _ in HEADERS for name in headers})
SOME_HEADERS = st.dictionaries(
    st.sampled_from([*NAMES, "retry-after", "Retry-After-Ms", "date"])
    | st.text(max_size=10),
    st.text(max_size=20)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from([text for text, _ in RETRY_AFTER]),
    max_size=6,
)
FAMILIES = [*sorted({case.family for case in CASES}), "", "new"]


@settings(deadline=None)  # a busy machine is no failure
@given(
    status=st.sampled_from(sorted(COARSE)) | st.integers(-10, 1_000),
    body=BODIES,
    headers=SOME_HEADERS,
    family=st.sampled_from(FAMILIES),
    now=st.none() | st.floats(0, 4e9),
)
def test_nothing_that_comes_breaks_the_reading(
    status: int, body: str, headers: dict[str, str], family: str, now: float | None
) -> None:
    error = classify("slot", status, body, headers, family=family, now=now)

    assert isinstance(error, ProviderError)
    assert error.status == status
    if error.retry_after is not None:
        assert 0 <= error.retry_after <= 32 * DAY
    if error.never:
        assert error.retry_after is None
    assert len(error.raw) <= 500
    for reported in error.reported:
        assert reported.unit in ("second", "minute", "hour", "day", "month")
        assert reported.amount is None or reported.amount > 0
        assert reported.resets_in is None or 0 <= reported.resets_in <= 32 * DAY
    if status == 429:
        assert isinstance(error, RateLimited | OutOfMoney | Overloaded | ModelGone)
    if status >= 500:
        assert type(error) is Overloaded


@settings(deadline=None)
@given(status=st.integers(-10, 1_000), body=ANYTHING.map(json.dumps))
def test_a_body_without_a_known_word_is_judged_by_its_status(
    status: int, body: str
) -> None:
    error = classify("slot", status, body, {}, now=NOW)

    expected = COARSE.get(status)
    if expected is None:
        expected = BadRequest if 400 <= status < 500 else BadAnswer
        expected = Overloaded if status >= 500 or status == 498 else expected
    assert type(error) is expected


@pytest.mark.parametrize(
    "text",
    [
        "tokens per min " * 20_000,
        "tokens per min (TPM): Limit " + "1," * 100_000,
        "Please try again in " + "1m" * 100_000,
        "of " + "1," * 100_000,
        "limit: " * 50_000,
        "'" * 200_000,
        "a' '" * 50_000,
        "a-b_" * 50_000,
        "<" * 200_000,
        "[" * 200_000,
        '{"error":' * 30_000,
        '{"a":' * 199_000,
        " " * 200_000 + "{",
        "input " * 50_000,
        "sk-" * 80_000,
        '{"error": {"code": ' + "9" * 5_000 + "}}",
        '{"error": {"code": ' + "9" * 4_000 + "}}",
        json.dumps({"error": {"details": [[]] * 50_000}}),
        json.dumps({"error": {"details": [{"violations": [{}] * 1_000}] * 100}}),
    ],
    ids=lambda text: text[:30],
)
def test_a_hostile_body_is_read_in_no_time(text: str) -> None:
    began = time.perf_counter()
    for status in (400, 413, 429, 500):
        error = classify("slot", status, text, {"retry-after": text}, now=NOW)
        assert error.retry_after is None
    assert time.perf_counter() - began < 5.0


# Through litellm, on real HTTP.


class Canned(ThreadingHTTPServer):
    """A server that gives one answer to everything."""

    daemon_threads = True
    answer: tuple[int, dict[str, str], str | bytes] = (200, {}, "")
    accepted: str | None = None

    def at(self, model: str) -> Deployment:
        """A deployment that it serves."""
        family = model.partition("/")[0]
        plain = family in ("anthropic", "gemini")
        url = f"http://127.0.0.1:{self.server_port}{'' if plain else '/v1'}"
        by = provider(family, base_url=url, timeout=5.0)
        return deployment("slot", by, model=model)


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Canned)
        self.rfile.read(int(self.headers["content-length"]))
        self.server.accepted = self.headers["accept-encoding"]
        status, headers, text = self.server.answer
        body = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        stream = body.startswith(b"data:")
        kind = "text/event-stream" if stream else "application/json"
        for name, value in {"content-type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def canned() -> Iterator[Canned]:
    with Canned(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


PROMPTED = Prompt(messages=[{"role": "user", "content": "Say hello."}])


def _ignore(chunk: object) -> None:
    """A listener that does not listen."""


STREAM = pytest.mark.parametrize("on_chunk", [None, _ignore], ids=["whole", "stream"])


def caught(at: Deployment, on_chunk: OnChunk | None, now: float | None = NOW) -> Any:
    with pytest.raises(ProviderError) as failed:
        complete(at, PROMPTED, on_chunk, now=now)
    return failed.value


def read(error: ProviderError) -> tuple[object, ...]:
    return type(error), error.retry_after, error.reported, error.never, error.raw


ONE_OF_EACH = {(case.family, case.kind): case for case in reversed(CASES)}.values()


@STREAM
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda c: f"{c.family}: {c.name}")
def test_litellm_passes_on_what_the_provider_said(
    canned: Canned, case: Case, on_chunk: OnChunk | None
) -> None:
    canned.answer = (case.status, case.headers, case.text())

    error = caught(canned.at(f"{case.family}/some-model"), on_chunk)

    assert read(error) == read(case.error())


@STREAM
async def test_litellm_passes_it_on_to_those_who_wait_together(
    canned: Canned, on_chunk: OnChunk | None
) -> None:
    for case in (GEMINI[0], OPENAI[0], GROQ[0], ANTHROPIC[0], OPENROUTER[0]):
        canned.answer = (case.status, case.headers, case.text())
        with pytest.raises(ProviderError) as failed:
            await acomplete(
                canned.at(f"{case.family}/some-model"), PROMPTED, on_chunk, now=NOW
            )

        assert read(failed.value) == read(case.error())


@STREAM
def test_the_date_of_the_answer_stands_in_for_a_clock(
    canned: Canned, on_chunk: OnChunk | None
) -> None:
    canned.answer = (429, {}, GEMINI[0].text())

    error = caught(canned.at("gemini/some-model"), on_chunk, now=None)

    assert 0 < error.retry_after <= 25 * 3_600


CHOICE = {"index": 0, "finish_reason": "stop"}
SAID = {"role": "assistant", "content": "hello"}
FRAME = {"id": "c1", "created": 1, "model": "some-model"}
WHOLE = {
    **FRAME,
    "object": "chat.completion",
    "choices": [CHOICE | {"message": SAID}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
CHUNK = {
    **FRAME,
    "object": "chat.completion.chunk",
    "choices": [CHOICE | {"delta": SAID}],
}


def sse(*frames: object) -> str:
    lines = [f"data: {json.dumps(frame)}\n\n" for frame in frames]
    return "".join([*lines, "data: [DONE]\n\n"])


@STREAM
def test_an_answer_tells_the_limits_too(
    canned: Canned, on_chunk: OnChunk | None
) -> None:
    _, family, headers, expected = HEADERS[0]
    body = json.dumps(WHOLE) if on_chunk is None else sse(CHUNK)
    canned.answer = (200, headers, body)

    answer = complete(canned.at(f"{family}/some-model"), PROMPTED, on_chunk, now=NOW)

    assert answer.text == "hello"
    assert answer.reported == expected


def test_an_answer_of_no_use_tells_the_limits_too(canned: Canned) -> None:
    _, family, headers, expected = HEADERS[0]
    empty = {**WHOLE, "choices": [CHOICE | {"message": SAID | {"content": ""}}]}
    canned.answer = (200, headers, json.dumps(empty))

    error = caught(canned.at(f"{family}/some-model"), None)

    assert isinstance(error, BadAnswer)
    assert (error.reported, error.charged) == (expected, (3, 1))


@STREAM
@pytest.mark.parametrize("family", ["openai", "anthropic", "gemini", "groq"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed_with_the_key(
    canned: Canned, status: int, family: str, on_chunk: OnChunk | None
) -> None:
    with Canned(("127.0.0.1", 0), _Handler) as other:  # who listens, and answers nobody
        other.timeout = 0.05
        elsewhere = {"location": f"http://127.0.0.1:{other.server_port}/v1"}
        canned.answer = (status, elsewhere, "{}")

        error = caught(canned.at(f"{family}/some-model"), on_chunk)

        assert type(error) is BadAnswer
        assert "it redirects" in str(error)
        asked: list[object] = []
        other.process_request = lambda *_: asked.append(_)  # type: ignore[method-assign]
        other.handle_request()
        assert asked == []


@STREAM
def test_a_key_that_cannot_be_sent_is_a_bad_key(
    canned: Canned, on_chunk: OnChunk | None
) -> None:
    at = canned.at("anthropic/some-model")
    broken = replace(at, provider=replace(at.provider, api_key="sk-one\ntwo"))

    error = caught(broken, on_chunk)

    assert type(error) is BadKey
    assert "sk-" not in str(error)


FAILED_ENDS = [
    ("openrouter", {**CHOICE, "finish_reason": "error", "error": {"code": 502}}),
    ("groq", {**CHOICE, "finish_reason": "error"}),
]


@STREAM
@pytest.mark.parametrize(("family", "choice"), FAILED_ENDS)
def test_an_answer_that_ends_in_an_error_is_none(
    canned: Canned, family: str, choice: dict[str, object], on_chunk: OnChunk | None
) -> None:
    if on_chunk is None:
        whole = {**WHOLE, "choices": [{**choice, "message": SAID}]}
        body = json.dumps({**whole, "service_tier": "on_demand"})
    else:
        end = {**FRAME, "choices": [{**choice, "delta": {}}]}
        body = sse(CHUNK | {"choices": [{"index": 0, "delta": SAID}]}, end)
    canned.answer = (200, {}, body)

    assert type(caught(canned.at(f"{family}/some-model"), on_chunk)) is BadAnswer


def test_a_stream_of_gemini_that_comes_packed_is_an_answer(canned: Canned) -> None:
    """We ask for it unpacked; a gateway may not care."""
    content = {"role": "model", "parts": [{"text": "whole"}]}
    end = {"content": content, "index": 0, "finishReason": "STOP"}
    frames = sse({"candidates": [end], "responseId": "r1"})
    body = gzip.compress(frames.replace("data: [DONE]\n\n", "").encode())
    named = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    canned.answer = (200, named, body)

    answer = complete(canned.at("gemini/some-model"), PROMPTED, _ignore, now=NOW)

    assert answer.text == "whole"
    assert canned.accepted == "identity"


@pytest.mark.parametrize("reason", [None, "MALFORMED_FUNCTION_CALL"])
def test_a_stream_of_gemini_without_a_good_end_is_no_answer(
    canned: Canned, reason: str | None
) -> None:
    content = {"role": "model", "parts": [{"text": "half"}]}
    candidate = {"content": content, "index": 0}
    frames = [{"candidates": [candidate], "responseId": "r1"}]
    if reason is not None:
        last = {"content": {"parts": []}, "finishReason": reason}
        frames.append({"candidates": [last], "responseId": "r1"})
    canned.answer = (200, {}, sse(*frames).replace("data: [DONE]\n\n", ""))

    assert type(caught(canned.at("gemini/some-model"), _ignore)) is BadAnswer


@STREAM
@pytest.mark.parametrize("family", ["openai", "anthropic", "gemini", "groq"])
def test_of_a_huge_failure_the_beginning_is_read(
    canned: Canned, family: str, on_chunk: OnChunk | None
) -> None:
    body = json.dumps(openai("Rate limit reached", None, "rate_limit_exceeded"))
    canned.answer = (429, {"retry-after": "7"}, body + " " * MOST_BYTES)

    error = caught(canned.at(f"{family}/some-model"), on_chunk)

    assert type(error) is RateLimited
    assert error.retry_after == 7.0


@STREAM
@pytest.mark.parametrize("family", ["openai", "anthropic", "gemini", "groq"])
def test_an_answer_without_end_is_none(
    canned: Canned, family: str, on_chunk: OnChunk | None
) -> None:
    start = ": " if on_chunk is None else "data: "
    canned.answer = (200, {}, start + "x" * (MOST_BYTES + 1_000_000))

    assert type(caught(canned.at(f"{family}/some-model"), on_chunk)) is BadAnswer


@STREAM
def test_a_limit_inside_a_200_is_a_limit(
    canned: Canned, on_chunk: OnChunk | None
) -> None:
    body = OPENROUTER[0].body
    assert isinstance(body, dict)
    frame = {"choices": [CHOICE | {"finish_reason": "error", "delta": {}}], **body}
    whole = json.dumps(body) if on_chunk is None else sse(FRAME | frame)
    canned.answer = (200, {}, whole)

    error = caught(canned.at("openrouter/some-model"), on_chunk)

    assert isinstance(error, RateLimited)
    assert error.retry_after == TO_MIDNIGHT_UTC
