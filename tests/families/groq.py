"""Captured answers of Groq."""

from crew.errors import ModelGone, Overloaded, RateLimited
from crew.quota.reported import ReportedLimit
from families.captured import DAY, REQUESTS, TOKENS, Case, HeaderCase, openai_error


def on_groq(on: str, numbers: str, wait: str) -> object:
    message = (
        "Rate limit reached for model `llama-3.3-70b-versatile` in organization "
        f"`org_01j` service tier `on_demand` on {on}: {numbers}. Please try again in "
        f"{wait}. Need more tokens? Upgrade to Dev Tier today at "
        "https://console.groq.com/settings/billing"
    )
    error = {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}
    return {"error": error}


REFUSALS: tuple[Case, ...] = (
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
        openai_error(
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
        openai_error("Please reduce your message.", "tokens", "rate_limit_exceeded"),
        RateLimited,
        never=True,
        headers={"retry-after": "3"},
    ),
    Case(
        "decommissioned",
        "groq",
        400,
        openai_error(
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
        openai_error("Flex tier capacity exceeded", "error", "capacity_exceeded"),
        Overloaded,
    ),
)

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
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
    HeaderCase("no number", "groq", {"x-ratelimit-limit-tokens": "many"}, ()),
    HeaderCase("endless", "groq", {"x-ratelimit-remaining-tokens": "inf"}, ()),
    HeaderCase("too large", "groq", {"x-ratelimit-remaining-tokens": "9" * 40}, ()),
)

UNSUPPORTED = (
    ("groq", 400, "`tool calling` is not supported with this model"),
    ("groq", 400, "'messages.2' : property 'reasoning_content' is unsupported"),
)
