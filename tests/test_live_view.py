"""The live view of a run: what the board says, its keys, and the terminal after it."""

import os
import pty
import re
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from after_runs import repository
from crew.calls.run import Run
from crew.cli import main
from crew.cli.following import Lines, follower
from crew.cli.live.view import Controls, LiveView
from crew.clock import ManualClock, SystemClock
from crew.errors import Interrupted
from crew.progress.board import Board
from crew.progress.board_lines import board_lines
from crew.progress.events import (
    CallBegun,
    CallEnded,
    CheckRan,
    Event,
    PlannedTask,
    RunBegun,
    RunEnded,
    SoFar,
    StepBegun,
    TaskBegun,
    TaskEnded,
    ToolUsed,
    Waiting,
)
from crew.progress.log import EventLog
from crew.progress.progress import Progress, moment
from crew.progress.tail import Tail, tail_lines
from crew.settings import Inputs
from crew.settings.loader import load_settings
from crew.texts.masking import Secrets
from crew.texts.stream import SafeStream
from crew.workspace import Workspace
from crew.workspace.so_far import changed_so_far
from forked import Forks
from hangs import HANGS_AFTER

HOSTILE = "\x1b[2J\x1b[H\u202ename"
CODE: dict[str, Any] = {"task": "code", "role": "coder", "deployment": "glm-free"}


def so_far(seconds: float, usd: str = "0.02") -> SoFar:
    return SoFar(
        seconds=seconds,
        calls=3,
        input_tokens=9_000,
        output_tokens=400,
        cost_usd=Decimal(usd),
        known_cost_usd=Decimal(usd),
    )


def story() -> list[Event]:
    """A run in which the second task is at its second attempt, and waits."""
    planned = tuple(PlannedTask(name=name, role=None) for name in ("design", "code"))
    return [
        RunBegun(run="r1", request="Add pages", tasks=planned),
        TaskBegun(task="design", role="architect", so_far=so_far(1)),
        TaskEnded(task="design", role="architect", status="passed", seconds=30.0),
        TaskBegun(task="code", role="coder", so_far=so_far(40)),
        CheckRan(**CODE, check="test", passed=False, failed_before=False, seconds=1.0),
        StepBegun(**CODE, attempt=2, step="senior", why="test failed"),
        CheckRan(**CODE, check="lint", passed=True, failed_before=False, seconds=1.0),
        CallBegun(**CODE),
        CallEnded(
            **CODE,
            outcome="ok",
            seconds=2.0,
            input_tokens=9_000,
            output_tokens=400,
            cost_usd=Decimal("0.02"),
            senior_usd=Decimal("0.07"),
            reason="claude-opus: RateLimited (429)",
        ),
        ToolUsed(
            **CODE, tool="read_file", target=f"{HOSTILE}.py", seconds=0.1, ok=True
        ),
        Waiting(
            **CODE,
            until=moment(1_000_012.0),
            seconds=12.0,
            at_most=False,
            reason="20 requests/minute",
            so_far=so_far(60),
        ),
    ]


def shown(board: Board, width: int = 80, height: int = 12, **more: Any) -> list[str]:
    lines = board_lines(
        board,
        width=width,
        height=height,
        now=datetime.fromtimestamp(1_000_000, UTC),
        seconds=61.0,
        **more,
    )
    return [line.text for line in lines]


def test_what_a_senior_would_have_cost_may_be_unknown() -> None:
    board = Board()
    for event in story():
        board.take(event)
        if isinstance(event, CallEnded):
            board.take(replace(event, outcome="TimedOut", senior_usd=None))
            assert board.senior_usd == Decimal("0.07")
            board.take(replace(event, senior_usd=None))
            board.take(event)

    assert "all senior: unknown --" in "\n".join(shown(board, width=200))


def test_the_board_says_who_does_what_at_what_cost() -> None:
    board = Board()
    for event in story():
        board.take(event)
    text = "\n".join(shown(board, width=200, budget=Decimal(2), keys="q end"))

    assert "1:01  3 calls  9.4k tokens  $0.0200 of $2.00  all senior: $0.0700" in text
    assert re.search(r"  design +passed +architect +0:30", text)
    assert re.search(r"> code +attempt 2 +coder +glm-free +0:21 +9\.4k", text)
    assert "read_file" in text
    assert "checks: test FAILED, lint passed" in text
    assert "step senior" in text
    assert "as claude-opus: RateLimited (429)" in text
    assert "coder waits 12 s for glm-free: 20 requests/minute" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(("width", "height"), [(80, 12), (40, 5), (200, 16), (20, 3)])
def test_the_board_keeps_to_its_room(width: int, height: int) -> None:
    board = Board()
    for event in story():
        board.take(event)
    for number in range(30):
        board.take(TaskBegun(task=f"task-{number}-{'界' * 40}", role="coder"))
    lines = shown(board, width=width, height=height, keys="q end")

    assert len(lines) <= max(height, 5)
    assert all(cell_len(line) < max(width, 40) for line in lines)


def test_a_cost_that_nobody_knows_stays_unknown() -> None:
    board = Board()
    call = CallEnded(
        **CODE,
        outcome="ok",
        seconds=1.0,
        input_tokens=1,
        output_tokens=1,
        cost_usd=None,
    )
    for usd in (Decimal(1), None, Decimal(1)):
        board.take(CallEnded(**{**_fields(call), "cost_usd": usd}))

    assert board.tasks["code"].usd is None


def _fields(event: Any) -> dict[str, Any]:
    return {
        name: getattr(event, name) for name in event.__slots__ if name != "type"
    } | {name: getattr(event, name) for name in ("task", "role", "deployment")}


class Terminal:
    """A terminal of 80x24: what was shown on it, and a keyboard."""

    def __init__(self) -> None:
        self.keyboard, inner = pty.openpty()
        self.stdin = os.fdopen(inner, "r+b", buffering=0)
        self.out = open(os.dup(inner), "w", encoding="utf-8")  # noqa: SIM115, PTH123
        self.text = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.keyboard, 65_536)
            except OSError:
                return
            with self._changed:
                self.text += part.decode("utf-8", "replace")
                self._changed.notify_all()

    def press(self, key: str, then: str) -> None:
        """Press a key, and wait until a text was shown."""
        os.write(self.keyboard, key.encode())
        self.wait(then)

    def wait(self, text: str, times: int = 1) -> None:
        def is_there() -> bool:
            return self.text.count(text) >= times

        with self._changed:
            assert self._changed.wait_for(is_there, HANGS_AFTER)

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.stdin)

    def close(self) -> None:
        self.out.close()
        self.stdin.close()
        os.close(self.keyboard)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    found = Terminal()
    monkeypatch.setattr(sys, "stdin", found.stdin)
    # The test's own process group has another terminal, or none.
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("ACCESSIBLE", raising=False)
    yield found
    found.close()


def test_keys_act_and_the_terminal_is_as_before(terminal: Terminal) -> None:
    before = terminal.modes()
    stream = SafeStream(terminal.out, Secrets(frozenset({"sk-secret-0123456789"})))
    view = LiveView(stream, SystemClock())
    stopped = threading.Event()
    pauses = iter((True, False))

    def diff() -> str:
        return f"+with sk-secret-0123456789 {HOSTILE}"

    view.control(
        Controls(
            stop=stopped.set,
            pause=lambda: next(pauses),
            diff=diff,
        )
    )
    for event in story():
        view(event)
    stream.write("what a library prints\n")
    terminal.wait("what a library prints")
    terminal.press("?", "q  end the run")
    terminal.press("p", "pauses before the next call")
    terminal.press("p", "the run goes on")
    terminal.press("d", "+with ***")
    view.tail.add(
        "coder", "glm-free", f"def {HOSTILE}\n    pass  # sk-secret-0123456789"
    )
    terminal.press("v", "pass  # ***")
    terminal.press("q", "")
    assert stopped.wait(HANGS_AFTER)
    during = terminal.modes()
    view(RunEnded(status="done"))
    view.end(None)
    view.release()
    terminal.wait("\x1b[?25h")

    assert during[3] & termios.ICANON == 0
    assert terminal.modes() == before
    assert "sk-secret" not in terminal.text
    assert "\u202e" not in terminal.text
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h")
    assert stream.beneath is terminal.out


def test_keys_that_a_spectator_lacks_say_where_they_are(terminal: Terminal) -> None:
    view = LiveView(SafeStream(terminal.out, Secrets()), SystemClock(), elsewhere=True)
    terminal.press("v", "is in the memory of the run's own process alone")
    terminal.press("p", "where it was started")
    terminal.press("?", "stop watching; the run goes on")
    view.release()


def test_the_tail_has_the_end_of_an_answer_in_its_room() -> None:
    tail = Tail()
    assert "nothing" not in tail_text(tail)[0]
    for part in ("import os\n", "x" * 200, f"\n\n\treturn {HOSTILE}界\n", "\n"):
        tail.add("coder", "glm-free", part)
    rows = tail_text(tail)

    assert rows[0] == "-- coder on glm-free writes --"
    assert rows[-1].startswith("      return \\x1b[2J")
    assert len(rows) == 5
    assert all(cell_len(row) < 80 for row in rows)
    tail.add("documenter", "gemini", "another")
    assert tail_text(tail)[1:] == ["  another"]
    tail.end("coder", "glm-free", "\n".join(f"row {n}" for n in range(5_000)))
    assert tail_text(tail)[1:] == [f"  row {n}" for n in range(4_996, 5_000)]
    assert "wrote" in tail_text(tail)[0]


def test_no_part_of_a_secret_is_at_the_begin_of_a_tail() -> None:
    secret = "sk-" + "0123456789" * 20
    tail = Tail()
    for rest in range(0, 4_200, 37):
        tail.end("coder", "glm-free", secret + "y" * rest)
        shown = "".join(tail_text(tail, height=500, secrets=secret)[1:])

        assert "0123456789" not in shown


def tail_text(tail: Tail, *, height: int = 5, secrets: str = "") -> list[str]:
    masked = Secrets(frozenset({secrets} - {""})).masked
    return [
        one.text for one in tail_lines(tail, width=80, height=height, masked=masked)
    ]


SHELL = """
import os, signal, sys, termios
from contextlib import suppress
from threading import Event
from crew.cli.live.terminal import Keys

def say(*words):  # in one piece: several threads write
    os.write(1, " ".join(map(str, (*words, "\\n"))).encode())

signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    keys = Keys(lambda key: os.abort() if key == "c" else say("pressed", key))
    keys.open()
    say("pid", os.getpid(), "is there")
    idle = Event()  # as a run waits: one that pauses may miss a signal before it
    while True:
        idle.wait(0.1)
with suppress(OSError):
    os.setpgid(child, child)
while True:
    _, status = os.waitpid(child, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    say("stopped with", termios.tcgetattr(0)[3] & termios.ICANON)
    os.tcsetpgrp(0, child)
    os.kill(child, signal.SIGCONT)
say("ended by", os.WTERMSIG(status))
sys.stdin.readline()
"""


WITHOUT_KEYS = """
import os, signal, sys
from crew.cli.live.view import LiveView
from crew.clock import SystemClock
from crew.texts.masking import Secrets
from crew.texts.stream import SafeStream

view = LiveView(SafeStream(sys.stderr, Secrets()), SystemClock())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_view_without_keys_gives_the_cursor_back(forks: Forks) -> None:
    terminal = Terminal()
    with forks.start(code=WITHOUT_KEYS, stderr=os.dup(terminal.stdin.fileno())) as one:
        terminal.wait("\x1b[?25l")
        terminal.wait("\x1b[?25h")
        assert one.wait() == -signal.SIGKILL
    terminal.close()


@pytest.mark.parametrize("end", ["killed", "crashed"])
def test_a_stop_a_kill_and_a_crash_leave_the_terminal_as_it_was(
    forks: Forks, end: str
) -> None:
    """Under a shell that leaves the terminal alone, such as dash."""
    terminal = Terminal()
    before, inner = terminal.modes(), terminal.stdin.fileno()
    streams = {name: os.dup(inner) for name in ("stdin", "stdout", "stderr")}
    with forks.start(code=SHELL, terminal=True, **streams) as shell:
        terminal.wait("is there")
        assert terminal.modes()[3] & (termios.ICANON | termios.ECHO) == 0
        terminal.press("a", "pressed a")
        terminal.press("\x1a", f"stopped with {termios.ICANON}")
        terminal.press("b", "pressed b")  # it goes on, with its keys
        (pid,) = re.findall(r"pid (\d+)", terminal.text)
        cursors = terminal.text.count("\x1b[?25h")
        if end == "killed":
            os.kill(int(pid), signal.SIGKILL)
        else:
            os.write(terminal.keyboard, b"c")
        terminal.wait("ended by")
        terminal.wait("\x1b[?25h", cursors + 1)
        assert terminal.modes() == before
        os.write(terminal.keyboard, b"\n")
        shell.wait()
    terminal.close()


@pytest.mark.parametrize(
    ("variables", "view"),
    [
        ({"TERM": "dumb"}, None),
        ({"ACCESSIBLE": "1"}, None),
        ({}, "lines"),
    ],
)
def test_lines_alone_where_a_board_does_not_belong(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    view: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", SafeStream(terminal.out, Secrets()))

    assert isinstance(follower(view=view), Lines)


def test_a_pause_holds_the_next_call_and_an_interrupt_ends_it(
    tmp_path: Path, config: Path
) -> None:
    run = Run.open(load_settings(config), output=tmp_path)
    try:
        assert run.pause() is True
        ended = threading.Event()
        errors: list[BaseException] = []

        def attempt() -> None:
            try:
                run.count_attempt()
            except Interrupted as exc:
                errors.append(exc)
            ended.set()

        threading.Thread(target=attempt, daemon=True).start()
        assert not ended.wait(0.05)
        assert run.pause() is False
        assert ended.wait(HANGS_AFTER)
        assert errors == []
        run.pause()
        run.interrupt()
        with pytest.raises(Interrupted):
            run.count_attempt()
    finally:
        run.close()


def test_the_difference_so_far_changes_nothing(tmp_path: Path) -> None:
    source = repository(tmp_path / "shop")
    inputs = Inputs(request="x", repositories=(str(source),))
    workspace = Workspace.prepare(tmp_path / "w", "r1", inputs)
    worktree = workspace.repositories[0].path
    (worktree / "new.py").write_text("x = 1\n")
    known = worktree / "a.txt"
    known.write_text(known.read_text() + "# more\n")
    shown = changed_so_far(workspace)

    assert "+# more" in shown
    assert "new file: new.py" in shown
    assert changed_so_far(workspace) == shown


def test_attach_shows_the_events_of_another_process(
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = "20261126-201234-b929"
    directory = tmp_path / "output" / run
    directory.mkdir(parents=True)
    (directory / "inputs.json").write_text(
        '{"request": "x", "repositories": [], "images": [], "rehearsal": false}'
    )
    progress = Progress(run, clock=ManualClock(1_000_000.0))
    progress.join(EventLog(directory / "events.jsonl"))
    for event in (*story(), RunEnded(status="done")):
        progress.publish(event)
    assert main(["attach", run, "--view", "lines"]) == 0
    out, err = capsys.readouterr()

    assert "design passed" in err
    assert "attempt 2 on senior: test failed" in err
    assert out == f"run {run}: done\n"
