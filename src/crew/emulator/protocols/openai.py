"""OpenAI's chat completions, which most providers speak, each in a variant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from crew.emulator.conversation import (
    JSON_OBJECT,
    BadConversation,
    Conversation,
    Message,
    Tool,
)
from crew.emulator.envelopes import Reply
from crew.emulator.headers import Headers
from crew.emulator.images import look
from crew.emulator.protocols.openai_variants import UPSTREAM
from crew.emulator.protocols.wire import Completion, event, pieces
from crew.emulator.reasoning import FIELDS
from crew.emulator.script import Answer, ToolCall


class ChatCompletions:
    """`POST .../chat/completions`."""

    family = "openai"
    stream_type = "text/event-stream"
    until_words = 2
    closing = b"data: [DONE]\n\n"

    def parse(self, request: Request, body: object) -> Conversation:
        return parse_conversation(body)

    def whole(self, made: Completion) -> Mapping[str, Any]:
        choices = [
            {
                "index": 0,
                "message": _message_of(made, answer),
                "logprobs": None,
                "finish_reason": answer.finish,
            }
            for answer in made.answers
        ]
        frame = _frame(made, "chat.completion")
        return frame | {"choices": choices, "usage": _usage(made)}

    def frames(self, made: Completion) -> Iterator[bytes]:
        frame, usage = _frame(made, "chat.completion.chunk"), _usage(made)
        reported = made.include_usage and not made.variant.ends_with_usage
        if reported:
            frame["usage"] = None
        for answer in made.answers:
            for delta in _deltas(made, answer):
                choice = {"index": 0, "delta": delta, "finish_reason": None}
                yield event(frame | {"choices": [choice]})
            last = {"index": 0, "delta": {}, "finish_reason": answer.finish}
            ending = made.variant.ending(made.number, usage)
            yield event(frame | {"choices": [last]} | ending)
        if reported:
            yield event(frame | {"choices": [], "usage": usage})
        elif not made.answers:
            yield event(frame | {"choices": []})

    def error_whole(self, made: Completion) -> Mapping[str, Any]:
        choice = _failed_choice("message")
        return {**self.whole(made), "choices": [choice], "error": UPSTREAM}

    def error_frame(self, made: Completion) -> bytes:
        frame = _frame(made, "chat.completion.chunk")
        choice = _failed_choice("delta")
        return event(frame | {"choices": [choice], "error": UPSTREAM})

    def filler(self, made: Completion, *, stream: bool) -> bytes:
        return made.variant.filler(stream=stream)

    def marks(self, number: int) -> Headers:
        return {"x-request-id": f"req_{number}"}

    def sealed(self, reply: Reply, number: int) -> Reply:
        return replace(reply, headers={**self.marks(number), **reply.headers})


CHAT_COMPLETIONS = ChatCompletions()


def _frame(made: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{made.number}",
        "object": kind,
        "created": int(made.created),
        "model": made.model,
        **made.variant.extra(),
    }


def _usage(made: Completion) -> dict[str, int]:
    return {
        "prompt_tokens": made.input_tokens,
        "completion_tokens": made.output_tokens,
        "total_tokens": made.input_tokens + made.output_tokens,
    }


def _message_of(made: Completion, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    message |= made.variant.reasoning(made.model)
    if answer.call is not None:
        message["content"] = answer.text or None
        message["tool_calls"] = [_call(made, answer.call, answer.call.arguments)]
    return message


def _call(made: Completion, call: ToolCall, arguments: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments}
    id = made.variant.call_id(made.number)
    return {"id": id, "type": "function", "function": function}


def _deltas(made: Completion, answer: Answer) -> Iterator[dict[str, Any]]:
    opening = {"role": "assistant", "content": ""}
    yield opening | made.variant.reasoning(made.model)
    for piece in pieces(answer.text):
        yield {"content": piece}
    call = answer.call
    if call is None:
        return
    if made.variant.calls_at_once:
        yield {"tool_calls": [{"index": 0} | _call(made, call, call.arguments)]}
        return
    yield {"tool_calls": [{"index": 0} | _call(made, call, "")]}
    for piece in pieces(call.arguments):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _failed_choice(key: str) -> Mapping[str, Any]:
    message = {"role": "assistant", "content": ""}
    return {"index": 0, key: message, "finish_reason": "error"}


def parse_conversation(body: object) -> Conversation:
    """Read a request's JSON. Raises BadConversation with what is wrong."""
    if not isinstance(body, dict):
        raise BadConversation("the request body must be a JSON object")
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise BadConversation("you must provide a model parameter")
    if not isinstance(messages, list) or not messages:
        raise BadConversation("'messages' must be a list with at least one message")
    stop, choice = body.get("stop") or (), body.get("tool_choice")
    tools = () if choice == "none" else body.get("tools") or ()
    try:
        return Conversation(
            model=model,
            messages=tuple(_message(message) for message in messages),
            tools=()
            if choice == "none"
            else tuple(tool_of(t["function"]) for t in tools),
            stream=bool(body.get("stream")),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            schema=_schema(body.get("response_format")),
            forced=_forced(choice),
            call_ids=tuple(_call_ids(messages)),
            reasoning=tuple(
                frozenset(name for name in FIELDS if message.get(name))
                for message in messages
                if message.get("tool_calls")
            ),
            parameters={
                name: value for name, value in body.items() if name != "messages"
            },
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise BadConversation(f"malformed request: {type(exc).__name__}") from exc


def _message(message: Mapping[str, Any]) -> Message:
    content = message.get("content") or ""
    parts: Sequence[Mapping[str, Any]] = (
        [{"type": "text", "text": content}] if isinstance(content, str) else content
    )
    shown = [part["image_url"] for part in parts if part["type"] == "image_url"]
    # Mistral takes the address itself as well.
    pictures = [look(url if isinstance(url, str) else url["url"]) for url in shown]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Message(
        role=str(message["role"]),
        text="\n".join(part["text"] for part in parts if part["type"] == "text"),
        pictures=tuple(pictures),
        calls=tuple((call["name"], call.get("arguments") or "") for call in calls),
    )


def _call_ids(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        for call in message.get("tool_calls") or ():
            yield str(call.get("id"))


def tool_of(function: Mapping[str, Any]) -> Tool:
    """A tool as OpenAI describes a function, and Ollama after it."""
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        schema=function.get("parameters") or {},
    )


def _schema(response_format: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case {"type": "json_object" | "json_schema"}:
            return JSON_OBJECT
        case _:
            return None


def _forced(choice: object) -> str | None:
    match choice:
        case {"function": {"name": str(name)}}:
            return name
        case _:
            return None
