"""Google's Gemini, as of 2026-11: ai.google.dev/gemini-api/docs/rate-limits,
ai.google.dev/api/models, its official client 3.6, and captured bodies.

Its headers say nothing of limits. litellm keeps the signature of its reasoning in the
id of the call.
"""

import re
from collections.abc import Mapping

from crew.providers.bodies import Body, as_text, objects
from crew.providers.durations import seconds_in, until_midnight, wait_in_words
from crew.providers.families.family import Family
from crew.providers.headers import no_limits
from crew.providers.listing import Entry, Listed, count, texts
from crew.providers.refusals import LimitHit, whole
from crew.providers.rules import Meaning
from crew.quota.limits import SECONDS, Metric
from crew.quota.reported import ReportedLimit

_EXCEEDED = "Quota exceeded for metric"
_PER_DAY = "PerDay"
_LIMIT_ZERO = re.compile(r"\blimit: 0(?![\d.])")
_PACIFIC = "America/Los_Angeles"
"""Where its day ends."""


def _key_headers(key: str) -> dict[str, str]:
    return {"x-goog-api-key": key}


def _refusal(body: Body, now: float | None) -> LimitHit | None:
    if "RESOURCE_EXHAUSTED" not in body.codes and _EXCEEDED not in body.message:
        return None
    violations = [v for part in body.details for v in objects(part.get("violations"))]
    reported = tuple(t for v in violations if (t := _violation(v, now)) is not None)
    # A value of 0 is left out of Google's JSON; the message has it.
    values = [as_text(v.get("quotaValue")) for v in violations]
    if "0" in values or _LIMIT_ZERO.search(body.message):
        return LimitHit(reported=reported, absent=True)
    quotas = [as_text(v.get("quotaId")) for v in violations]
    # A body that was cut is all message.
    if any(_PER_DAY in text for text in [*quotas, body.message]):
        # The delay that is given beside it is that of another limit: 47 s, at noon.
        midnight = until_midnight(_PACIFIC, now)
        return LimitHit(reported=reported, wait=midnight, misleads=True)
    delays = [as_text(part.get("retryDelay")) for part in body.details]
    waits = [wait for d in delays if (wait := seconds_in(d, None)) is not None]
    said = wait_in_words(body.message, now)
    return LimitHit(reported=reported, wait=max(waits, default=said))


def _violation(
    violation: Mapping[str, object], now: float | None
) -> ReportedLimit | None:
    quota = as_text(violation.get("quotaId"))
    name = f"{quota} {as_text(violation.get('quotaMetric'))}".lower()
    unit = next((u for u in SECONDS if f"per{u}" in name), None)
    if "token" in name:
        input_only = "inputtoken" in name or "input_token" in name
        metric = Metric.INPUT_TOKENS if input_only else Metric.TOKENS
    elif "request" in name:
        metric = Metric.REQUESTS
    else:
        return None
    if unit is None:
        return None
    return ReportedLimit(
        metric=metric,
        unit=unit,
        amount=whole(as_text(violation.get("quotaValue"))) or None,
        # A request that did not fit says that requests are used up, not tokens.
        remaining=0 if metric is Metric.REQUESTS else None,
        resets_in=until_midnight(_PACIFIC, now) if unit == "day" else None,
    )


def _entry(entry: Entry) -> Listed:
    methods = texts(entry.get("supportedGenerationMethods"))
    chats = methods is None or "generateContent" in methods
    return Listed(
        context_window=count(entry.get("inputTokenLimit")),
        max_output=count(entry.get("outputTokenLimit")),
        unusable="" if chats else "not for chat",
    )


GEMINI = Family(
    name="gemini",
    signs_calls=True,
    base_url="https://generativelanguage.googleapis.com/v1beta",
    key_headers=_key_headers,
    chat_completions=False,
    reads_headers=no_limits,
    reads_refusal=_refusal,
    words={
        Meaning.TOO_LONG: ("input token count",),
        Meaning.CONTENT: ("prohibited_content",),
        Meaning.UNSUPPORTED: (
            "thought_signature",
            "image input modality is not enabled",
            "function calling is not enabled",
        ),
        Meaning.MONEY: ("spending cap", "credits are depleted"),
        Meaning.COUNTRY: ("free tier is not available in your country",),
        Meaning.PROJECT: (
            "service_disabled",
            "api_key_service_blocked",
            "api_key_ip_address_blocked",
            "api_key_http_referrer_blocked",
            "it is disabled. enable it by visiting",
        ),
        Meaning.KEY: (
            "api_key_invalid",
            "api key not valid",
            "api key expired",
            "failed_precondition",  # without billing
        ),
        Meaning.GONE: ("is not found for api version",),
        Meaning.LIMIT: ("resource_exhausted",),
    },
    advice={
        "service_disabled": "the Gemini API is not enabled for the key's project; "
        "enable it in Google's console",
        "api_key_service_blocked": "the key's restrictions exclude this API; change "
        "them in Google's console",
        "api_key_ip_address_blocked": "the key's restrictions exclude this machine's "
        "address; change them in Google's console",
    },
    # Without it 50 (ai.google.dev/api/models, 2026-11).
    list_query={"pageSize": "1000"},
    reads_entry=_entry,
)
