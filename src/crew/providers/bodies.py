"""The body of a failed answer, read into the few parts that carry meaning.

Only codes and the provider's own message are looked at: other parts may echo the
request, and a prompt that quotes an error is none.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_LONGEST_BODY = 200_000
_LONGEST_MESSAGE = 2_000
_LONGEST_CODE = 100
_MOST_PARTS = 50
_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """`codes` are the provider's words for the failure, `message` its sentence (both
    cut); `error` is the error object, `details` and `metadata` are in it. `whole` is
    the JSON around it."""

    codes: tuple[str, ...] = ()
    message: str = ""
    error: Mapping[str, object] = field(default_factory=dict)
    details: tuple[Mapping[str, object], ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    whole: Mapping[str, object] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Codes and message in lower case."""
        return f"{' '.join(self.codes)} {self.message}".lower()


def read_body(text: str) -> Body:
    """Read a body of whatever shape; what is no JSON is all message."""
    whole = _json(text)
    if isinstance(whole, list) and whole:  # Gemini's streams wrap the error in a list
        whole = whole[0]
    if not isinstance(whole, dict):
        return Body(message=text[:_LONGEST_MESSAGE])
    error = _error_in(whole)
    details = tuple(objects(error.get("details")))
    metadata = as_object(error.get("metadata"))
    codes = [error.get(name) for name in ("code", "type", "status")]
    codes += [metadata.get(name) for name in ("error_type", "limit_source")]
    codes += [part.get(name) for part in details for name in ("reason", "error_code")]
    codes.append(error.get("error_type"))  # Together
    return Body(
        codes=tuple(as_text(code)[:_LONGEST_CODE] for code in codes if as_text(code)),
        message=f"{_message(error)}{_upstream(metadata)}"[:_LONGEST_MESSAGE],
        error=error,
        details=details,
        metadata=metadata,
        whole=whole,
    )


def _error_in(whole: dict[str, object]) -> dict[str, object]:
    """The error object, wherever a gateway packed it."""
    errors = list(objects(whole.get("errors")))
    error = whole.get("error") or (errors[0] if errors else whole)
    if not isinstance(error, dict):
        error = {**whole, "message": error}
    for name in _MESSAGES:
        # A gateway may pass on what is behind it as a text.
        text = error.get(name)
        if isinstance(text, str) and text.lstrip().startswith(("{", "[{")):
            inner = _json(text)
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if isinstance(inner, dict):
                found = inner.get("error", inner)
                return found if isinstance(found, dict) else {"message": found}
    return dict(error)


_MESSAGES = ("message", "detail", "msg")


def as_object(value: object) -> Mapping[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else _NOTHING


def as_text(value: object) -> str:
    """The value if it is a text or a number, else nothing."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if plain else ""


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """The objects in a list, or the one object that stands where a list may."""
    for part in value[:_MOST_PARTS] if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            yield part


def _json(text: str) -> object:
    """The JSON that the text is, or that begins in it: litellm quotes a body behind
    words of its own."""
    start = min((at for at in map(text.find, "{[") if at >= 0), default=-1)
    if start < 0 or len(text) > _LONGEST_BODY:
        return None
    try:
        found: object = json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None
    return found


def _upstream(metadata: Mapping[str, object]) -> str:
    """The message of the provider behind OpenRouter, if it is an error's own JSON."""
    raw = metadata.get("raw")
    inner = as_object(_json(raw) if isinstance(raw, str) else raw)
    message = _message(as_object(inner.get("error", inner)))
    return f": {message}" if message else ""


def _message(error: Mapping[str, object]) -> str:
    for name in _MESSAGES:
        value = error.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, dict):  # Mistral: {"message": {"detail": [...]}}
            value = value.get("detail", [value])
        # Their `input` is the request: only what they say about it counts.
        texts = [
            as_text(p.get("msg")) or as_text(p.get("type")) for p in objects(value)
        ]
        if texts:
            return "; ".join(texts)
    return ""
