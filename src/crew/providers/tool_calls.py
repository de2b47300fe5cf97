"""The tool calls of an answer, as the model made them.

A stream brings a call in pieces. litellm puts the pieces together by their index alone,
and some providers give several calls one index: two calls would become one, with the
arguments of both behind each other.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from litellm.types.utils import ChatCompletionMessageToolCall, Function


@dataclass(slots=True)
class _Growing:
    """A call of which pieces have come. `index` is the provider's."""

    index: int | None
    id: str = ""
    arguments: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.arguments) and is_sound(self.arguments)


def made_call(name: str, arguments: str) -> Any:
    """A call in litellm's form, of what a model wrote as text."""
    function = Function(name=name, arguments=arguments)
    call_id = f"call_{secrets.token_hex(8)}"
    return ChatCompletionMessageToolCall(id=call_id, type="function", function=function)


def number_calls(chunks: Iterable[Any]) -> None:
    """Give each call in a stream of litellm's chunks an index of its own: 0, 1, 2 in
    the order in which the calls began."""
    calls: list[_Growing] = []
    for chunk in chunks:
        delta = chunk.choices[0].delta if chunk.choices else None
        for piece in getattr(delta, "tool_calls", None) or ():
            piece.index = _place(calls, piece)


def is_sound(arguments: object) -> bool:
    """Whether the arguments of a call are what every tool takes: one JSON object, or
    nothing at all."""
    if arguments is None or arguments == "":
        return True
    try:
        return isinstance(json.loads(str(arguments)), dict)
    except (ValueError, RecursionError):
        return False


def unsound(calls: Sequence[Any]) -> str:
    """The name of the first call that must not be handed on; empty when all may."""
    for call in calls:
        if not call.function.name or not is_sound(call.function.arguments):
            return str(call.function.name or "a call without a name")
    return ""


def _place(calls: list[_Growing], piece: Any) -> int:
    name = getattr(piece.function, "name", None) or ""
    arguments = getattr(piece.function, "arguments", None) or ""
    call = _known(calls, piece.id or "", name, piece.index)
    call_id = piece.id or ""
    if call is None:
        call = _Growing(index=piece.index)
        calls.append(call)
        # litellm drops a call without an id.
        piece.id = call_id or f"call_{secrets.token_hex(8)}"
    call.id = call.id or call_id
    call.arguments += arguments
    return next(place for place, known in enumerate(calls) if known is call)


def _known(
    calls: list[_Growing], call_id: str, name: str, index: int | None
) -> _Growing | None:
    """The call that a piece goes on with; None where it begins another.

    An id says it, unless the provider numbers all calls alike. Without an id the piece
    goes on with the latest call of its index, unless it brings a name to a call that
    is complete already.
    """
    same = [call for call in calls if call_id and call.id == call_id]
    if same:
        another = bool(name) and same[-1].is_complete and same[-1].index != index
        return None if another else same[-1]
    under_way = [call for call in calls if index is None or call.index == index]
    if not under_way or (call_id and under_way[-1].id):
        return None
    return None if name and under_way[-1].is_complete else under_way[-1]
