"""Mistral."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from crew.emulator.dialects import SPENT
from crew.emulator.enforcement import Breach, Reading
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family
from crew.emulator.headers import ALL_TOKENS, Headers, pick
from crew.emulator.model_entries import Entry, upstream_id
from crew.emulator.windows import whole_seconds
from crew.quota.limits import Metric
from crew.settings import Deployment


class Mistral(Family):
    """Mistral: ids of nine letters and digits, and no message of the user right after
    the result of a tool."""

    call_ids = re.compile(r"[a-zA-Z0-9]{9}")
    repeated_id = "Duplicate tool call id in assistant message"
    ends_with_usage = True
    calls_at_once = True  # its own client takes them no other way

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        headers = {}
        minute = pick(readings, ALL_TOKENS, "minute")
        if minute is not None:
            headers["ratelimitbysize-limit"] = str(minute.limit.amount)
            headers["ratelimitbysize-remaining"] = str(minute.left)
            headers["ratelimitbysize-reset"] = str(whole_seconds(minute.resets_in))
        for unit in ("minute", "month"):
            reading = pick(readings, ALL_TOKENS, unit)
            if reading is not None:
                headers[f"x-ratelimitbysize-limit-{unit}"] = str(reading.limit.amount)
                headers[f"x-ratelimitbysize-remaining-{unit}"] = str(reading.left)
        return headers

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        if breaches[0].limit.metric is Metric.USD:
            return self.failure(402, "payment_required", SPENT)
        return self.failure(429, "rate_limited", "Rate limit exceeded")

    def failure(self, status: int, code: str, message: str) -> Reply:
        body: dict[str, Any] = {
            "object": "error",
            "message": message,
            "type": code,
            "param": None,
            "code": "1300" if status == 429 else None,
            "raw_status_code": status,
        }
        return Reply(status=status, body=body)

    def out_of_capacity(self, model: str) -> Reply:
        # It looks like a rate limit; only the text tells them apart.
        body = {
            "object": "error",
            "message": "Service tier capacity exceeded for this model.",
            "type": "invalid_request_error",
            "param": None,
            "code": "3505",
        }
        return Reply(status=429, body=body)

    def wrong_call_id(self, call_id: str) -> Reply:
        message = (
            f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9."
        )
        reply = self.failure(400, "invalid_function_call", message)
        return Reply(status=400, body={**reply.body, "code": "3280"})

    def wrong_order(self, roles: Sequence[str]) -> Reply | None:
        if ("tool", "user") not in pairwise(roles):
            return None
        message = "Unexpected role 'user' after role 'tool'"
        reply = self.failure(400, "invalid_request_message_order", message)
        return Reply(status=400, body={**reply.body, "code": "3230"})

    def entry(self, deployment: Deployment) -> Entry:
        return super().entry(deployment) | {
            "type": "base",
            "owned_by": "mistralai",
            "name": upstream_id(deployment),
            "aliases": [],
            "max_context_length": deployment.context_window,
            "capabilities": {
                "completion_chat": True,
                "function_calling": deployment.tools,
                "vision": deployment.vision,
            },
            "deprecation": None,
            "deprecation_replacement_model": None,
        }

    def call_id(self, number: int) -> str:
        return f"{number:09}"


MISTRAL = Mistral("mistral")
