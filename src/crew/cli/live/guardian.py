"""A child that puts the terminal back when this process is killed: nothing else can.

It holds the read end of a pipe, and acts when that closes without a word. Where the
terminal is no longer as this process set it, a shell has taken it over, and keeps it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_LET_GO = b"."
_SECONDS = 5.0
# Alone: nothing of this package is imported. The terminal is its stdout.
_PROGRAM = r"""
import json, os, sys, termios
word = os.read(0, 1)
if not word:
    settings = json.loads(sys.argv[1])
    for modes in settings:
        modes[6] = [one if isinstance(one, int) else bytes.fromhex(one)
                    for one in modes[6]]
    if settings and termios.tcgetattr(1) == settings[1]:
        termios.tcsetattr(1, termios.TCSANOW, settings[0])
    os.write(1, b"\r\n\x1b[?25h")
os._exit(0)
"""

Modes = Sequence[Any]
"""A terminal's settings, as `termios.tcgetattr` gives them."""


class Guardian:
    """Watches over one terminal until `let_go`."""

    def __init__(self, terminal: int, before: Modes = (), ours: Modes = ()) -> None:
        """`terminal` is a descriptor, `before` are the settings to go back to, `ours`
        those that were made; without them the cursor alone comes back. Without a
        child nobody watches."""
        self._child: subprocess.Popen[bytes] | None = None
        settings = json.dumps([_plain(one) for one in (before, ours) if one])
        with suppress(OSError):
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, settings],
                stdin=subprocess.PIPE,
                stdout=terminal,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                # Ctrl-C, and what kills the group of this process, do not reach it.
                start_new_session=True,
            )

    def let_go(self) -> None:
        """The terminal is as before: the child ends."""
        child, self._child = self._child, None
        if child is None or child.stdin is None:
            return
        with suppress(OSError), child.stdin:
            os.write(child.stdin.fileno(), _LET_GO)
        try:
            child.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _plain(modes: Modes) -> list[Any]:
    """As JSON can say it: the characters of control are bytes."""
    *numbers, characters = modes
    return [
        *numbers,
        [one if isinstance(one, int) else one.hex() for one in characters],
    ]
