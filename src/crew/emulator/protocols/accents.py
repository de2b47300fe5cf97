"""Where a provider's chat completions differ from OpenAI's, as documented (2026-11)."""

from typing import Any

from crew.emulator.script import Answer

UPSTREAM = {
    "code": 502,
    "message": "Provider returned error",
    "metadata": {"error_type": "provider_unavailable", "provider_name": "Emulated"},
}
"""OpenRouter's error inside a 200: whoever answers for it failed after the start."""


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


def thoughts(family: str, answer: Answer) -> dict[str, Any]:
    """What a model that thinks says beside its answer."""
    if family == "deepseek" and answer.text:
        return {"reasoning_content": "It is a rehearsal: there is little to think."}
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
