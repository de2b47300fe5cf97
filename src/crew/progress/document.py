"""Events as JSON: one document each, and the schema of all of them."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from crew.progress.events import Event


def event_line(event: Event) -> str:
    """An event as one line of JSON, ASCII alone, without the line's end."""
    document = {"type": event.type} | _values(event)
    return json.dumps(document, separators=(",", ":"))


def read_event(line: str) -> Event:
    """An event again, from its line. Raises ValueError for what is none, such as a
    line that is not yet written whole."""
    # Here, as pydantic is needed by those who read events alone.
    from crew.progress.schema import read

    return read(line)


def _values(one: Any) -> dict[str, object]:
    """The fields of a value; `asdict` would copy each of them first."""
    return {field.name: _plain(getattr(one, field.name)) for field in fields(one)}


def _plain(value: object) -> object:
    if isinstance(value, str | int | float | None):
        return value
    match value:
        case Decimal():
            return float(round(value, 9))
        case datetime():
            text = value.astimezone(UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return _values(value)
