"""The terminal while a live view has it: keys without Enter, and back as it was."""

import atexit
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread, current_thread, main_thread
from types import FrameType
from typing import Any

from crew.cli.live.guardian import Guardian

try:
    import termios
    import tty
except ImportError:  # Windows: no keys there
    termios = None  # type: ignore[assignment]

LOOK_SECONDS = 0.2


class Keys:
    """Reads keys from stdin in a thread, until it is closed. Where stdin is no
    terminal there are none. The terminal is as before while the process is stopped
    (Ctrl-Z), and when it is killed."""

    def __init__(self, on_key: Callable[[str], None]) -> None:
        self._on_key = on_key
        self._closed = Event()
        self._before: list[Any] | None = None
        self._guardian: Guardian | None = None
        self._handlers: dict[int, Any] = {}
        self._thread: Thread | None = None

    def open(self) -> bool:
        """Begin to read; returns whether there are keys."""
        if termios is None or not _is_ours():
            return False
        self._before = termios.tcgetattr(sys.stdin)
        self._take()
        atexit.register(self.close)
        descriptor = sys.stdin.fileno()
        ours = termios.tcgetattr(descriptor)
        self._guardian = Guardian(descriptor, self._before, ours)
        self._watch_stops()
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        return True

    def close(self) -> None:
        """Put the terminal back as it was; more than once is as well."""
        self._closed.set()
        before, self._before = self._before, None
        if before is None:
            return
        _set(before)
        if current_thread() is main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if self._guardian is not None:
            self._guardian.let_go()
        atexit.unregister(self.close)

    def _take(self) -> None:
        # Ctrl-C stays a signal.
        with suppress(termios.error):
            tty.setcbreak(sys.stdin, termios.TCSANOW)

    def _watch_stops(self) -> None:
        if current_thread() is not main_thread():  # signals are out of reach there
            return
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN:
            return  # somebody wants no stop
        for number, handler in (
            (signal.SIGTSTP, self._stopped),
            (signal.SIGCONT, self._goes_on),
        ):
            self._handlers[number] = signal.getsignal(number)
            signal.signal(number, handler)

    def _stopped(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: give the terminal back, and stop as every program does."""
        if self._before is not None:
            _set(self._before)
            _write("\x1b[?25h")
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        # Where no shell could let it go on, a stop does nothing.
        self._goes_on(number, frame)

    def _goes_on(self, number: int, frame: FrameType | None) -> None:
        """After `fg`, the terminal is ours again; after `bg` it is not."""
        signal.signal(signal.SIGTSTP, self._stopped)
        self._take_again()

    def _take_again(self) -> None:
        if self._before is not None and _is_ours():
            self._take()
            _write("\x1b[?25l")

    def _read(self) -> None:
        descriptor, away = sys.stdin.fileno(), False
        while not self._closed.is_set():
            if not _is_ours():  # in the background a read would stop the process
                away = True
                self._closed.wait(LOOK_SECONDS)
                continue
            if away:
                away = False
                self._take_again()
            try:
                if not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
                    continue
                key = os.read(descriptor, 1) if _is_ours() else b" "
            except (OSError, ValueError):
                return
            if not key:
                return
            self._on_key(str(key, "ascii", "replace"))


def interrupt() -> None:
    """As Ctrl-C does: the run ends in good order, and can be resumed."""
    os.kill(os.getpid(), signal.SIGINT)


def _set(modes: list[Any]) -> None:
    # The terminal may be gone.
    with suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        os.write(sys.stdin.fileno(), text.encode())


def _is_ours() -> bool:
    """Whether stdin is a terminal on which this command is in the foreground."""
    try:
        descriptor = sys.stdin.fileno()
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
