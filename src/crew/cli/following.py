"""Those who follow `crew run`: a person who reads lines, a program that reads JSON."""

import os
import select
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TextIO

from crew.cli.console import OUTPUT
from crew.clock import SystemClock
from crew.progress.document import event_line
from crew.progress.events import Event, RunAnnounced, RunEnded
from crew.progress.lines import NARROWEST, Line, line_of
from crew.runs.directory import RunDirectory
from crew.settings import Inputs
from crew.texts.escapes import escape_control
from crew.texts.stream import SafeStream

READER_PATIENCE = 1.0
"""Seconds that an event waits for a reader who has stopped reading, such as a pager;
then events are left out until there is room again. A run must not stand still."""
_COLOURS = {"good": "32", "bad": "31", "notable": "33", "faint": "2"}


class Follower(Protocol):
    """Gets the events of a run, and its end."""

    def __call__(self, event: Event) -> None: ...

    def release(self) -> None:
        """Give the terminal back: others print now."""

    def end(
        self, document: Mapping[str, Any] | None, error: Sequence[str] = ()
    ) -> None:
        """The command is over: with the record of the run, or with what kept it from
        one."""


def follower(
    *,
    quiet: bool = False,
    stream: bool = False,
    view: str | None = None,
    elsewhere: bool = False,
) -> Follower:
    """Who follows a run on the command's own stdout or stderr. `view` is `live` or
    `lines`; None: live on a terminal that can do it. `elsewhere`: another process
    works on the run."""
    if stream:
        return JsonStream(sys.stdout)
    if quiet:
        return Quiet()
    out = sys.stderr
    if view == "lines" or not isinstance(out, SafeStream) or not _is_screen(out):
        return Lines(out)
    # On use: lines alone need none of it.
    from crew.cli.live.view import LiveView

    return LiveView(out, SystemClock(), elsewhere=elsewhere)


def announced(run: str, inputs: Inputs | None) -> RunAnnounced:
    """What will be done; without inputs, a run goes on. Raises SettingsError when
    there is no such run."""
    resumed = inputs is None
    if inputs is None:
        inputs = RunDirectory(OUTPUT / run).beginning().inputs
    names = (Path(path).absolute().name for path in inputs.repositories)
    return RunAnnounced(
        request=inputs.request, repositories=tuple(names), resumed=resumed
    )


class Quiet:
    """Shows nothing until the end."""

    def __call__(self, event: Event) -> None:
        """Show nothing."""

    def release(self) -> None:
        """It holds nothing."""

    def end(
        self, document: Mapping[str, Any] | None, error: Sequence[str] = ()
    ) -> None:
        """Show nothing: the command itself prints the end."""


@dataclass(slots=True)
class Lines(Quiet):
    """Prints one line for each event that a person reads: in colours on a terminal,
    plain elsewhere."""

    out: TextIO
    _left_out: int = 0

    def __call__(self, event: Event) -> None:
        line = line_of(event, width=_columns(self.out))
        if line is None:
            return
        if not _takes(self.out, 0 if self._left_out else READER_PATIENCE):
            self._left_out += 1
            return
        if self._left_out:
            self._print(Line(f"· {self._left_out:,} lines left out", "notable"))
            self._left_out = 0
        self._print(line)

    def _print(self, line: Line) -> None:
        out, text = self.out, escape_control(line.text)
        if isinstance(out, SafeStream):
            text, beneath = out.secrets.masked(text), out.beneath
            colour = _COLOURS.get(line.tone) if _is_coloured(beneath) else None
            if colour is not None:
                text, out = f"\033[{colour}m{text}\033[0m", beneath
        # In one piece, for those who print at the same time.
        out.write(f"{text}\n")
        out.flush()


@dataclass(slots=True)
class JsonStream:
    """Prints each event as one line of JSON; the last is the end of the run, with its
    record."""

    out: TextIO
    _ended: RunEnded | None = None
    _left_out: bool = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            self._ended = event
        elif _takes(self.out, 0 if self._left_out else READER_PATIENCE):
            self._left_out = False
            self._print(event)
        else:
            self._left_out = True  # the numbers of the events show it

    def end(
        self, document: Mapping[str, Any] | None, error: Sequence[str] = ()
    ) -> None:
        """Print the last line."""
        ended = self._ended or RunEnded(status="failed", error=tuple(error))
        record = None if document is None else dict(document)
        try:
            self._print(replace(ended, document=record))
        except OSError:
            # The reader is gone, which changes nothing in how the run ended.
            with suppress(OSError, ValueError):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, self.out.fileno())

    def release(self) -> None:
        """It holds nothing."""

    def _print(self, event: Event) -> None:
        self.out.write(f"{event_line(event)}\n")
        self.out.flush()


def _takes(out: TextIO, seconds: float) -> bool:
    """Whether there is room for a line within so many seconds."""
    try:
        return bool(select.select([], [out.fileno()], [], seconds)[1])
    except (OSError, ValueError):  # it is no file, or none that can be asked
        return True


def _columns(out: TextIO) -> int:
    with suppress(OSError, ValueError):
        return os.get_terminal_size(out.fileno()).columns
    return NARROWEST


def _is_screen(out: SafeStream) -> bool:
    """Whether a board can stand on it. Screen readers read lines: ACCESSIBLE asks for
    these, as it does in other command lines."""
    if os.environ.get("ACCESSIBLE") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return out.beneath.isatty() and os.name == "posix"


def _is_coloured(out: TextIO) -> bool:
    environ = os.environ
    plain = environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb"
    return not plain and out.isatty()
