"""What a client asks, as values: the same for every protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from crew.emulator.images import Picture

IMAGE_TOKENS = 85
JSON_OBJECT: Mapping[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
}
"""The schema of who wants JSON and does not say which."""


class BadConversation(ValueError):
    """The request is not one of the protocol. `status` is what the provider says."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


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
    """What the client asks. `schema` is set when the answer must be JSON, `forced`
    when it must be a call of that tool. `call_ids` are those of all calls so far;
    `thoughts` are, for each message with calls, the names of the fields that hold what
    was thought before; `signatures` are those of thoughts that are signed.
    `parameters` are what else stands in a body of OpenAI's form."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    forced: str | None = None
    call_ids: tuple[str, ...] = ()
    reasoning: tuple[frozenset[str], ...] = ()
    signatures: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)

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
        texts = (m.text for m in self.messages if m.role in ("system", "developer"))
        return next(texts, "")

    def texts(self, role: str) -> list[str]:
        """The texts of this role, oldest first."""
        return [m.text for m in self.messages if m.role == role]

    def called(self) -> list[str]:
        """The names of the tools that were called so far."""
        return [name for m in self.messages for name, _ in m.calls]
