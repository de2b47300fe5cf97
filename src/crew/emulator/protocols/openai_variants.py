"""Where a provider's chat completions differ from OpenAI's, as documented (2026-11)."""

from collections.abc import Mapping
from typing import Any

from crew.emulator.reasoning import THOUGHT, details

UPSTREAM = {
    "code": 502,
    "message": "Provider returned error",
    "metadata": {"error_type": "provider_unavailable", "provider_name": "Emulated"},
}
"""OpenRouter's error inside a 200: whoever answers for it failed after the start."""


ENDS_WITH_USAGE = ("mistral", "together_ai")
"""They tell the usage with the end of a stream, asked or not, and never after it."""


CALLS_AT_ONCE = ("mistral",)
"""A call comes in one piece of a stream; their own clients take it no other way."""


def call_id(family: str, number: int) -> str:
    """The id of a tool call: Mistral's are nine letters and digits."""
    return f"{number:09}" if family == "mistral" else f"call_{number}"


def ending(family: str, number: int, usage: Mapping[str, int]) -> dict[str, Any]:
    """What stands beside the last choice of a stream."""
    if family in ENDS_WITH_USAGE:
        return {"usage": usage}
    if family == "groq":
        return {"x_groq": {"id": f"req_{number}", "usage": usage}}
    return {}


def extra(family: str) -> dict[str, Any]:
    """What stands beside the choices."""
    match family:
        case "groq":
            # litellm's `groq/` fails without it.
            return {"service_tier": "on_demand"}
        case "openrouter":
            return {"provider": "Emulated"}
        case _:
            return {}


def reasoning(family: str, model: str) -> dict[str, Any]:
    """What a model that thinks says beside its answer."""
    match family:
        case "deepseek":
            return {"reasoning_content": THOUGHT}
        case "openrouter":
            return {"reasoning": THOUGHT, "reasoning_details": details(model)}
        case _:
            return {}


def filler(family: str, *, stream: bool) -> bytes:
    """What keeps the connection alive until the answer comes."""
    match family:
        case "deepseek":
            return b": keep-alive\n\n" if stream else b"\n\n"
        case "openrouter" if stream:
            return b": OPENROUTER PROCESSING\n\n"
        case _:
            return b""
