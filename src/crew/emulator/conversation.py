"""A chat-completions request, parsed once into values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from crew.emulator.images import Picture, look

IMAGE_TOKENS = 85


class BadConversation(ValueError):
    """The request is not a chat-completions request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `calls` are the tool calls of an assistant, as (name, arguments)."""

    role: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool on offer. `schema` describes its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What the client asks. `schema` is set when the answer must be JSON."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    @property
    def input_tokens(self) -> int:
        """A quarter of the characters, and a fixed amount for each image."""
        characters = sum(
            len(message.text) + sum(len(n) + len(a) for n, a in message.calls)
            for message in self.messages
        )
        return ceil(characters / 4) + IMAGE_TOKENS * len(self.pictures)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All images of the conversation."""
        return tuple(p for message in self.messages for p in message.pictures)

    @property
    def system(self) -> str:
        """The first system message, or nothing."""
        said = (m.text for m in self.messages if m.role in ("system", "developer"))
        return next(said, "")

    def texts(self, role: str) -> list[str]:
        """What this role said, oldest first."""
        return [m.text for m in self.messages if m.role == role]

    def called(self) -> list[str]:
        """The names of the tools that were called so far."""
        return [name for m in self.messages for name, _ in m.calls]


def parse_conversation(body: object) -> Conversation:
    """Read a request's JSON. Raises BadConversation with what is wrong."""
    if not isinstance(body, dict):
        raise BadConversation("the request body must be a JSON object")
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise BadConversation("you must provide a model parameter")
    if not isinstance(messages, list) or not messages:
        raise BadConversation("'messages' must be a list with at least one message")
    stop = body.get("stop") or ()
    try:
        return Conversation(
            model=model,
            messages=tuple(_message(message) for message in messages),
            tools=tuple(_tool(t["function"]) for t in body.get("tools") or ()),
            stream=bool(body.get("stream")),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            schema=_schema(body.get("response_format")),
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise BadConversation(f"malformed request: {type(exc).__name__}") from exc


def _message(message: Mapping[str, Any]) -> Message:
    content = message.get("content") or ""
    parts: Sequence[Mapping[str, Any]] = (
        [{"type": "text", "text": content}] if isinstance(content, str) else content
    )
    pictures = [
        look(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"
    ]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Message(
        role=str(message["role"]),
        text="\n".join(part["text"] for part in parts if part["type"] == "text"),
        pictures=tuple(pictures),
        calls=tuple((call["name"], call.get("arguments") or "") for call in calls),
    )


def _tool(function: Mapping[str, Any]) -> Tool:
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
            return {"type": "object", "properties": {"answer": {"type": "string"}}}
        case _:
            return None
