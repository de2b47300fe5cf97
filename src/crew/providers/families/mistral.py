"""Mistral, as of 2026-11: docs.mistral.ai, help.mistral.ai, its official client 3.7."""

import hashlib
import re

from crew.providers.bodies import as_object
from crew.providers.families.family import Family
from crew.providers.headers import Headers, limit_in, those
from crew.providers.listing import Entry, Listed, count, day, flag, model_id
from crew.providers.rules import Meaning
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

_ID = re.compile(r"[A-Za-z0-9]{9}")


def _call_id(call_id: str) -> str:
    """The same id for the same call, in nine letters and digits (its error 3280)."""
    if _ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _headers(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    size = "ratelimitbysize"
    plain = (f"{size}-limit", f"{size}-remaining", f"{size}-reset")
    minute = limit_in(headers, plain, Metric.TOKENS, "minute", now)
    found = [minute]
    for unit in ("minute", "month"):
        if unit == "month" or minute is None:
            names = (f"x-{size}-limit-{unit}", f"x-{size}-remaining-{unit}", "")
            found.append(limit_in(headers, names, Metric.TOKENS, unit, now))
    return those(found)


def _entry(entry: Entry) -> Listed:
    able = as_object(entry.get("capabilities"))
    chats = able.get("completion_chat") is not False
    return Listed(
        vision=flag(able.get("vision")),
        tools=flag(able.get("function_calling")),
        context_window=count(entry.get("max_context_length")),
        retires=day(entry.get("deprecation")),
        successor=model_id(entry.get("deprecation_replacement_model")),
        unusable="" if chats else "not for chat",
    )


MISTRAL = Family(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    call_id=_call_id,
    makes=("stral", "xtral"),
    # Its error 3230, wherever its models are served.
    bridges_results=True,
    reads_headers=_headers,
    header_signs=("ratelimitbysize-limit", "x-ratelimitbysize-limit-minute"),
    words={
        Meaning.UNSUPPORTED: ("tool call id was",),
        # It looks like a limit of ours, and is nobody's but its own.
        Meaning.CAPACITY: ("capacity exceeded",),
        Meaning.LIMIT: ("rate_limited",),
        Meaning.OTHERS: (
            "message_order",
            "after role",  # the same without its code
        ),
    },
    reads_entry=_entry,
)
