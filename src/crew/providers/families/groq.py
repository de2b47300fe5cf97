"""Groq, as of 2026-11: console.groq.com/docs/rate-limits and docs/models."""

from crew.providers.families.family import Family
from crew.providers.headers import REQUESTS, TOKENS, Headers, limit_in, those
from crew.providers.listing import Entry, Listed, count
from crew.providers.rules import Meaning
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit


def _headers(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    return those(
        [
            limit_in(headers, REQUESTS, Metric.REQUESTS, "day", now),
            limit_in(headers, TOKENS, Metric.TOKENS, "minute", now),
        ]
    )


def _entry(entry: Entry) -> Listed:
    return Listed(
        context_window=count(entry.get("context_window")),
        max_output=count(entry.get("max_completion_tokens")),
        unusable="not active" if entry.get("active") is False else "",
    )


GROQ = Family(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    reads_headers=_headers,
    counts_cached_tokens=False,
    words={
        # A model that wrote no valid call: another try, or another model, may.
        Meaning.SLIP: (
            "tool_use_failed",
            "failed to call a function",
            "tool call validation failed",
            "json_validate_failed",
            "failed to validate json",
            "failed to generate json",
            "output_parse_failed",
        ),
        Meaning.GONE: (
            "model_decommissioned",
            "has been decommissioned",
            "model_permission_blocked",
        ),
        Meaning.CAPACITY: ("capacity_exceeded",),
        # It says 413 where OpenAI says 429: larger than the limit, not the window.
        Meaning.TOO_LARGE: ("rate_limit_exceeded",),
    },
    reads_entry=_entry,
)
