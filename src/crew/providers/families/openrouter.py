"""OpenRouter, as of 2026-11: openrouter.ai/docs/api-reference/limits, docs/models,
reasoning tokens. It reports limits in the body of a refusal, and in no header."""

from collections.abc import Mapping
from decimal import Decimal

from crew.providers.bodies import Body, as_object, as_text
from crew.providers.durations import seconds_in, until_midnight
from crew.providers.families.family import Account, Family
from crew.providers.headers import no_limits
from crew.providers.listing import (
    Entry,
    Listed,
    count,
    day,
    price_per,
    texts,
)
from crew.providers.refusals import LimitHit, whole
from crew.providers.rules import Meaning
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

CREDIT_REQUESTS = 1_000
CREDIT_USD = Decimal(10)
"""It grants 1,000 free requests a day once 10 dollars of credit were bought
(openrouter.ai/docs/api-reference/limits, 2026-08)."""

_WINDOWS: Mapping[str, tuple[str, ...]] = {
    "minute": ("per-min", "_per_min", "limit_rpm", "_minute"),
    "day": ("per-day", "_per_day", "limit_rpd", "_daily"),
}

_SITE = "https://openrouter.ai/settings"
_PRIVACY = f"the account's privacy settings exclude it; change them at {_SITE}/privacy"
_ALLOWED = (
    "the account's settings exclude every provider of it; change them at "
    f"{_SITE}/preferences"
)


def _refusal(body: Body, now: float | None) -> LimitHit | None:
    headers = as_object(body.metadata.get("headers"))
    if not headers and "free-models-per-" not in body.message:
        return None
    found = {name.lower(): as_text(value) for name, value in headers.items()}
    # The reset is in milliseconds since the epoch.
    wait = seconds_in(found.get("x-ratelimit-reset", ""), now)
    words = body.words
    signs = _WINDOWS.items()
    unit = next((u for u, texts in signs if any(text in words for text in texts)), None)
    if unit is None:
        return LimitHit(wait=wait)
    if unit == "day" and wait is None:
        wait = until_midnight("UTC", now)
    reported = ReportedLimit(
        metric=Metric.REQUESTS,
        unit=unit,
        amount=whole(found.get("x-ratelimit-limit", "")) or None,
        remaining=whole(found.get("x-ratelimit-remaining", "")),
        resets_in=wait,
    )
    return LimitHit(reported=(reported,), wait=wait)


def _entry(entry: Entry) -> Listed:
    sees = texts(as_object(entry.get("architecture")).get("input_modalities"))
    takes = texts(entry.get("supported_parameters"))
    pricing = as_object(entry.get("pricing"))
    return Listed(
        vision=None if sees is None else "image" in sees,
        tools=None if takes is None else "tools" in takes,
        context_window=count(entry.get("context_length")),
        max_output=count(
            as_object(entry.get("top_provider")).get("max_completion_tokens")
        ),
        # Dollars for one token, as text.
        price=price_per(1, pricing.get("prompt"), pricing.get("completion")),
        retires=day(entry.get("expiration_date")),
    )


def _account(body: object) -> Account:
    data = as_object(as_object(body).get("data"))
    free = as_object(data.get("free_model_daily_requests"))
    limit, left = _requests(free.get("limit")), _requests(free.get("remaining"))
    if limit is None:
        return Account()
    reported = ReportedLimit(
        metric=Metric.REQUESTS, unit="day", amount=limit, remaining=left
    )
    bought = CREDIT_USD if limit >= CREDIT_REQUESTS else None
    return Account(bought=bought, reported=(reported,))


def _requests(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 10**15 else None


OPENROUTER = Family(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    # Against the credit.
    bounds_output=True,
    # The details go back unchanged.
    reasoning_fields=("reasoning_details", "reasoning"),
    passes_reasoning_on=True,
    cache_marks="messages",
    reads_headers=no_limits,
    reads_refusal=_refusal,
    words={
        Meaning.TOO_LONG: ("token_limit_exceeded",),
        Meaning.CONTENT: ("requires moderation",),
        Meaning.SETTINGS: (
            "matching your data policy",
            "guardrail restrictions",
            "no allowed providers are available",
            "providers have been ignored",
        ),
        # Image input, tool use.
        Meaning.UNSUPPORTED: ("no endpoints found that support",),
        Meaning.HELD: ("openrouter_in_flight_budget",),
        Meaning.MONEY: (
            "insufficient credits",
            "key limit exceeded",
            "openrouter_credits",
            "openrouter_key_limit",
            "requires more credits",
        ),
        Meaning.KEY: ("no auth credentials",),
        Meaning.GONE: ("not a valid model id", "no endpoints found"),
        Meaning.CAPACITY: ("provider returned error", "rate-limited upstream"),
        # Refused by whoever serves this model there.
        Meaning.OTHERS: ("provider returned error",),
    },
    advice={
        "matching your data policy": _PRIVACY,
        "guardrail restrictions": _PRIVACY,
        "no allowed providers are available": _ALLOWED,
        "providers have been ignored": _ALLOWED,
    },
    reads_entry=_entry,
    # Not listed (openrouter.ai/docs/guides/routing/model-variants, 2026-11).
    variants=(":exacto", ":floor", ":nitro", ":online"),
    open_list=True,
    account_path="key",
    reads_account=_account,
)
