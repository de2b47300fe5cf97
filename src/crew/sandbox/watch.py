"""What a running command takes: memory and processes of its tree, room on the disk.

A cheap figure that is never too low is looked at often; only where it goes over the
bound, the exact one is, which takes longer.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from crew.sandbox.job import Bounds

_KB = 1024
FILES = 200_000
"""Files that a command may add to the worktree."""
_PAUSE = 0.5
"""Seconds between two exact figures."""


@dataclass(slots=True)
class Watch:
    """Watches a command that writes to the directories `written`, since `began`, in
    seconds since the epoch."""

    bounds: Bounds
    written: Sequence[Path]
    began: float
    _rooms: list[tuple[int, int]] = field(init=False)
    _next: float = 0.0

    def __post_init__(self) -> None:
        self._rooms = [_room(path) for path in self.written]

    def exceeded(self, processes: Sequence[Path], now: float) -> str | None:
        """What the command takes too much of: "processes", "memory", "disk"; `now` is
        in seconds since any moment."""
        if len(processes) > self.bounds.processes:
            return "processes"
        if now < self._next:
            return None
        if sum(map(_resident, processes)) > self.bounds.memory:
            self._next = now + _PAUSE
            if sum(map(_own, processes)) > self.bounds.memory:
                return "memory"
        if self._disk_is_fuller():
            self._next = now + _PAUSE
            if any(self._is_too_large(path) for path in self.written):
                return "disk"
        return None

    def _disk_is_fuller(self) -> bool:
        """Whether so much was written there, by whomever."""
        return any(
            before[0] - now[0] > self.bounds.disk or before[1] - now[1] > FILES
            for before, now in zip(self._rooms, map(_room, self.written), strict=True)
        )

    def _is_too_large(self, top: Path) -> bool:
        """Whether what was written below a directory since the beginning is too much.
        A file's time of change is the kernel's: nobody sets it back."""
        size = count = 0
        for where, _, names in os.walk(top):
            for name in names:
                with suppress(OSError):
                    found = os.lstat(f"{where}/{name}")
                    if found.st_ctime >= self.began - 1:
                        size, count = size + found.st_blocks * 512, count + 1
            if size > self.bounds.disk or count > FILES:
                return True
        return False


def _room(path: Path) -> tuple[int, int]:
    """Free bytes, and files that can still be made."""
    with suppress(OSError):
        found = os.statvfs(path)
        return found.f_bfree * found.f_frsize, found.f_ffree
    return 0, 0


def _resident(process: Path) -> int:
    """Memory of a process that is no file's, shared pages in full; bytes."""
    return _sum(process / "status", ("RssAnon:", "RssShmem:"))


def _own(process: Path) -> int:
    """The same, with each shared page divided among those who share it."""
    rollup = process / "smaps_rollup"
    return _sum(rollup, ("Pss_Anon:", "Pss_Shmem:")) or _resident(process)


def _sum(path: Path, names: tuple[str, ...]) -> int:
    total = 0
    with suppress(OSError, ValueError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(names):
                total += int(line.split()[1]) * _KB
    return total
