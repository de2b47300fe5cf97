"""Progress: takes what happened in a run, and hands it to those who follow the run.

A listener that fails, or that takes too long, is left out from then on: it never
disturbs the run. Nothing that a listener gets holds a secret, or an escape that a
terminal would obey.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

from crew.clock import Clock, SystemClock
from crew.notices import Listener
from crew.progress.events import (
    AlertRaised,
    CallEnded,
    Event,
    Noticed,
    OfTask,
    PlannedTask,
    SoFar,
)
from crew.progress.tail import Tail
from crew.texts.escapes import escape_control
from crew.texts.masking import Secrets

Events = Callable[[Event], None]
"""Called with each event of a run, one after another, from the thread where it
happened."""

MOST_NOTICES = 50
"""How many notices of a run are kept for its end."""
LONGEST_TEXT = 240
"""Characters of a text in an event; a longer one is cut."""
PATIENCE = 10.0
"""Seconds that a listener may take for one event."""
TURN = 1.0
"""Seconds that an event waits for those before it: a listener that hangs must not
hold up other threads."""


class Progress:
    """The events of one run. `notices` gets lines of text, as `crew.notices` has it:
    those of events that a person wants to read, too. `tail` is no event: a text."""

    def __init__(
        self,
        run: str = "",
        *,
        clock: Clock | None = None,
        secrets: Secrets | None = None,
        notices: Listener | None = None,
        listeners: Iterable[Events] = (),
    ) -> None:
        self.tail = Tail()
        self._run = run
        self._clock = clock or SystemClock()
        self._secrets = secrets or Secrets()
        self._notices = notices or _nobody
        self._listeners = list(listeners)
        self._began = self._clock.monotonic()
        self._number = 0
        self._so_far = SoFar()
        self._noticed: dict[str, None] = {}
        self._served: dict[tuple[str | None, str | None], str] = {}
        self._lock = threading.Lock()
        self._turn = threading.RLock()

    def publish(self, event: Event, *, notice: str = "") -> None:
        """Hand out an event; `notice` is the line for those who read lines alone."""
        if notice:
            self._say(notice)
        if isinstance(event, AlertRaised):
            self._remember(notice)
        if isinstance(event, CallEnded):
            self.count(event.input_tokens, event.output_tokens, event.cost_usd)
        if not self._listeners:
            return
        event = self._cleaned(event)
        mine = self._turn.acquire(timeout=TURN)
        try:
            event = self._stamped(event)
            for listener in tuple(self._listeners):
                self._tell(listener, event)
        finally:
            if mine:
                self._turn.release()

    def join(self, listener: Events) -> None:
        """Let one more listener get the events from now on."""
        self._listeners.append(listener)

    def notice(self, line: str, *, lasting: bool = True) -> None:
        """Hand out a line for a person; one that is `lasting` is told again when the
        run ends."""
        if lasting:
            self._remember(line)
        self.publish(Noticed(text=line), notice=line)

    def _remember(self, line: str) -> None:
        if len(self._noticed) < MOST_NOTICES:
            self._noticed[self._clean(line)] = None

    @property
    def noticed(self) -> tuple[str, ...]:
        """The notices so far, each once."""
        return tuple(self._noticed)

    def count(
        self, input_tokens: int, output_tokens: int, cost: Decimal | None
    ) -> None:
        """Add one call to what the run took so far."""
        with self._lock:
            known = self._so_far
            total = None
            if known.cost_usd is not None and cost is not None:
                total = known.cost_usd + cost
            self._so_far = replace(
                known,
                calls=known.calls + 1,
                input_tokens=known.input_tokens + input_tokens,
                output_tokens=known.output_tokens + output_tokens,
                cost_usd=total,
                known_cost_usd=known.known_cost_usd + (cost or 0),
            )

    def _stamped(self, event: Event) -> Event:
        with self._lock:
            self._number += 1
            since = self._clock.monotonic() - self._began
            stamp: dict[str, Any] = {
                "run": self._run,
                "number": self._number,
                "at": moment(self._clock.now()),
                "so_far": replace(self._so_far, seconds=round(since, 3)),
            }
            if isinstance(event, get_args(OfTask)):
                place = event.task, event.role
                if event.deployment is None:
                    stamp["deployment"] = self._served.get(place)
                elif isinstance(event, CallEnded) and event.outcome == "ok":
                    self._served[place] = event.deployment
            return replace(event, **stamp)

    def _cleaned(self, event: Event) -> Event:
        return replace(
            event,
            **{
                field.name: self._clean(value)
                for field in fields(event)
                if isinstance(value := getattr(event, field.name), str | tuple)
                and field.name not in ("run", "type")
            },
        )

    def _clean(self, value: Any) -> Any:
        match value:
            case str():
                return one_line(escape_control(self._secrets.masked(value)))
            case tuple():
                return tuple(self._clean(one) for one in value)
            case PlannedTask():
                return replace(value, name=self._clean(value.name))
            case _:
                return value

    def _say(self, line: str) -> None:
        try:
            self._notices(line)
        # As in `_tell`.
        except Exception as exc:
            self._notices = _nobody
            self._left_out(f"failed ({type(exc).__name__})")

    def _tell(self, listener: Events, event: Event) -> None:
        began = self._clock.monotonic()
        try:
            listener(event)
            taken = self._clock.monotonic() - began
            problem = f"took {taken:.0f} s" if taken > PATIENCE else ""
        # Whatever somebody else's code raises: the run goes on without it.
        except Exception as exc:
            problem = f"failed ({type(exc).__name__})"
        if problem and listener in self._listeners:
            self._listeners.remove(listener)
            self._left_out(problem)

    def _left_out(self, problem: str) -> None:
        self.notice(f"WARNING: a listener of the run {problem} and is left out")


def _nobody(line: str) -> None:
    """Listen to nothing."""


def moment(seconds: float) -> datetime:
    """A time of day, from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def one_line(text: str, most: int = LONGEST_TEXT) -> str:
    """A text in one line, cut to `most` characters."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
