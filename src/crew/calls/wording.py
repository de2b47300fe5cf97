"""How a conversation is worded for the model that gets it (pure).

A style stands at the front, before the system message: the bytes that a provider
caches stay the same from call to call, and what CrewAI asks for has the last word.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crew.settings import Role
from crew.settings.styles import NONE, Style


def worded(messages: Sequence[Mapping[str, Any]], style: Style) -> list[Any]:
    """The conversation in a style; nothing but the system message differs, which is
    made where there is none."""
    if not style.text:
        return list(messages)
    first = messages[0] if messages else {}
    if first.get("role") != "system":
        return [{"role": "system", "content": style.text}, *messages]
    content = first.get("content")
    if isinstance(content, list):
        content = [{"type": "text", "text": f"{style.text}\n\n"}, *content]
    else:
        content = f"{style.text}\n\n{content or ''}"
    return [{**first, "content": content}, *messages[1:]]


def override(role: Role, *, is_read: bool, chosen: str | None) -> str | None:
    """The name of the style in place of the deployment's own; None for that one.
    `is_read`: a program reads the answer, whose form alone counts; `chosen` is what
    somebody chose for the task."""
    if is_read or role.options.get("use_system_prompt") is False:
        return NONE.name
    return chosen
