"""What a model says that it thought before it called a tool."""

from hashlib import sha256
from typing import Any

THOUGHT = "It is a rehearsal: there is little to think."
FIELDS = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
"""What an assistant's message may hold of them in OpenAI's protocol."""


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
