"""The terminal while a live view has it: keys without Enter, and back as it was."""

import atexit
import os
import select
import signal
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

try:
    import termios
    import tty
except ImportError:  # Windows: no keys there
    termios = None  # type: ignore[assignment]

LOOK_SECONDS = 0.2


class Keys:
    """Reads keys from stdin in a thread, until it is closed. Where stdin is no
    terminal there are none."""

    def __init__(self, on_key: Callable[[str], None]) -> None:
        self._on_key = on_key
        self._closed = Event()
        self._before: list[Any] | None = None
        self._thread: Thread | None = None

    def open(self) -> bool:
        """Begin to read; returns whether there are keys."""
        if termios is None or not _is_ours():
            return False
        self._before = termios.tcgetattr(sys.stdin)
        # Ctrl-C stays a signal.
        tty.setcbreak(sys.stdin, termios.TCSANOW)
        atexit.register(self.close)
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        return True

    def close(self) -> None:
        """Put the terminal back as it was; more than once is as well."""
        self._closed.set()
        before, self._before = self._before, None
        if before is not None and termios is not None:
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
            atexit.unregister(self.close)

    def _read(self) -> None:
        descriptor = sys.stdin.fileno()
        while not self._closed.is_set():
            try:
                if not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
                    continue
                key = os.read(descriptor, 1)
            except OSError:
                return
            if not key:
                return
            self._on_key(key.decode("ascii", "replace"))


def interrupt() -> None:
    """As Ctrl-C does: the run ends in good order, and can be resumed."""
    os.kill(os.getpid(), signal.SIGINT)


def _is_ours() -> bool:
    """Whether stdin is a terminal on which this command is in the foreground."""
    try:
        descriptor = sys.stdin.fileno()
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
