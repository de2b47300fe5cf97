"""An answer that is no completion, and OpenAI's envelope of an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is no completion. `body` is sent as JSON."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def openai_error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    """The body of an error as OpenAI writes it."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return {"error": error}
