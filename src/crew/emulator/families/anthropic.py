"""Anthropic."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from crew.emulator.dialects import ORGANISATION, retry_after
from crew.emulator.enforcement import Breach, Reading
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family, page
from crew.emulator.headers import Headers, pick, rfc3339
from crew.emulator.model_entries import CREATED, Entry, upstream_id
from crew.emulator.protocols.anthropic import Messages
from crew.emulator.windows import whole_seconds
from crew.quota.limits import Metric
from crew.settings import Deployment

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_PAGE = 20
"""How many models a page has by default (2026-11)."""


class Anthropic(Family):
    """Anthropic: buckets of input and output tokens, and reasoning that it signs."""

    path = ""
    client = 'anthropic.Anthropic(base_url="{address}", api_key="any")'
    endpoints = (("/v1/messages", Messages()),)
    call_ids = re.compile(r"[a-zA-Z0-9_-]+")
    repeated_id = "messages.1.content.0: `tool_use` ids must be unique"
    reasoning_taken = frozenset({"thinking"})

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        headers = {}
        for name, metric in (
            ("requests", Metric.REQUESTS),
            ("tokens", Metric.TOKENS),
            ("input-tokens", Metric.INPUT_TOKENS),
            ("output-tokens", Metric.OUTPUT_TOKENS),
        ):
            reading = pick(readings, [metric])
            if reading is not None:
                left = reading.left if name == "requests" else round(reading.left, -3)
                resets = rfc3339(now + whole_seconds(reading.resets_in))
                start = f"anthropic-ratelimit-{name}"
                headers[f"{start}-limit"] = str(reading.limit.amount)
                headers[f"{start}-remaining"] = str(left)
                headers[f"{start}-reset"] = resets
        return headers

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        worst = breaches[0]
        metric = worst.limit.metric.value.replace("_", " ")
        message = (
            "This request would exceed your organization's rate limit of "
            f"{worst.limit.amount:,} {metric} per {worst.limit.unit} (org: "
            f"{ORGANISATION}, model: {upstream_id(deployment)}). For details, refer "
            "to: https://docs.claude.com/en/api/rate-limits."
        )
        if worst.limit.metric is not Metric.USD:
            reply = self.failure(429, "rate_limit_error", message)
            return Reply(status=429, body=reply.body, headers=retry_after(worst))
        error = {
            "type": "rate_limit_error",
            "message": "Your organization has reached its monthly spend limit.",
            "details": {"error_code": "enforced_spend_limit_reached"},
        }
        return Reply(status=429, body={"type": "error", "error": error})

    def failure(self, status: int, code: str, message: str) -> Reply:
        error = {"type": _TYPES.get(status, "api_error"), "message": message}
        body = {"type": "error", "error": error, "request_id": "req_emulated"}
        return Reply(status=status, body=body)

    def unknown_model(self, model: str) -> Reply:
        return self.failure(404, "model_not_found", f"model: {model}")

    def out_of_capacity(self, model: str) -> Reply:
        return self.failure(529, "overloaded_error", "Overloaded")

    def too_long(self, tokens: int, most: int) -> Reply:
        message = f"prompt is too long: {tokens} tokens > {most} maximum"
        return self.failure(400, "context_length_exceeded", message)

    def wrong_call_id(self, call_id: str) -> Reply:
        message = "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
        return self.failure(400, "invalid_request", f"messages: {message}")

    def entry(self, deployment: Deployment) -> Entry:
        yes, no = {"supported": True}, {"supported": False}
        return {
            "type": "model",
            "id": upstream_id(deployment),
            "display_name": deployment.name,
            "created_at": datetime.fromtimestamp(CREATED, UTC).isoformat(),
            "lifecycle": "active",
            "deprecated_at": None,
            "retires_at": None,
            "max_input_tokens": deployment.context_window,
            "max_tokens": deployment.max_output,
            "capabilities": {
                "batch": no,
                "image_input": yes if deployment.vision else no,
                "structured_outputs": yes if deployment.tools else no,
            },
        }

    def listing(
        self, models: Sequence[Deployment], path: str, query: Mapping[str, str]
    ) -> object:
        entries = [self.entry(model) for model in models]
        shown, rest = page(entries, query, "limit", _PAGE)
        first, last = (part[0]["id"] if part else None for part in (shown, shown[-1:]))
        ends = {"first_id": first, "last_id": last}
        return {"data": shown, "has_more": bool(rest)} | ends


ANTHROPIC = Anthropic("anthropic")
