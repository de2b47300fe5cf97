"""DeepSeek."""

from collections.abc import Sequence
from typing import Any

from crew.emulator.conversation import Conversation
from crew.emulator.dialects import limit_name
from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family, chat_at, lacks
from crew.emulator.reasoning import FIELDS, THOUGHT
from crew.quota.limits import Metric
from crew.settings import Deployment

_MISSING = (
    "The `reasoning_content` in the thinking mode must be passed back to the API."
)


class DeepSeek(Family):
    """DeepSeek: it wants the reasoning before a call back
    (api-docs.deepseek.com/guides/thinking_mode)."""

    path = "beta"
    # litellm calls it below /beta.
    endpoints = chat_at("/beta", "")
    lists = ("/beta/models", "/models")
    reasoning_taken = FIELDS

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        if breaches[0].limit.metric is Metric.USD:
            return self.failure(402, "invalid_request_error", "Insufficient Balance")
        message = f"Rate limit reached on {limit_name(breaches[0])}"
        return self.failure(429, "rate_limit_exceeded", message)

    def out_of_capacity(self, model: str) -> Reply:
        return self.failure(503, "service_unavailable", "Server Overloaded")

    def out_of_money(self) -> Reply:
        return self.failure(402, "payment_required", "Insufficient Balance")

    def missing_reasoning(self, model: str, talk: Conversation) -> Reply | None:
        missing = lacks(talk, frozenset({"reasoning_content"}))
        return self.without_reasoning() if missing else None

    def without_reasoning(self) -> Reply:
        """What it says to calls without it, wherever it is served."""
        return self.failure(400, "invalid_request_error", _MISSING)

    def reasoning(self, model: str) -> dict[str, Any]:
        return {"reasoning_content": THOUGHT}

    def filler(self, *, stream: bool) -> bytes:
        return b": keep-alive\n\n" if stream else b"\n\n"


DEEPSEEK = DeepSeek("deepseek")
