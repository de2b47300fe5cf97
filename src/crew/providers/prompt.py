"""What is sent to a deployment: the conversation as that deployment takes it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crew.providers.call_ids import CallIds
from crew.providers.families.registry import family, makers
from crew.providers.reasoning import KeptReasoning
from crew.settings import Deployment

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is sent: the conversation in OpenAI's form, tools, and parameters.
    `reasoning` belongs to the conversation's tool calls. `output_room` is how many
    tokens the answer may be, if the limits allow less than the model can do."""

    messages: Sequence[Message]
    tools: Sequence[Message] | None = None
    stop: Sequence[str] = ()
    response_format: object = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    reasoning: KeptReasoning = field(default_factory=KeptReasoning)
    output_room: int | None = None


def output_bound(deployment: Deployment, prompt: Prompt) -> dict[str, int]:
    """How much the answer may be, for those who count that before they begin, and for
    local servers, where a model that repeats itself would fill its window. Else
    litellm, or the provider, takes all that the model can do."""
    wanted = prompt.parameters.get("max_tokens")
    most = min(deployment.max_output, prompt.output_room or deployment.max_output)
    if not family(deployment.family).bounds_output and not (
        deployment.provider.local and _fits(deployment, prompt, most)
    ):
        return {}
    return {"max_tokens": min(wanted, most) if isinstance(wanted, int) else most}


def _fits(deployment: Deployment, prompt: Prompt, most: int) -> bool:
    """Whether there is surely room for so long an answer: some servers refuse a bound
    that, with the prompt, is more than their window."""
    characters = len(str(prompt.messages)) + len(str(prompt.tools or ""))
    return characters / _FEWEST + most <= deployment.context_window


_FEWEST = 2.5
"""Characters of a token, at the least that is usual."""
_BRIDGE = {"role": "assistant", "content": "I have the results."}


def kept_parameters(deployment: Deployment) -> dict[str, list[str]]:
    """What tells litellm to leave no parameter out that the deployment takes."""
    kept = family(deployment.family).parameters
    return {"allowed_openai_params": list(kept)} if kept else {}


def _ordered(deployment: Deployment, messages: Sequence[Message]) -> Iterator[Message]:
    """The messages in an order that the deployment takes. Some models refuse a message
    of the user right after a tool's result, wherever they are served."""
    strict = any(maker.bridges_results for maker in makers(deployment.model))
    before = ""
    for message in messages:
        if strict and before == "tool" and message["role"] == "user":
            yield _BRIDGE
        yield message
        before = message["role"]


def outgoing(deployment: Deployment, prompt: Prompt) -> list[dict[str, Any]]:
    """The conversation as the deployment takes it."""
    ids = CallIds(family(deployment.family))
    return [
        {
            **ids.put(_accepted(message)),
            **prompt.reasoning.beside(deployment, message),
        }
        for message in _ordered(deployment, prompt.messages)
    ]


def _accepted(message: Message) -> dict[str, Any]:
    """A message that everybody takes."""
    sendable: dict[str, Any] = _sendable(message)
    for call in sendable.get("tool_calls") or ():
        call["function"] = {
            **call["function"],
            "arguments": _object(call["function"].get("arguments")),
        }
    return sendable


def _object(arguments: Any) -> str:
    """The arguments of a call as the JSON object that every provider wants. A model
    that wrote none learned it from the tool."""
    try:
        found = json.loads(arguments)
    except (TypeError, ValueError):
        return "{}"
    if not isinstance(found, dict):
        return "{}"
    # An escape may stand for what no UTF-8 can hold.
    return json.dumps(_sendable(found)) if "\\u" in arguments else str(arguments)


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
