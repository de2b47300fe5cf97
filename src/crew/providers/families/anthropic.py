"""Anthropic, as of 2026-11: docs.claude.com/en/api, its official client 2.14, and
platform.claude.com (preserved thinking)."""

import re

from crew.providers.bodies import Body, as_object
from crew.providers.families.family import Family
from crew.providers.headers import Headers, limit_in, those
from crew.providers.listing import Entry, Listed, count, day, flag
from crew.providers.refusals import METRIC, METRICS, LimitHit, whole
from crew.providers.rules import Meaning
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

_LIMITS = (
    ("requests", Metric.REQUESTS),
    ("input-tokens", Metric.INPUT_TOKENS),
    ("output-tokens", Metric.OUTPUT_TOKENS),
    ("tokens", Metric.TOKENS),
)
_REFUSED = re.compile(
    rf"\bof ([\d,]{{1,20}}) {METRIC} per (second|minute|hour|day|month)\b"
)


def _key_headers(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


def _headers(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    found = []
    for name, metric in _LIMITS:
        start = f"anthropic-ratelimit-{name}-"
        names = (f"{start}limit", f"{start}remaining", f"{start}reset")
        # What remains of tokens is rounded to the nearest thousand.
        slack = 0 if metric is Metric.REQUESTS else 500
        found.append(limit_in(headers, names, metric, "minute", now, slack=slack))
    return those(found)


def _refusal(body: Body, now: float | None) -> LimitHit | None:
    match = _REFUSED.search(body.message)
    if match is None:
        return None
    metric, unit = METRICS[match[2]], match[3]
    return LimitHit(
        reported=(ReportedLimit(metric=metric, unit=unit, amount=whole(match[1])),)
    )


def _entry(entry: Entry) -> Listed:
    able = as_object(entry.get("capabilities"))
    retired = entry.get("lifecycle") == "retired"
    return Listed(
        vision=flag(as_object(able.get("image_input")).get("supported")),
        context_window=count(entry.get("max_input_tokens")),
        max_output=count(entry.get("max_tokens")),
        retires=day(entry.get("retires_at")),
        unusable="retired" if retired else "",
    )


ANTHROPIC = Family(
    name="anthropic",
    base_url="https://api.anthropic.com",
    key_headers=_key_headers,
    chat_completions=False,
    # Against the limit of output tokens.
    bounds_output=True,
    # Signed blocks, unchanged.
    reasoning_fields=("thinking_blocks",),
    cache_marks="everywhere",
    makes=("claude",),
    caches_by_marks=True,
    reads_headers=_headers,
    header_signs=tuple(f"anthropic-ratelimit-{name}-limit" for name, _ in _LIMITS),
    reads_refusal=_refusal,
    # docs.claude.com/en/api/rate-limits, 2026-11.
    counts_cached_tokens=False,
    words={
        Meaning.TOO_LONG: ("prompt is too long", "exceed context limit"),
        Meaning.CONTENT: ("content filtering policy",),
        # Blocks that it did not write, or that are missing; ids that others made.
        Meaning.UNSUPPORTED: ("`thinking`", "tool_use.id"),
        Meaning.MONEY: ("credit balance is too low", "specified api usage limits"),
        Meaning.KEY: ("invalid x-api-key",),
    },
    list_path="v1/models",
    # Without it 20 (platform.claude.com/docs/en/api/models/list, 2026-11).
    list_query={"limit": "1000"},
    reads_entry=_entry,
)
