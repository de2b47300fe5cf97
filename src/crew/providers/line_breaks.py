"""Line breaks inside JSON strings, escaped before anybody splits a stream into lines.

A stream is JSON on lines. httpx splits text at every line separator that Unicode has,
and a model may write one of them raw inside of a string: its line would come apart, and
litellm drops both halves without a word. JSON means the same with the escape.
"""

import re

_ESCAPES = {
    character.encode(): f"\\u{ord(character):04x}".encode()
    for character in "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
}
_BREAKS = re.compile(b"|".join(re.escape(raw) for raw in _ESCAPES))
_BEGINNINGS = (b"\xe2\x80", b"\xe2", b"\xc2")
"""How a separator of more than one byte may begin where a part of the body ends."""


class LineBreaks:
    """Escapes the separators in one body, part by part. `\\n` and `\\r` stay: JSON has
    them only between values."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def escape(self, part: bytes) -> bytes:
        """The next part, as far as no separator may begin at its end."""
        part = self._held + part
        self._held = next((end for end in _BEGINNINGS if part.endswith(end)), b"")
        ready = part[: len(part) - len(self._held)]
        return _BREAKS.sub(lambda found: _ESCAPES[found[0]], ready)

    def rest(self) -> bytes:
        """What was held back when the body ends."""
        held, self._held = self._held, b""
        return held
