"""An attempt that gets nowhere: the same call again and again, or too many calls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from crewai.hooks.dispatch import HookAborted

from crew.errors import TaskFailed

SAME = 3
"""How often the same tool call in a row is a stall."""
NO_PROGRESS = 10
"""How many tool calls in a row, all of them made before, are a stall."""
MOST_CALLS = 60
"""Answers in one attempt where nobody knows how many passing attempts take."""


class Stalled(TaskFailed, HookAborted):
    """An attempt that gets nowhere ends, and CrewAI lets that through. Not the run's
    end: another attempt follows."""


@dataclass(slots=True, kw_only=True)
class Stalls:
    """Watches the answers of the role in one attempt. `limit` is how many it may give.
    `reason` says why the attempt gets nowhere; it is empty as long as it does not."""

    limit: int = MOST_CALLS
    reason: str = ""
    answers: int = 0
    _seen: set[str] = field(default_factory=set)
    _last: str = ""
    _same: int = 0
    _old: int = 0

    def note(self, calls: Sequence[Any], *, is_unread: bool = False) -> None:
        """Count one answer, with the tool calls in it. Between two equal calls one
        that cannot be read is no progress."""
        self.answers += 1
        if is_unread:
            self._limit()
            return
        if not calls:
            self._last, self._same, self._old = "", 0, 0
            return
        made = [f"{one.function.name} {one.function.arguments}" for one in calls]
        key, is_old = "\n".join(made), self._seen.issuperset(made)
        self._same = self._same + 1 if key == self._last else 1
        self._old = self._old + 1 if is_old else 0
        self._seen.update(made)
        self._last = key
        name = calls[0].function.name
        if self._same >= SAME:
            self.reason = f"it called {name} {SAME} times in a row, with the same input"
        elif self._old >= NO_PROGRESS:
            self.reason = f"it repeated earlier tool calls {NO_PROGRESS} times in a row"
        else:
            self._limit()

    def _limit(self) -> None:
        if self.answers >= self.limit:
            self.reason = f"it took {self.limit} model calls without coming to an end"
