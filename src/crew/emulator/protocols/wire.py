"""The seam between the scripted model and a protocol: a request in, an answer out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from crew.emulator.conversation import Conversation
from crew.emulator.envelopes import Reply
from crew.emulator.headers import Headers
from crew.emulator.protocols.openai_variants import Variant
from crew.emulator.script import Answer

_PIECE = 24
"""Characters in one delta."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer with what surrounds it on the wire.

    `answers` holds one, or none where a fault took it away; `output_tokens` are
    charged in any case. `variant` is how the provider speaks OpenAI's protocol.
    """

    number: int
    created: float
    model: str
    variant: Variant
    answers: tuple[Answer, ...]
    input_tokens: int
    output_tokens: int
    include_usage: bool = False


class Wire(Protocol):
    """How one protocol is read and written. Without any state."""

    family: str
    """Who speaks it; "openai" is spoken by everybody."""
    stream_type: str
    """The content type of a streamed answer."""
    until_words: int
    """How many frames there are up to the first words of a text."""
    closing: bytes
    """What ends a stream that came to its end."""

    def parse(self, request: Request, body: object) -> Conversation:
        """Read a request. Raises BadConversation with what is wrong."""
        ...

    def whole(self, made: Completion) -> Mapping[str, Any]:
        """The answer as one body."""
        ...

    def frames(self, made: Completion) -> Iterator[bytes]:
        """The answer in pieces."""
        ...

    def error_whole(self, made: Completion) -> Mapping[str, Any]:
        """An error in the place of an answer that began with a 200."""
        ...

    def error_frame(self, made: Completion) -> bytes:
        """The same within a stream."""
        ...

    def filler(self, made: Completion, *, stream: bool) -> bytes:
        """What is sent while the answer is being made."""
        ...

    def marks(self, number: int) -> Headers:
        """The headers that name a request."""
        ...

    def sealed(self, reply: Reply, number: int) -> Reply:
        """A refusal as this protocol sends it."""
        ...


def pieces(text: str) -> Iterator[str]:
    """A text in the pieces of a stream."""
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE]


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """One server-sent event."""
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(data)}\n\n".encode()


def parsed(arguments: str) -> Mapping[str, Any]:
    """A tool call's arguments as an object; empty where `max_tokens` cut them."""
    try:
        found: Mapping[str, Any] = json.loads(arguments)
    except json.JSONDecodeError:
        return {}
    return found
