"""The answer of one attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crew.quota.reported import ReportedLimit, ReportedUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `tool_calls` and `usage` are litellm's objects. `unread` is what
    a model must hear of a call that it wrote as text and nobody can read; else empty.
    `charged` is what the call took, None where the provider reports no numbers that
    can be.
    `asides` are the usages of the calls that a pattern made before this one.
    `headers` are the provider's own, in lower case, and `reported` are the limits that
    they name. `model` is the one that answered, as the provider names it. `reasoning`
    holds the fields of the message with the model's reasoning.
    """

    text: str
    tool_calls: tuple[Any, ...]
    finish_reason: str | None
    id: str | None
    usage: Any | None
    headers: Mapping[str, str]
    charged: ReportedUsage | None = None
    reported: tuple[ReportedLimit, ...] = ()
    unread: str = ""
    model: str | None = None
    reasoning: Mapping[str, Any] = field(default_factory=dict)
    asides: tuple[Any, ...] = ()


def text_answer(text: str) -> Answer:
    """An answer that no provider was asked for."""
    return Answer(
        text=text,
        tool_calls=(),
        finish_reason="stop",
        id=None,
        usage=None,
        headers={},
    )
