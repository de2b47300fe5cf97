"""What is sent to a deployment: the conversation as that deployment takes it."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crew.providers.reasoning import KeptReasoning
from crew.settings import Deployment

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is sent: the conversation in OpenAI's form, tools, and parameters.
    `thoughts` are those that belong to the conversation's tool calls."""

    messages: Sequence[Message]
    tools: Sequence[Message] | None = None
    stop: Sequence[str] = ()
    response_format: object = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    reasoning: KeptReasoning = field(default_factory=KeptReasoning)


_COUNTED_BEFOREHAND = ("anthropic", "openrouter")


def output_bound(deployment: Deployment, prompt: Prompt) -> dict[str, int]:
    """How much the answer may be, for those who count that before they begin:
    Anthropic against the limit of output tokens, OpenRouter against the credit. Else
    litellm, or the provider, takes all that the model can do."""
    if deployment.family not in _COUNTED_BEFOREHAND:
        return {}
    wanted = prompt.parameters.get("max_tokens")
    most = deployment.max_output
    return {"max_tokens": min(wanted, most) if isinstance(wanted, int) else most}


_BRIDGE = {"role": "assistant", "content": "I have the results."}


def ordered(deployment: Deployment, messages: Sequence[Message]) -> Iterator[Message]:
    """The messages in an order that the deployment takes. Mistral's models refuse a
    word of the user right after a tool's result (its error 3230, 2026-11)."""
    strict = any(name in deployment.model.lower() for name in ("stral", "xtral"))
    before = ""
    for message in messages:
        if strict and before == "tool" and message["role"] == "user":
            yield _BRIDGE
        yield message
        before = message["role"]


_MISTRALS_ID = re.compile(r"[A-Za-z0-9]{9}")


def accepted(deployment: Deployment, message: Message) -> dict[str, Any]:
    """A message as the deployment takes it. Mistral refuses the ids that others give
    to tool calls: it wants nine letters and digits (its error 3280, 2026-11)."""
    sendable: dict[str, Any] = _sendable(message)
    for call in sendable.get("tool_calls") or ():
        call["function"] = {
            **call["function"],
            "arguments": _object(call["function"].get("arguments")),
        }
    if deployment.family == "mistral":
        if "tool_call_id" in sendable:
            sendable["tool_call_id"] = _short(sendable["tool_call_id"])
        for call in sendable.get("tool_calls") or ():
            call["id"] = _short(call["id"])
    return sendable


def _object(arguments: Any) -> str:
    """The arguments of a call as the JSON object that every provider wants. A model
    that wrote none was told so by the tool."""
    try:
        found = json.loads(arguments)
    except (TypeError, ValueError):
        return "{}"
    if not isinstance(found, dict):
        return "{}"
    # An escape may stand for what no UTF-8 can hold.
    return json.dumps(_sendable(found)) if "\\u" in arguments else str(arguments)


def _short(call_id: str) -> str:
    """The same id for the same call, in nine letters and digits."""
    if _MISTRALS_ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _sendable(value: Any) -> Any:
    """The value with what no UTF-8 can hold replaced: models write lone surrogates."""
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {name: _sendable(part) for name, part in value.items()}
        case list() | tuple():
            return [_sendable(part) for part in value]
        case _:
            return value
