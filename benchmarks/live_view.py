"""What the live view and the journal add to a call.

    uv run python benchmarks/live_view.py

A call is what a run tells of it: it leaves, uses a tool (which scrolls a line), and
ends. The control tells it to nobody and keeps nothing; then come the journal (the row
of the open call, the row of the call), the log that `crew attach` reads, and the view
on a terminal of 80x24 whose other end reads at once. All four in turns, in one process:
the time of the run's own thread. The view draws in a thread of its own, four times a
second, however many calls there are: that is measured for itself.
"""

import fcntl
import os
import pty
import statistics
import struct
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from crew.cli.live.view import EACH_SECOND, LiveView
from crew.clock import SystemClock
from crew.journal import CallRecord, Journal, OpenCall
from crew.progress.events import (
    CallBegun,
    CallEnded,
    PlannedTask,
    RunBegun,
    TaskBegun,
    ToolUsed,
)
from crew.progress.log import EventLog
from crew.progress.progress import Events, Progress
from crew.texts.masking import Secrets
from crew.texts.stream import SafeStream

ROUNDS, CALLS = 9, 400
WHO = {"task": "code", "role": "coder", "deployment": "glm-free"}
CALL = CallRecord(
    run="r1",
    **WHO,
    provider="zai",
    input_tokens=9_000,
    output_tokens=400,
    cost_usd=Decimal("0.02"),
    seconds=2.0,
    outcome="ok",
    reason="",
    at=0.0,
)
ANSWER = "def pages(orders):\n    return [orders[n:n + 20] for n in range(0, 99)]\n" * 9


def _made(progress: Progress, journal: Journal | None) -> None:
    """One call, with all that is told and kept of it."""
    opened = None
    if journal is not None:
        opened = journal.open_call(
            OpenCall(
                run="r1",
                **WHO,
                provider="zai",
                input_tokens=9_000,
                output_tokens=400,
                reason="",
                at=0.0,
                is_free=False,
            )
        )
    progress.publish(CallBegun(**WHO))
    progress.tail.end("coder", "glm-free", ANSWER)
    if journal is not None:
        journal.record(CALL, opened)
    progress.publish(
        CallEnded(
            **WHO,
            outcome="ok",
            seconds=2.0,
            input_tokens=9_000,
            output_tokens=400,
            cost_usd=Decimal("0.02"),
            senior_usd=Decimal("0.07"),
        )
    )
    progress.publish(
        ToolUsed(**WHO, tool="read_file", target="shop/a.py", seconds=0.1, ok=True)
    )


def _per_call(journal: Journal | None, listeners: list[Events]) -> float:
    """Milliseconds of this thread."""
    progress = Progress("r1", listeners=listeners)
    names = ("design", "code", "document")
    tasks = tuple(PlannedTask(name=name, role=name) for name in names)
    progress.publish(RunBegun(run="r1", request="Add pages", tasks=tasks))
    progress.publish(TaskBegun(**WHO))
    for one in listeners:
        if isinstance(one, LiveView):
            one.tail = progress.tail
    began = time.thread_time()
    for _ in range(CALLS):
        _made(progress, journal)
    return (time.thread_time() - began) / CALLS * 1e3


@contextmanager
def _view() -> Iterator[LiveView]:
    """A view on a terminal, with the end of an answer below the board."""
    keyboard, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    out = os.fdopen(inner, "w", encoding="utf-8")

    def read() -> None:
        while os.read(keyboard, 65_536):
            pass

    threading.Thread(target=read, daemon=True).start()
    view = LiveView(
        SafeStream(out, Secrets(frozenset({"sk-0123456789abcdef"}))),
        SystemClock(),
        with_keys=False,
    )
    view._pressed("v")
    yield view
    view.release()


def _drawing(view: LiveView) -> float:
    """Milliseconds of drawing the board and the tail once."""
    began = time.thread_time()
    for _ in range(CALLS):
        view._live.refresh()
    return (time.thread_time() - began) / CALLS * 1e3


def main() -> None:
    os.environ["TERM"] = "xterm-256color"
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with Journal.open(place / "journal.db", SystemClock()) as journal, _view() as v:
            journal.start_run(
                "r1", rehearsal=False, user="u", team="t", output=place / "r1"
            )
            log = EventLog(place / "events.jsonl", most=10**9)
            ways: dict[str, Callable[[], float]] = {
                "control": lambda: _per_call(None, []),
                "journal": lambda: _per_call(journal, []),
                "journal, log": lambda: _per_call(journal, [log]),
                "journal, log, view": lambda: _per_call(journal, [log, v]),
            }
            for way, measure in ways.items():  # warm
                measure()
                found[way] = []
            for _ in range(ROUNDS):
                for way, measure in ways.items():
                    found[way].append(measure())
            drawn = statistics.median(_drawing(v) for _ in range(ROUNDS))
    control = found["control"]
    print(f"| {'':<20} | ms a call | more than the control |")
    print("|---|---|---|")
    for way, times in found.items():
        more = statistics.median(a - b for a, b in zip(times, control, strict=True))
        print(f"| {way:<20} | {statistics.median(times):.3f} | {more:.3f} |")
    share = drawn * EACH_SECOND / 1e3
    print(
        f"\nthe board and the tail are drawn in {drawn:.2f} ms: {share:.1%} of a core"
    )


if __name__ == "__main__":
    main()
