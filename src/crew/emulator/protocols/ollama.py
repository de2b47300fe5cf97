"""Ollama's chat: `POST /api/chat`, as JSON a line, or whole when that is asked for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from crew.emulator.conversation import (
    JSON_OBJECT,
    BadConversation,
    Conversation,
    Message,
)
from crew.emulator.envelopes import Reply
from crew.emulator.headers import Headers
from crew.emulator.images import look
from crew.emulator.protocols.openai import tool_of
from crew.emulator.protocols.wire import Completion, parsed, pieces
from crew.emulator.script import Answer

_DONE_REASONS = {"length": "length"}
_NANOSECONDS_OF_A_TOKEN = 20_000_000


class Chat:
    """`POST /api/chat`."""

    family = "ollama"
    stream_type = "application/x-ndjson"
    until_words = 1
    closing = b""

    def parse(self, request: Request, body: object) -> Conversation:
        if not isinstance(body, dict):
            raise BadConversation("json: cannot unmarshal the request into an object")
        if not body.get("model"):
            raise BadConversation("model is required")
        try:
            return _conversation(body)
        except (KeyError, TypeError, AttributeError) as exc:
            raise BadConversation(f"malformed request: {type(exc).__name__}") from exc

    def whole(self, made: Completion) -> Mapping[str, Any]:
        body = _frame(made)
        for answer in made.answers:
            body["message"] = _message_of(made, answer, answer.text)
        return body | _ending(made)

    def frames(self, made: Completion) -> Iterator[bytes]:
        frame = _frame(made)
        for answer in made.answers:
            texts = [""] if answer.call is not None else pieces(answer.text)
            for text in texts:
                message = _message_of(made, answer, text)
                yield _line(frame | {"message": message, "done": False})
            frame["message"] = {"role": "assistant", "content": ""}
        yield _line(frame | _ending(made))

    def error_whole(self, made: Completion) -> Mapping[str, Any]:
        return {"error": "an error was encountered while running the model"}

    def error_frame(self, made: Completion) -> bytes:
        return _line(self.error_whole(made))

    def filler(self, made: Completion, *, stream: bool) -> bytes:
        return b""

    def marks(self, number: int) -> Headers:
        return {}

    def sealed(self, reply: Reply, number: int) -> Reply:
        """Ollama says an error in one string."""
        return replace(reply, body={"error": reply.body["error"]["message"]})


# The request


def _conversation(body: Mapping[str, Any]) -> Conversation:
    options, form = body.get("options") or {}, body.get("format")
    stop = options.get("stop") or ()
    most = options.get("num_predict")
    return Conversation(
        model=body["model"],
        messages=tuple(_message(message) for message in body.get("messages") or ()),
        tools=tuple(tool_of(tool["function"]) for tool in body.get("tools") or ()),
        stream=body.get("stream") is not False,
        max_tokens=most if most and most > 0 else None,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        schema=JSON_OBJECT if form == "json" else form or None,
    )


def _message(message: Mapping[str, Any]) -> Message:
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Message(
        role=str(message["role"]),
        text=message.get("content") or "",
        pictures=tuple(look(f"data:;base64,{i}") for i in message.get("images") or ()),
        calls=tuple((c["name"], json.dumps(c.get("arguments") or {})) for c in calls),
    )


# The answer


def _frame(made: Completion) -> dict[str, Any]:
    at = datetime.fromtimestamp(made.created, UTC)
    return {"model": made.model, "created_at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"}


def _message_of(made: Completion, answer: Answer, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if answer.call is not None:
        arguments = parsed(answer.call.arguments)
        function = {"index": 0, "name": answer.call.name, "arguments": arguments}
        message["tool_calls"] = [{"id": f"call_{made.number}", "function": function}]
    return message


def _ending(made: Completion) -> dict[str, Any]:
    answer = next(iter(made.answers), Answer())
    read = made.input_tokens * _NANOSECONDS_OF_A_TOKEN
    written = made.output_tokens * _NANOSECONDS_OF_A_TOKEN
    return {
        "done": True,
        "done_reason": _DONE_REASONS.get(answer.finish, "stop"),
        "total_duration": read + written,
        "load_duration": 0,
        "prompt_eval_count": made.input_tokens,
        "prompt_eval_duration": read,
        "eval_count": made.output_tokens,
        "eval_duration": written,
    }


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"
