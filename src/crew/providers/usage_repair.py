"""Numbers of usage that cannot be are taken out before litellm reads them.

litellm refuses a whole answer for a text or a NaN among its counts, and the answer
would be paid once more. Only a line with such a number is written anew; all others pass
byte for byte.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from crew.quota.reported import is_count

_MARK = b'"usage'
_COUNTS = ("_tokens", "TokenCount", "eval_count")
_LONGEST = 1_000_000
"""A line that is longer passes as it is: a stream has none."""


@dataclass(slots=True)
class UsageRepair:
    """Repairs an answer line by line; the line that is not complete is held back."""

    _held: bytearray = field(default_factory=bytearray)

    def pass_on(self, part: bytes) -> bytes:
        """What of the answer is complete with this part."""
        self._held += part
        end = self._held.rfind(b"\n") + 1
        if not end and len(self._held) > _LONGEST:
            end = len(self._held)
        lines = bytes(self._held[:end])
        del self._held[:end]
        if _MARK not in lines:
            return lines
        return b"\n".join(_repaired(line) for line in lines.split(b"\n"))

    def rest(self) -> bytes:
        """What is still held back at the end."""
        return _repaired(bytes(self._held))


def _repaired(line: bytes) -> bytes:
    if _MARK not in line:
        return line
    start = line.find(b"{")
    head = line[:start].strip()
    if start < 0 or head not in (b"", b"data:"):
        return line
    try:
        event: Any = json.loads(line[start:])
    except (ValueError, RecursionError):
        return line
    if not isinstance(event, dict) or not _repair_event(event):
        return line
    end = b"\r" if line.endswith(b"\r") else b""
    return line[:start] + json.dumps(event).encode() + end


def _repair_event(event: dict[str, Any]) -> bool:
    """Repair an event in place; returns whether something was wrong."""
    found = False
    message = event.get("message")
    for holder in (event, message if isinstance(message, dict) else {}):
        for name in ("usage", "usageMetadata"):
            usage = holder.get(name)
            if isinstance(usage, dict):
                found |= _repair(usage)
            elif usage is not None:
                holder[name], found = {}, True
    return found


def _repair(numbers: dict[str, Any]) -> bool:
    found = False
    for name, value in numbers.items():
        if name.endswith(_COUNTS):
            if not _passes(name, value):
                numbers[name], found = 0, True
        elif isinstance(value, dict):
            found |= _repair(value)
    return found


def _passes(name: str, value: object) -> bool:
    """Whether litellm can read it: null it takes from all but Gemini."""
    return is_count(value) or (value is None and not name.endswith("TokenCount"))
