"""OpenAI."""

import re
from collections.abc import Sequence

from crew.emulator.conversation import Conversation
from crew.emulator.enforcement import Reading
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family
from crew.emulator.headers import ALL_TOKENS, Headers, pick, x_ratelimit
from crew.quota.limits import Metric

_REASONS = re.compile(r"(?:^|/)(?:gpt-(?:5(?:\.\d+)?|[6-9](?:\.\d+)?)|o\d)(?:-|$)")
"""The models that reason: gpt-5 and its successors, o1 and its."""
_BY_DEFAULT = re.compile(r"(?:^|/)gpt-(?:5\.[6-9]|[6-9](?:\.\d+)?)(?:-|$)")
"""Those that refuse tools unless no reasoning is asked for (seen of gpt-5.6 in
2026-07; that its successors do so is taken as given)."""
_WHEN_ASKED = re.compile(r"(?:^|/)gpt-5\.[2-5](?:-|$)")
"""Those that refuse tools when reasoning is asked for (seen of gpt-5.4 in 2026-03)."""


class OpenAI(Family):
    """OpenAI: limits of the minute in its headers, and models that reason."""

    call_ids = re.compile(r".{1,40}")

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        return x_ratelimit(
            pick(readings, [Metric.REQUESTS], "second", "minute"),
            pick(readings, ALL_TOKENS, "second", "minute"),
        )

    def wrong_parameters(self, model: str, talk: Conversation) -> Reply | None:
        if not _REASONS.search(model):
            return None
        effort = talk.parameters.get("reasoning_effort")
        if talk.tools and effort != "none":
            default = _BY_DEFAULT.search(model)
            if default or (effort is not None and _WHEN_ASKED.search(model)):
                advice = (
                    "To use function tools, use /v1/responses or set reasoning_effort "
                    "to 'none'."
                    if default
                    else "Please use /v1/responses instead."
                )
                return _refused(
                    "reasoning_effort",
                    None,
                    f"Function tools with reasoning_effort are not supported for "
                    f"{model} in /v1/chat/completions. {advice}",
                )
        return _unsupported(talk, reasons=effort != "none")


def _unsupported(talk: Conversation, *, reasons: bool) -> Reply | None:
    """What it says to parameters that older models take."""
    given = talk.parameters
    if given.get("max_tokens") is not None:
        return _refused(
            "max_tokens",
            "unsupported_parameter",
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
        )
    if given.get("stop") is not None:
        return _refused(
            "stop",
            "unsupported_parameter",
            "Unsupported parameter: 'stop' is not supported with this model.",
        )
    temperature = given.get("temperature")
    if reasons and temperature not in (None, 1):
        return _refused(
            "temperature",
            "unsupported_value",
            f"Unsupported value: 'temperature' does not support {temperature} with "
            "this model. Only the default (1) value is supported.",
        )
    return None


def _refused(param: str, code: str | None, message: str) -> Reply:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    return Reply(status=400, body={"error": error})


OPENAI = OpenAI("openai")
