"""What a command prints: its beginning and its end, however much there is."""

from dataclasses import dataclass, field

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 448 * 1024


@dataclass(slots=True)
class BoundedOutput:
    """Keeps both ends of what it is fed."""

    size: int = 0
    _head: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)

    def feed(self, raw: bytes) -> None:
        """Take more."""
        self.size += len(raw)
        room = HEAD_BYTES - len(self._head)
        self._head += raw[:room]
        self._tail += raw[max(0, room) :]
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def text(self) -> str:
        """Both ends as text, with a line in between that says what is left out."""
        tail = bytes(self._tail[-TAIL_BYTES:])
        left_out = self.size - len(self._head) - len(tail)
        middle = f"\n... {left_out} bytes are left out here ...\n" if left_out else ""
        head = bytes(self._head).decode(errors="replace")
        return f"{head}{middle}{tail.decode(errors='replace')}"
