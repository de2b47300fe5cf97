"""How large a YAML file may be, as it lies there and with its aliases written out.

A few hundred bytes of aliases that name each other stand for billions of values.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

FILE_BYTES = 512 * 1024
VALUES = 20_000
"""Values of one file, each alias counted with all that it stands for."""
DEPTH = 40
"""Mappings and lists inside each other; the deepest key that we know is the sixth."""
MISTAKES = 100
"""Mistakes of one file that are listed."""
_CHARACTERS = 1_000
"""Characters of a text that count as one value."""


class TooLarge(Exception):
    """A file goes past a bound; the message names it."""


@dataclass(slots=True)
class Budget:
    """How many values of a file may still be read."""

    left: int = VALUES

    def take(self, count: int = 1, *, characters: int = 0) -> None:
        """Count values, or a text of so many characters. Raises TooLarge."""
        self.left -= count + characters // _CHARACTERS
        if self.left < 0:
            raise TooLarge(
                f"more than {VALUES:,} values, with its aliases (*name) written out"
            )


def file_content(path: Path) -> bytes:
    """The bytes of a file. Raises OSError, and TooLarge for what is no file, such as
    a pipe, from which one would read for ever."""
    # Not blocking: a FIFO would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        kind = os.fstat(handle).st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            raise TooLarge("not a file")
        raw = file.read(FILE_BYTES + 1)
    if len(raw) > FILE_BYTES:
        raise TooLarge(f"larger than {FILE_BYTES // 2**10} KB")
    return raw
