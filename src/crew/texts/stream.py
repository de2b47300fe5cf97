"""A terminal, or a file in its place, on which nothing is shown as it came."""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any, TextIO

from crew.texts.escapes import escape_control
from crew.texts.masking import Secrets

# The colours that CrewAI puts around a text of its own.
_COLOURED = re.compile(r"(?:\x1b\[\d{1,2}m)*(.*?)(?:\x1b\[0{1,2}m)?(\n*)", re.DOTALL)


@contextmanager
def safe_streams(secrets: Secrets) -> Iterator[None]:
    """Let nothing reach stdout and stderr but masked and with escapes made visible,
    whoever writes there. It stays so when an error ends the process."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (SafeStream.over(one, secrets) for one in before)
    try:
        yield
    except Exception:
        raise
    except BaseException:
        sys.stdout, sys.stderr = before
        raise
    sys.stdout, sys.stderr = before


class SharedSafety:
    """Safe streams for several that work at the same time: they stay until the last
    one is done."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._lock = Lock()
        self._inside = 0
        self._open = ExitStack()

    @contextmanager
    def block(self) -> Iterator[None]:
        """The streams are safe in the block."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._open.enter_context(safe_streams(self._secrets))
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._open.close()


class SafeStream:
    """Writes to the stream `beneath` with secrets masked and escapes made visible.

    It is no terminal to those who ask, so that nobody writes colours to it.
    """

    def __init__(self, beneath: TextIO, secrets: Secrets) -> None:
        self.beneath = beneath
        self.secrets = secrets

    @classmethod
    def over(cls, stream: TextIO, secrets: Secrets) -> Any:
        """The stream itself where it is a safe one."""
        return stream if isinstance(stream, cls) else cls(stream, secrets)

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        found = _COLOURED.fullmatch(text)
        plain = found[1] + found[2] if found else text
        # JSON leaves DEL as it is, and knows no \x to escape it.
        plain = self.secrets.masked(plain).replace("\x7f", "\\u007f")
        self.beneath.write(escape_control(plain))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Whether colours are welcome."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)
