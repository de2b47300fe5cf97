"""OpenRouter."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from crew.emulator.conversation import Conversation
from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply
from crew.emulator.families.deepseek import DEEPSEEK
from crew.emulator.families.family import Family, chat_at, lacks
from crew.emulator.model_entries import CREATED, Entry, upstream_id
from crew.emulator.reasoning import FIELDS, THOUGHT, details
from crew.quota.limits import Metric
from crew.settings import Deployment

_MILLION = 1_000_000
_USER = {"user_id": "user_emulated"}


class OpenRouter(Family):
    """OpenRouter: it quotes whoever answers behind it, and tells limits in the body."""

    path = "api/v1"
    endpoints = chat_at("/api/v1")
    lists = ("/api/v1/models",)
    reasoning_taken = FIELDS

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        worst = breaches[0]
        if worst.limit.metric is Metric.USD:
            message = (
                "Insufficient credits. Add more using https://openrouter.ai/credits"
            )
            return self.failure(402, "payment_required", message)
        per = {"minute": "min"}.get(worst.limit.unit, worst.limit.unit)
        period = {"day": "daily"}.get(worst.limit.unit, f"{worst.limit.unit}ly")
        group = "free-models" if worst.scope == "free" else worst.scope
        headers = {"X-RateLimit-Limit": str(worst.limit.amount)}
        headers["X-RateLimit-Remaining"] = str(max(0, worst.limit.amount - worst.used))
        if worst.wait is not None:
            headers["X-RateLimit-Reset"] = str(round((now + worst.wait) * 1000))
        metadata = {
            "headers": headers,
            "provider_name": None,
            "error_type": "rate_limit_exceeded",
            "limit_source": f"openrouter_{worst.scope}_tier_{period}",
        }
        message = f"Rate limit exceeded: {group}-per-{per}."
        return _reply(429, message, metadata, headers)

    def failure(self, status: int, code: str, message: str) -> Reply:
        metadata = {"provider_name": None, "error_type": code}
        if status == 402:
            metadata["limit_source"] = "openrouter_credits"
        return _reply(status, message, metadata)

    def unknown_model(self, model: str) -> Reply:
        message = f"No endpoints found for {model}."
        return self.failure(404, "model_not_found", message)

    def out_of_capacity(self, model: str) -> Reply:
        # It passes on what the one behind it says; the free quota is not hit.
        raw = f"{model} is temporarily rate-limited upstream. Please retry shortly."
        metadata = {"raw": raw, "provider_name": "Emulated"}
        return _reply(429, "Provider returned error", metadata)

    def missing_reasoning(self, model: str, talk: Conversation) -> Reply | None:
        if "deepseek" not in model or not lacks(talk, FIELDS):
            return None
        raw = json.dumps(DEEPSEEK.without_reasoning().body)
        metadata = {"raw": raw, "provider_name": "DeepSeek"}
        return _reply(400, "Provider returned error", metadata)

    def entry(self, deployment: Deployment) -> Entry:
        seen = ["text", "image"] if deployment.vision else ["text"]
        able = ["tools", "tool_choice"] if deployment.tools else []
        entry: Entry = {
            "id": upstream_id(deployment),
            "canonical_slug": upstream_id(deployment).partition(":")[0],
            "name": deployment.name,
            "created": CREATED,
            "context_length": deployment.context_window,
            "architecture": {
                "modality": f"{'+'.join(seen)}->text",
                "input_modalities": seen,
                "output_modalities": ["text"],
                "tokenizer": "Other",
            },
            "top_provider": {
                "context_length": deployment.context_window,
                "max_completion_tokens": deployment.max_output,
                "is_moderated": False,
            },
            "supported_parameters": ["max_tokens", "temperature", *able],
            "expiration_date": None,
        }
        if deployment.price is not None:
            price = deployment.price
            sides = {"prompt": price.input, "completion": price.output}
            entry["pricing"] = {side: _per_token(usd) for side, usd in sides.items()}
        return entry

    def extra(self) -> dict[str, Any]:
        return {"provider": "Emulated"}

    def reasoning(self, model: str) -> dict[str, Any]:
        return {"reasoning": THOUGHT, "reasoning_details": details(model)}

    def filler(self, *, stream: bool) -> bytes:
        return b": OPENROUTER PROCESSING\n\n" if stream else b""


def _reply(
    status: int,
    message: str,
    metadata: dict[str, Any],
    headers: dict[str, str] | None = None,
) -> Reply:
    error = {"message": message, "code": status, "metadata": metadata}
    return Reply(status=status, body={"error": error, **_USER}, headers=headers or {})


def _per_token(usd: Decimal) -> str:
    """Dollars for one token, as text."""
    return f"{(usd / _MILLION).normalize():f}"


OPENROUTER = OpenRouter("openrouter")
