"""A command that runs: its process, and what else belongs to it."""

import json
import os
import select
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_INFO_SECONDS = 5.0


@dataclass(slots=True)
class Started:
    """A process with all its children. `info` is where bubblewrap says which process
    is the first one inside. `killer` ends what a kill of the process leaves."""

    process: "subprocess.Popen[bytes]"
    info: BinaryIO | None = None
    killer: tuple[str, ...] = ()
    _first: int | None = field(default=None, init=False)

    def kill(self) -> None:
        """End it, with all its children."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        if self.killer:
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self.killer, capture_output=True, timeout=20)

    def is_alive(self) -> bool:
        """Whether a process inside is left; with the first one all others end."""
        first = self._known_first()
        return first is not None and _state(first) not in ("", "Z", "X")

    def processes(self) -> list[Path]:
        """The directory of each process under /proc, as far as one can see."""
        first = self._known_first()
        if first is not None:
            # What the first one sees as /proc lists those inside and no other, once
            # it has one of its own: until then it sees that of the machine.
            with suppress(OSError):
                inside = Path(f"/proc/{first}/root/proc")
                if inside.stat().st_dev != Path("/proc").stat().st_dev:
                    return [one for one in inside.iterdir() if one.name.isdigit()]
        return _below(first or self.process.pid)

    def _known_first(self) -> int | None:
        if self._first is None and self.info is not None:
            ready, _, _ = select.select([self.info], [], [], 0)
            if ready:
                self._first = _number(os.read(self.info.fileno(), 4096))
        return self._first


def _number(raw: bytes) -> int | None:
    try:
        return int(json.loads(raw)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _state(pid: int) -> str:
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return text.rpartition(")")[2].split()[0]
    return ""


def _below(first: int) -> list[Path]:
    """A process and all that it started, as the kernel links them."""
    found, waiting = [], [first]
    while waiting:
        directory = Path(f"/proc/{waiting.pop()}")
        found.append(directory)
        with suppress(OSError):
            for task in (directory / "task").iterdir():
                with suppress(OSError):
                    text = (task / "children").read_text(encoding="ascii")
                    waiting += map(int, text.split())
    return found
