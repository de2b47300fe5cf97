"""What a model says that it thought, and what its provider wants back of it.

As documented and reported by 2026-11: DeepSeek refuses a tool call of the conversation
without the thoughts before it (api-docs.deepseek.com/guides/thinking_mode), Anthropic
thinking blocks that it did not sign for this model, and others thoughts as such.
"""

import json
from hashlib import sha256
from typing import Any

from crew.emulator.conversation import Conversation
from crew.emulator.envelopes import Reply, failure

THOUGHT = "It is a rehearsal: there is little to think."
FIELDS = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
"""What an assistant's message may hold of them in OpenAI's protocol."""

_MISSING = (
    "The `reasoning_content` in the thinking mode must be passed back to the API."
)
_TAKEN = {
    "anthropic": frozenset({"thinking"}),
    "deepseek": FIELDS,
    "openrouter": FIELDS,
    "ollama": FIELDS,
    "together_ai": FIELDS,
}
"""Who passes over such fields; the others know none."""


def details(model: str) -> list[dict[str, Any]]:
    """The thoughts as OpenRouter tells them, and wants them back unmodified."""
    return [
        {
            "type": "reasoning.text",
            "text": THOUGHT,
            "signature": signature(model),
            "id": None,
            "format": "unknown",
            "index": 0,
        }
    ]


def signature(model: str) -> str:
    """What marks a thought as one of this model."""
    return f"emulated-{sha256(model.encode()).hexdigest()[:16]}"


def unthinkable(family: str, model: str, talk: Conversation) -> Reply | None:
    """What the provider says to a conversation whose thoughts are missing, or are
    those of somebody else."""
    names = frozenset(name for given in talk.thoughts for name in given)
    if unknown := names - _TAKEN.get(family, frozenset()):
        message = f"messages: property '{min(unknown)}' is unsupported"
        return failure(family, 400, "invalid_request", message)
    if any(mark != signature(model) for mark in talk.signatures):
        message = "messages.1.content.0: Invalid `signature` in `thinking` block"
        return failure(family, 400, "invalid_request", message)
    if family == "deepseek" and not _all(talk, frozenset({"reasoning_content"})):
        return failure(family, 400, "invalid_request_error", _MISSING)
    if family == "openrouter" and "deepseek" in model and not _all(talk, FIELDS):
        return _from_upstream()
    return None


def _all(talk: Conversation, wanted: frozenset[str]) -> bool:
    return all(given & wanted for given in talk.thoughts)


def _from_upstream() -> Reply:
    raw = failure("deepseek", 400, "invalid_request_error", _MISSING).body
    metadata = {"raw": json.dumps(raw), "provider_name": "DeepSeek"}
    error = {"message": "Provider returned error", "code": 400, "metadata": metadata}
    return Reply(status=400, body={"error": error, "user_id": "user_emulated"})
