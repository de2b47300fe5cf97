"""The tail of the answer that a model writes, or wrote last: a text.

It is in the memory of the run's own process alone. No event, file or store has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from rich.cells import chop_cells

from crew.progress.lines import NARROWEST, Line, cut
from crew.texts.escapes import escape_control

KEPT = 4_000
"""Characters of an answer that are kept."""
_LOOKED_AT = 2_000
"""Characters of those that are shown at most: before that one a secret may be cut, so
that nobody knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """The end of an answer. `ended`: the whole answer is there."""

    role: str
    deployment: str
    text: str = ""
    ended: bool = False


class Tail:
    """What was written last in a run, by whichever role."""

    def __init__(self) -> None:
        self._latest: Writing | None = None
        self._lock = Lock()

    @property
    def latest(self) -> Writing | None:
        """The end of the latest answer; None before the first."""
        return self._latest

    def add(self, role: str, deployment: str, text: str) -> None:
        """A part of a streamed answer came."""
        with self._lock:
            known, before = self._latest, ""
            if known is not None and not known.ended:
                same = (known.role, known.deployment) == (role, deployment)
                before = known.text if same else ""
            text = (before + text)[-KEPT:]
            self._latest = Writing(role=role, deployment=deployment, text=text)

    def end(self, role: str, deployment: str, text: str) -> None:
        """An answer is whole."""
        with self._lock:
            self._latest = Writing(
                role=role, deployment=deployment, text=text[-KEPT:], ended=True
            )


def tail_lines(
    tail: Tail, *, width: int, height: int, masked: Callable[[str], str]
) -> list[Line]:
    """At most `height` lines, each shorter than `width` columns; `masked` takes the
    secrets out of a text."""
    most = max(NARROWEST, width) - 1
    found = tail.latest
    if found is None:
        return [Line("-- no model has written anything yet --", "notable")]
    verb = "wrote" if found.ended else "writes"
    head = f"-- {found.role} on {found.deployment} {verb} --"
    text = escape_control(masked(found.text)[-_LOOKED_AT:]).expandtabs(4)
    rows = [part for row in text.splitlines() for part in _folded(row, most - 2)]
    while rows and not rows[-1].strip():
        rows.pop()
    return [
        Line(cut(escape_control(head), most), "notable"),
        *(Line(f"  {row}", "plain") for row in rows[-(height - 1) :]),
    ]


def _folded(row: str, width: int) -> list[str]:
    return chop_cells(row, width) or [""]
