"""Together AI, as of 2026-11: docs.together.ai/docs/rate-limits, reference/models."""

from crew.providers.bodies import as_object, as_text
from crew.providers.families.family import Family
from crew.providers.headers import Headers, limit_in, those
from crew.providers.listing import MILLION, Entry, Listed, count, price_per
from crew.providers.rules import Meaning
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

_NO_CHAT = {
    "audio",
    "embedding",
    "image",
    "moderation",
    "rerank",
    "transcribe",
    "video",
}


def _headers(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    found = []
    for start, metric in (
        ("x-ratelimit", Metric.REQUESTS),
        ("x-tokenlimit", Metric.TOKENS),
    ):
        for end in ("", "-dynamic"):
            names = (
                f"{start}-limit{end}",
                f"{start}-remaining{end}",
                f"{start}-reset{end}",
            )
            found.append(limit_in(headers, names, metric, "second", now))
    return those(found)


def _entry(entry: Entry) -> Listed:
    pricing = as_object(entry.get("pricing"))
    # Dollars for a million tokens; zeros stand for what is not sold by the token.
    price = price_per(MILLION, pricing.get("input"), pricing.get("output"))
    kind = as_text(entry.get("type"))
    return Listed(
        context_window=count(entry.get("context_length")),
        price=price if price and (price.input or price.output) else None,
        unusable="not for chat" if kind in _NO_CHAT else "",
    )


TOGETHER = Family(
    name="together_ai",
    base_url="https://api.together.ai/v1",
    reads_headers=_headers,
    header_signs=("x-tokenlimit-limit",),
    words={
        Meaning.TOO_LONG: ("`inputs` tokens + `max_new_tokens`",),
        Meaning.GONE: (
            "model_not_available",
            "unable to access model",
            "unable to access non-serverless model",
        ),
        Meaning.LIMIT: ("dynamic_request_limited", "dynamic_token_limited"),
    },
    reads_entry=_entry,
)
