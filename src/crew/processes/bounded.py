"""A program that we run with a bound on its time and on what it prints."""

import os
import selectors
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crew.clock import SystemClock
from crew.processes.environment import inherited

_CHUNK = 1 << 16
_LEAVING_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a program printed on both its outputs, in whole or up to a bound. `code`
    is None where it was ended by us."""

    output: bytes
    code: int | None


def run_bounded(
    command: Sequence[str], *, directory: Path, seconds: float, size: int
) -> Printed:
    """Run a program until its end, for `seconds`, or until it printed `size` bytes. It
    inherits no key. Raises OSError where it cannot be started."""
    child = subprocess.Popen(
        command,
        cwd=directory,
        env=inherited(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the crew
    )
    with child:
        code = None
        try:
            output, complete = _read(child, seconds, size)
            if complete:
                with suppress(subprocess.TimeoutExpired):
                    code = child.wait(_LEAVING_SECONDS)
        finally:
            child.kill()  # nothing where it has ended
        return Printed(output=output, code=code)


def _read(
    child: "subprocess.Popen[bytes]", seconds: float, size: int
) -> tuple[bytes, bool]:
    """What it prints, and whether that is all."""
    assert child.stdout is not None
    clock = SystemClock()
    until = clock.monotonic() + seconds
    parts: list[bytes] = []
    left = size
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while left > 0 and (waits := until - clock.monotonic()) > 0:
            if not selector.select(waits):
                break
            part = os.read(child.stdout.fileno(), min(_CHUNK, left))
            if not part:
                return b"".join(parts), True
            parts.append(part)
            left -= len(part)
    return b"".join(parts), False
