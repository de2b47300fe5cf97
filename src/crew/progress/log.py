"""`output/<run>/events.jsonl`: the events of a run, for processes that follow it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from crew.progress.document import event_line, read_event
from crew.progress.events import Event, Noticed, RunEnded

MOST_BYTES = 8 * 1024 * 1024
"""How long the file gets; past it only the end of the run is added."""
_PART = 65_536
FULL = "events.jsonl is full: only the end of the run follows"


class EventLog:
    """Appends each event as one line. A disk that takes no more, or a directory that
    cannot be written, ends the log and not the run."""

    def __init__(self, path: Path, *, most: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most
        self._works = True
        self._size: int | None = None

    def __call__(self, event: Event) -> None:
        """Add an event."""
        if not self._works:
            return
        try:
            self._add(event)
        except OSError:
            # Nothing of the run depends on it, and its end needs the room.
            self._works = False

    def _add(self, event: Event) -> None:
        if self._size is None:
            self._size = self._opened()
        is_end = isinstance(event, RunEnded)
        if self._size >= self._most and not is_end:
            return
        line = event_line(event)
        if self._size + len(line) >= self._most and not is_end:
            line = event_line(Noticed(run=event.run, at=event.at, text=FULL))
            self._size = self._most
        self._write(f"{line}\n")

    def _opened(self) -> int:
        """The size of the file. What an earlier part of the run left behind it that is
        no whole line, gets an end."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                torn = file.read(1) not in (b"", b"\n")
        except FileNotFoundError:
            return 0
        self._size = size
        if torn:
            self._write("\n")
        return self._size

    def _write(self, text: str) -> None:
        # In one piece: who reads at the same time sees whole lines.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        file = os.open(self._path, flags, 0o644)
        try:
            raw = text.encode("ascii")
            if os.write(file, raw) < len(raw):
                raise OSError("the disk is full")
        finally:
            os.close(file)
        self._size = (self._size or 0) + len(text)


class LogReader:
    """Reads a log while it is written: `new` has the events that came since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    @property
    def is_whole(self) -> bool:
        """Whether what was read ends with a whole line."""
        return not self._rest

    def new(self) -> Iterator[Event]:
        """The events since the last time, oldest first; what is no event is passed
        over. Raises OSError."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            while part := file.read(_PART):
                self._at += len(part)
                *lines, self._rest = (self._rest + part).split(b"\n")
                for line in lines:
                    with suppress(ValueError):
                        yield read_event(line.decode("utf-8", "replace"))


def read_events(path: Path) -> Iterator[Event]:
    """The events of a log, oldest first; what is no event is passed over, such as the
    last line of a process that was killed. Raises OSError."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield read_event(line)
            except ValueError:
                continue
