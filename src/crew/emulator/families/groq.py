"""Groq."""

from collections.abc import Mapping, Sequence
from typing import Any

from crew.emulator.dialects import ORGANISATION, amounts, limit_name, retry_after
from crew.emulator.enforcement import Breach, Reading
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family, chat_at
from crew.emulator.headers import ALL_TOKENS, Headers, pick, x_ratelimit
from crew.emulator.model_entries import Entry, upstream_id
from crew.quota.limits import Metric
from crew.settings import Deployment


class Groq(Family):
    """Groq: a request larger than a limit is a 413."""

    path = "openai/v1"
    endpoints = chat_at("/openai/v1")
    lists = ("/openai/v1/models",)

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        # Its "requests" are those of the day, its "tokens" those of the minute.
        return x_ratelimit(
            pick(readings, [Metric.REQUESTS], "day"),
            pick(readings, ALL_TOKENS, "minute"),
        )

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        worst, model = breaches[0], upstream_id(deployment)
        kind = "requests" if worst.limit.metric is Metric.REQUESTS else "tokens"
        start = "Request too large" if worst.impossible else "Rate limit reached"
        message = (
            f"{start} for model `{model}` in organization `{ORGANISATION}` service "
            f"tier `on_demand` on {limit_name(worst)}: {amounts(worst)} Need more "
            "tokens? Upgrade to Dev Tier today at "
            "https://console.groq.com/settings/billing"
        )
        error = {"message": message, "type": kind, "code": "rate_limit_exceeded"}
        status = 413 if worst.impossible else 429
        return Reply(status=status, body={"error": error}, headers=retry_after(worst))

    def entry(self, deployment: Deployment) -> Entry:
        return super().entry(deployment) | {
            "active": True,
            "context_window": deployment.context_window,
            "max_completion_tokens": deployment.max_output,
            "public_apps": None,
        }

    def ending(self, number: int, usage: Mapping[str, int]) -> dict[str, Any]:
        return {"x_groq": {"id": f"req_{number}", "usage": usage}}

    def extra(self) -> dict[str, Any]:
        # litellm's `groq/` fails without it.
        return {"service_tier": "on_demand"}


GROQ = Groq("groq")
