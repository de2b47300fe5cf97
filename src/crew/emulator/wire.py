"""OpenAI's chat-completions format: answers as one body, or as a stream of chunks."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crew.emulator.script import Answer

_PIECE = 24
"""Characters in one delta."""

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer with what surrounds it on the wire."""

    id: str
    created: int
    model: str
    answer: Answer
    input_tokens: int
    extra: Mapping[str, Any]

    @property
    def usage(self) -> dict[str, int]:
        """The usage as it is told to the client."""
        told = self.answer.output_tokens
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": told,
            "total_tokens": self.input_tokens + told,
        }

    def _frame(self, kind: str) -> dict[str, Any]:
        frame = {"id": self.id, "object": kind, "created": self.created}
        return frame | {"model": self.model} | dict(self.extra)

    def body(self) -> dict[str, Any]:
        """The whole answer as one body."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.answer.text or None,
        }
        if self.answer.call is not None:
            call = self.answer.call
            function = {"name": call.name, "arguments": call.arguments}
            message["tool_calls"] = [
                {"id": self._call_id, "type": "function", "function": function}
            ]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.answer.finish,
        }
        return self._frame("chat.completion") | {
            "choices": [choice],
            "usage": self.usage,
        }

    @property
    def _call_id(self) -> str:
        return f"call_{self.id.rpartition('-')[2]}"

    def chunks(self, *, include_usage: bool) -> Iterator[dict[str, Any]]:
        """The answer in pieces; the usage comes last, and only when asked for."""
        frame = self._frame("chat.completion.chunk")
        if include_usage:
            frame["usage"] = None
        for delta in self._deltas():
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            yield frame | {"choices": [choice]}
        last = {"index": 0, "delta": {}, "finish_reason": self.answer.finish}
        yield frame | {"choices": [last]}
        if include_usage:
            yield frame | {"choices": [], "usage": self.usage}

    def _deltas(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": ""}
        for piece in _pieces(self.answer.text):
            yield {"content": piece}
        call = self.answer.call
        if call is None:
            return
        named = {"name": call.name, "arguments": ""}
        start = {"index": 0, "id": self._call_id, "type": "function", "function": named}
        yield {"tool_calls": [start]}
        for piece in _pieces(call.arguments):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _pieces(text: str) -> Iterator[str]:
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE]


def event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"
