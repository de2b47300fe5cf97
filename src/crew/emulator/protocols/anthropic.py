"""Anthropic's Messages: `POST /v1/messages`, whole or as named events."""

import json
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
from crew.emulator.images import Picture, look
from crew.emulator.protocols.wire import Completion, event, parsed, pieces
from crew.emulator.reasoning import signature
from crew.emulator.script import Answer

_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}


class Messages:
    """`POST /v1/messages`."""

    family = "anthropic"
    stream_type = "text/event-stream"
    until_words = 4
    closing = b""

    def parse(self, request: Request, body: object) -> Conversation:
        if not {"x-api-key", "authorization"} & set(request.headers):
            raise BadConversation("x-api-key header is required", status=401)
        if "anthropic-version" not in request.headers:
            raise BadConversation("anthropic-version: header is required")
        if not isinstance(body, dict):
            raise BadConversation("The request body is not a JSON object")
        for key in ("model", "messages", "max_tokens"):
            if not body.get(key):
                raise BadConversation(f"{key}: Field required")
        try:
            return _conversation(body)
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"messages: malformed request: {type(exc).__name__}"
            raise BadConversation(message) from exc

    def whole(self, made: Completion) -> Mapping[str, Any]:
        content = [block for a in made.answers for block in _content(made, a)]
        message = _message_start(made) | _ending(made)
        return message | {"content": content, "usage": _usage(made, made.output_tokens)}

    def frames(self, made: Completion) -> Iterator[bytes]:
        yield _event({"type": "message_start", "message": _message_start(made)})
        for index, answer in enumerate(made.answers):
            yield from _block(made, answer, index)
        usage = {"output_tokens": made.output_tokens}
        yield _event({"type": "message_delta", "delta": _ending(made), "usage": usage})
        yield _event({"type": "message_stop"})

    def error_whole(self, made: Completion) -> Mapping[str, Any]:
        return {"type": "error", "error": _OVERLOADED, "request_id": _id(made.number)}

    def error_frame(self, made: Completion) -> bytes:
        return _event(self.error_whole(made))

    def filler(self, made: Completion, *, stream: bool) -> bytes:
        return b""

    def marks(self, number: int) -> Headers:
        return {"request-id": _id(number)}

    def sealed(self, reply: Reply, number: int) -> Reply:
        body = {**reply.body, "request_id": _id(number)}
        return replace(
            reply, body=body, headers={**self.marks(number), **reply.headers}
        )


def _id(number: int) -> str:
    return f"req_{number:024}"


# The request


def _conversation(body: Mapping[str, Any]) -> Conversation:
    system = _text_of(body.get("system") or "")
    messages = [Message(role="system", text=system)] if system else []
    for message in body["messages"]:
        messages += _messages(message)
    choice = body.get("tool_choice") or {}
    offered = () if choice.get("type") == "none" else body.get("tools") or ()
    return Conversation(
        model=body["model"],
        messages=tuple(messages),
        tools=tuple(_tool(tool) for tool in offered),
        stream=bool(body.get("stream")),
        max_tokens=body["max_tokens"],
        stop=tuple(body.get("stop_sequences") or ()),
        schema=_schema(body),
        forced=choice.get("name"),
        call_ids=tuple(
            block["id"]
            for message in body["messages"]
            for block in _blocks(message["content"])
            if block["type"] == "tool_use"
        ),
        reasoning=tuple(_reasoning(body["messages"])),
        signatures=tuple(
            block["signature"]
            for message in body["messages"]
            for block in _blocks(message["content"])
            if block["type"] == "thinking"
        ),
    )


def _reasoning(messages: Sequence[Mapping[str, Any]]) -> Iterator[frozenset[str]]:
    for message in messages:
        kinds = {block["type"] for block in _blocks(message["content"])}
        if "tool_use" in kinds:
            yield frozenset(kinds & {"thinking"})


def _messages(message: Mapping[str, Any]) -> Iterator[Message]:
    """One message of ours for each tool result, and one for the rest."""
    blocks = _blocks(message["content"])
    for block in blocks:
        if block["type"] == "tool_result":
            inner = _blocks(block.get("content") or "")
            text, pictures = _text_of(inner), _pictures(inner)
            yield Message(role="tool", text=text, pictures=pictures)
    rest = Message(
        role=str(message["role"]),
        text=_text_of(blocks),
        pictures=_pictures(blocks),
        calls=tuple(
            (block["name"], json.dumps(block["input"]))
            for block in blocks
            if block["type"] == "tool_use"
        ),
    )
    if rest.text or rest.pictures or rest.calls:
        yield rest


def _blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text_of(content: Any) -> str:
    texts = [block["text"] for block in _blocks(content) if block["type"] == "text"]
    return "\n".join(texts)


def _pictures(blocks: Sequence[Mapping[str, Any]]) -> tuple[Picture, ...]:
    return tuple(_picture(b["source"]) for b in blocks if b["type"] == "image")


def _picture(source: Mapping[str, Any]) -> Picture:
    if source["type"] == "base64":
        return look(f"data:{source['media_type']};base64,{source['data']}")
    return look(source["url"])


def _tool(tool: Mapping[str, Any]) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        schema=tool.get("input_schema") or {},
    )


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = (body.get("output_config") or {}).get("format") or body.get(
        "output_format"
    )
    if not wanted:
        return None
    found: Mapping[str, Any] = wanted.get("schema") or JSON_OBJECT
    return found


# The answer


def _usage(made: Completion, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": made.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _message_start(made: Completion) -> dict[str, Any]:
    return {
        "id": f"msg_{made.number:024}",
        "type": "message",
        "role": "assistant",
        "model": made.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(made, 1),
    }


def _ending(made: Completion) -> dict[str, Any]:
    answer = next(iter(made.answers), Answer())
    reason = "stop_sequence" if answer.stopped_at else _STOP_REASONS[answer.finish]
    return {"stop_reason": reason, "stop_sequence": answer.stopped_at}


def _content(made: Completion, answer: Answer) -> Iterator[Mapping[str, Any]]:
    if answer.call is None:
        yield {"type": "text", "text": answer.text}
    else:
        # What it thought is not shown, but signed: the default of `display`.
        yield {"type": "thinking", "thinking": "", "signature": signature(made.model)}
        arguments = parsed(answer.call.arguments)
        yield _tool_use(made, answer.call.name) | {"input": arguments}


def _tool_use(made: Completion, name: str) -> dict[str, Any]:
    use = {"type": "tool_use", "id": f"toolu_{made.number:024}", "name": name}
    return use | {"input": {}}


def _block(made: Completion, answer: Answer, index: int) -> Iterator[bytes]:
    start: dict[str, Any] = {"type": "text", "text": ""}
    kind, key, text = "text_delta", "text", answer.text
    if answer.call is not None:
        yield from _thinking(made, index)
        index += 1
        start = _tool_use(made, answer.call.name)
        kind, key, text = "input_json_delta", "partial_json", answer.call.arguments
    opening = {"type": "content_block_start", "index": index, "content_block": start}
    yield _event(opening)
    yield _event({"type": "ping"})
    for piece in pieces(text):
        delta = {"type": kind, key: piece}
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _thinking(made: Completion, index: int) -> Iterator[bytes]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    yield _event(
        {"type": "content_block_start", "index": index, "content_block": block}
    )
    signed = {"type": "signature_delta", "signature": signature(made.model)}
    yield _event({"type": "content_block_delta", "index": index, "delta": signed})
    yield _event({"type": "content_block_stop", "index": index})


def _event(data: Mapping[str, Any]) -> bytes:
    return event(data, data["type"])
