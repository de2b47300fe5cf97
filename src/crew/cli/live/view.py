"""The live view: lines scroll as ever, and below them stands the board of the run."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from threading import RLock
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from crew.cli.live.guardian import Guardian
from crew.cli.live.terminal import Keys, interrupt
from crew.clock import Clock
from crew.progress.board import Board
from crew.progress.board_lines import board_lines
from crew.progress.events import Event
from crew.progress.lines import Line, line_of
from crew.progress.tail import Tail, tail_lines
from crew.texts.escapes import escape_control
from crew.texts.stream import SafeStream

MOST_LINES = 16
"""Of the board, however high the terminal is."""
EACH_SECOND = 4
"""How often the board is drawn anew."""
LONGEST_DIFF = 200
_STYLES = {"good": "green", "bad": "red", "notable": "yellow", "faint": "dim"}
TAIL_LINES, FEWEST_TAIL_LINES = 8, 3
_HELP = (
    "q  end the run; it can be resumed",
    "p  pause before the next call, and go on",
    "d  show what changed so far",
    "v  show, or hide, the end of what a model writes",
    "?  show this",
)
_HELP_BESIDE = ("q  stop watching; the run goes on", "?  show this")
_ELSEWHERE = {
    "p": "· a run pauses by the key p where it was started",
    "d": "· crew diff shows what the run changed",
    "v": "· what models write is in the memory of the run's own process alone",
}
"""What the keys of a run say where another process works on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What keys can do to a run: `pause` returns whether it pauses now; `diff` is what
    changed so far."""

    stop: Callable[[], None]
    pause: Callable[[], bool]
    diff: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Lines that fit already: nothing is to be wrapped, for each line that scrolls."""

    lines: Sequence[Line]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[Segment]:
        for line in self.lines:
            yield Segment(line.text, console.get_style(_STYLES.get(line.tone, "none")))
            yield Segment.line()


class LiveView:
    """A follower of a run on a terminal. When it lets go, the terminal is as before."""

    def __init__(
        self,
        out: SafeStream,
        clock: Clock,
        *,
        budget: Decimal | None = None,
        elsewhere: bool = False,
        with_keys: bool = True,
    ) -> None:
        """`elsewhere`: another process works on the run."""
        self._out = out
        self._clock = clock
        self.budget = budget
        self.tail = Tail()
        self._elsewhere = elsewhere
        self._shows_tail = False
        self._terminal: TextIO = out.beneath
        self._board = Board()
        self._seen_at = clock.monotonic()
        self._lock = RLock()
        self._pauses = False
        self._controls: Controls | None = None
        self._keys = Keys(self._pressed)
        self._has_keys = with_keys and self._keys.open()
        # Without keys the view hides the cursor all the same.
        beside = self._has_keys or not out.beneath.isatty()
        self._guardian = None if beside else Guardian(self._terminal.fileno())
        self._console = _console(self._terminal)
        self._live = Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=EACH_SECOND,
            transient=True,
            # Others write to the safe streams: those are led here below.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        out.beneath = cast(TextIO, FileProxy(self._console, self._terminal))

    def control(self, controls: Controls) -> None:
        """Let keys do something from now on."""
        self._controls = controls

    def __call__(self, event: Event) -> None:
        """Take one event: its line above, and the board below."""
        with self._lock:
            self._board.take(event)
            self._seen_at = self._clock.monotonic()
        line = line_of(event, width=self._console.width)
        if line is not None:
            self._print(line)

    def leave_keys(self) -> None:
        """Take no key any more: somebody else reads what a person types."""
        self._keys.close()
        self._has_keys = False

    def release(self) -> None:
        """Give the terminal back; more than once is as well."""
        if self._out.beneath is not self._terminal:
            with suppress(OSError):
                self._out.beneath.flush()
            self._out.beneath = self._terminal
            with suppress(OSError):  # it may be gone
                self._live.stop()
        self._keys.close()
        if self._guardian is not None:
            self._guardian.let_go()

    def end(
        self, document: Mapping[str, Any] | None, error: Sequence[str] = ()
    ) -> None:
        """The command is over."""
        self.release()

    def _print(self, line: Line) -> None:
        text = self._out.secrets.masked(escape_control(line.text))
        self._console.print(Text(text, _STYLES.get(line.tone, "")), soft_wrap=True)

    def _drawn(self) -> _Rows:
        size = shutil.get_terminal_size()
        masked = self._out.secrets.masked
        with self._lock:
            since = self._clock.monotonic() - self._seen_at
            lines = board_lines(
                self._board,
                width=self._console.width,
                height=min(MOST_LINES, size.lines // 2),
                now=datetime.fromtimestamp(self._clock.now(), UTC),
                seconds=self._board.so_far.seconds + since,
                budget=self.budget,
                keys=self._legend(),
            )
        if self._shows_tail:
            lines += tail_lines(
                self.tail,
                width=self._console.width,
                height=_room(size.lines - len(lines)),
                masked=masked,
            )
        return _Rows([Line(masked(line.text), line.tone) for line in lines])

    def _legend(self) -> str:
        if not self._has_keys:
            return ""
        if self._elsewhere:
            return "q stop watching  ? help"
        pause = "p go on (paused before the next call)" if self._pauses else "p pause"
        return f"q end  {pause}  d diff  v answer  ? help"

    def _pressed(self, key: str) -> None:
        if key == "?":
            for line in _HELP_BESIDE if self._elsewhere else _HELP:
                self._print(Line(line, "plain"))
        elif self._elsewhere and key in _ELSEWHERE:
            self._print(Line(_ELSEWHERE[key], "faint"))
        elif key == "v":
            self._shows_tail = not self._shows_tail
        else:
            self._act(key)

    def _act(self, key: str) -> None:
        """What a key does to the run."""
        controls = self._controls
        if controls is None:
            if key in ("p", "d"):
                self._print(Line("· the run has not begun yet", "faint"))
            elif key == "q":
                interrupt()
            return
        match key:
            case "q":
                controls.stop()
            case "p":
                self._pauses = controls.pause()
                word = "pauses before the next call" if self._pauses else "goes on"
                self._print(Line(f"· the run {word}", "notable"))
            case "d":
                for row in _bounded(controls.diff()):
                    tone = {"+": "good", "-": "bad"}.get(row[:1], "plain")
                    self._print(Line(row, tone))
            case _:
                pass


def _console(terminal: TextIO) -> Console:
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(file=terminal, no_color=plain, highlight=False, markup=False)


def _room(free: int) -> int:
    """The lines of a tail, where so many are free: some are for what scrolls."""
    return max(FEWEST_TAIL_LINES, min(TAIL_LINES, free - FEWEST_TAIL_LINES))


def _bounded(text: str) -> list[str]:
    rows = text.splitlines()
    over = len(rows) - LONGEST_DIFF
    if over <= 0:
        return rows or ["nothing changed so far"]
    return [*rows[:LONGEST_DIFF], f"... {over:,} more lines"]
