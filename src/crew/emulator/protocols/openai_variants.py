"""Where a provider's chat completions may differ from OpenAI's."""

from collections.abc import Mapping
from typing import Any

UPSTREAM = {
    "code": 502,
    "message": "Provider returned error",
    "metadata": {"error_type": "provider_unavailable", "provider_name": "Emulated"},
}
"""OpenRouter's error inside a 200: whoever answers for it failed after the start."""


class Variant:
    """OpenAI's own; a family overrides what it does otherwise."""

    ends_with_usage = False
    """Whether the usage comes with the end of a stream, asked or not, and never after
    it."""
    calls_at_once = False
    """Whether a call comes in one piece of a stream."""

    def call_id(self, number: int) -> str:
        """The id of a tool call."""
        return f"call_{number}"

    def ending(self, number: int, usage: Mapping[str, int]) -> dict[str, Any]:
        """What stands beside the last choice of a stream."""
        return {"usage": usage} if self.ends_with_usage else {}

    def extra(self) -> dict[str, Any]:
        """What stands beside the choices."""
        return {}

    def reasoning(self, model: str) -> dict[str, Any]:
        """What a model that reasons says beside its answer."""
        return {}

    def filler(self, *, stream: bool) -> bytes:
        """What keeps the connection alive until the answer comes."""
        return b""
