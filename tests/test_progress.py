"""What a person sees while a run works: one line soon, then one for what happens."""

import os
import pty
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from crew import kickoff
from crew.cli import main
from crew.clock import ManualClock
from crew.errors import CrewError
from crew.progress.document import event_line, read_event
from crew.progress.events import (
    CallEnded,
    CheckRan,
    Event,
    FileChanged,
    GateJudged,
    Noticed,
    RunAnnounced,
    RunEnded,
    StepBegun,
    Swapped,
    TaskBegun,
    TaskEnded,
    ToolUsed,
    Waiting,
)
from crew.progress.lines import line_of
from crew.progress.log import FULL, EventLog, read_events
from crew.progress.progress import PATIENCE, Progress, moment
from crew.texts.masking import Secrets
from forked import DEVNULL, Forks
from scripted import Reply, Scripted, tool_call

LONG = "orders/" + "very_long_name_" * 12 + ".py"
FIRST_LINE = """\
import os, sys
from crew.cli import main

class Watched:
    def write(self, text):
        loaded = [name for name in ("crewai", "litellm") if name in sys.modules]
        os.write(1, f"{loaded} {text}".encode())
        os._exit(0)
    def flush(self): pass
    def isatty(self): return False
    def fileno(self): raise OSError

sys.stderr = Watched()
main(["run", "Add\\npages", "--repo", "shop"])
"""
COLOUR = re.compile(r"\x1b\[\d+m(.*)\x1b\[0m")


def of_task(kind: type[Any], **fields: object) -> Any:
    return kind(task="code", role="coder", deployment="a-model", **fields)


def every_line() -> list[Event]:
    """An event of each kind that has a line of bounded length, with long texts."""
    return [
        RunAnnounced(run="20261126-161727-ab12", request="界" * 200),
        of_task(TaskBegun),
        of_task(TaskEnded, status="unproved", seconds=7261.5),
        of_task(StepBegun, attempt=2, step="senior" * 20, why="the next step " * 9),
        of_task(Swapped, reason="first: " + "limit " * 40),
        of_task(
            Waiting, until=moment(0.0), seconds=42.0, at_most=True, reason="full " * 40
        ),
        of_task(ToolUsed, tool="read_file", target=LONG, seconds=12.0, ok=True),
        of_task(ToolUsed, tool="x" * 90, target=None, seconds=0.1, ok=False),
        of_task(FileChanged, path=LONG, change="edited"),
        of_task(
            CheckRan, check="t" * 90, passed=False, failed_before=True, seconds=3.0
        ),
        of_task(GateJudged, gate="python_parses", verdict="nothing"),
    ]


def writing(config: Path, server: Scripted, path: str) -> None:
    """Let the coder write a file, and then answer."""
    agents = config / "agents.yaml"
    text = agents.read_text()
    tool = "tier: coder, tools: [write_file]"
    agents.write_text(text.replace("tier: coder", tool))
    server.replies["smith"] = [
        tool_call("write_file", path=path, content="x = 1\n"),
        "it is written",
    ]


def stopped(config: Path, server: Scripted, output: Path) -> str:
    """A run whose second task fails; returns its id."""
    server.replies["smith"] = ["400"]
    heard: list[Event] = []
    with pytest.raises(CrewError):
        kickoff(request="x", config=config, output=output, events=heard.append)
    server.replies.clear()
    return heard[-1].run


def test_the_first_line_comes_before_anything_slow_is_imported(
    config: Path, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", "shop"], check=True)
    git = ["git", "-C", "shop", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)

    child = subprocess.run(
        [sys.executable, "-c", FIRST_LINE], capture_output=True, text=True, check=True
    )

    assert re.fullmatch(
        r"\[\] · run \d{8}-\d{6}-\w{4} \(shop\): Add pages\n", child.stdout
    )


def test_each_task_and_each_file_is_a_line_with_tokens_and_money(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    writing(config, server, "hello.py")

    assert main(["run", "Add pages"]) == 0

    lines = capsys.readouterr().err.splitlines()
    shown = [
        re.sub(r"^· \d:\d\d |\d+\.\d s", "", line).split("  ")[0] for line in lines
    ]
    assert shown[1] == "· design counts as medium, default: no sign in 2 words, 0 files"
    assert shown[4:] == [
        "3 tasks: design, code, document",
        "design begins: architect",
        "design unproved after",
        "code begins: coder",
        "coder wrote hello.py",
        "code: gate changed passed",
        "code passed after",
        "document begins: documenter",
        "document unproved after",
    ]
    assert re.search(r"  smith +\d+  \$0\.\d{4}$", lines[8])
    assert not any("\x1b" in line or "\r" in line for line in lines)


@pytest.mark.parametrize("event", every_line(), ids=lambda event: str(event.type))
def test_no_line_is_wider_than_a_terminal_of_80_columns(event: Event) -> None:
    line = line_of(event)

    assert line is not None
    assert cell_len(line.text) < 80
    assert line.text == line.text.strip()


def test_quiet_shows_nothing_until_the_end(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Add pages", "--quiet"]) == 0

    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("scribe did the work.")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_a_terminal_gets_colours_unless_it_wants_none(
    variables: dict[str, str], coloured: bool, config: Path, forks: Forks
) -> None:
    there, here = pty.openpty()
    environment = {**os.environ, **variables}
    asked = ("run", "x", "--view", "lines")
    forks.start(*asked, stderr=here, stdout=DEVNULL, env=environment)
    os.close(here)
    shown = b""
    while part := _read(there):
        shown += part
    lines = shown.decode().splitlines()

    done = next(line for line in lines if "design unproved" in line)
    assert bool(COLOUR.fullmatch(done)) is coloured
    assert "\x1b" not in COLOUR.sub(r"\1", "\n".join(lines))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def test_what_a_model_calls_a_file_reaches_no_terminal_as_it_is(
    config: Path,
    server: Scripted,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    writing(config, server, "a\x1b[8m\u202eb\n· crew: all is done.py")

    main(["run", "Add pages"])

    shown = capsys.readouterr().err
    (log,) = (tmp_path / "output").glob("*/events.jsonl")
    kept = [event for event in read_events(log) if isinstance(event, ToolUsed)]
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert not any(
        line.startswith("· crew: all is done") for line in shown.splitlines()
    )
    assert [event.tool for event in kept] == ["write_file"]
    assert not {"\x1b", "\u202e", "\n"} & set(kept[0].target or "")


def test_what_a_tool_was_given_is_in_no_event(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    writing(config, server, "hello.py")
    server.brain = lambda request: "an ANSWER of a model"

    main(["run", "Add pages"])

    (log,) = (tmp_path / "output").glob("*/events.jsonl")
    text = log.read_text()
    assert "ANSWER" not in text
    assert "x = 1" not in text
    assert '"path":"hello.py"' in text


def test_a_listener_that_raises_is_left_out_and_the_run_goes_on(
    config: Path, tmp_path: Path
) -> None:
    heard: list[Event] = []
    lines: list[str] = []

    def listen(event: Event) -> None:
        heard.append(event)
        raise ValueError("no")

    kickoff(request="x", config=config, events=listen, listener=lines.append)

    assert len(heard) == 1
    assert "WARNING: a listener of the run failed (ValueError) and is left out" in lines
    (log,) = (tmp_path / "output").glob("*/events.jsonl")
    assert isinstance([*read_events(log)][-1], RunEnded)


def test_a_listener_of_lines_that_raises_disturbs_nothing(config: Path) -> None:
    def listen(line: str) -> None:
        raise BrokenPipeError

    assert kickoff(request="x", config=config, listener=listen).status == "done"


def test_a_listener_that_takes_too_long_is_left_out() -> None:
    clock, slow, other = ManualClock(), list[Event](), list[Event]()

    def listen(event: Event) -> None:
        slow.append(event)
        clock.advance(PATIENCE + 1)

    progress = Progress("r1", clock=clock, listeners=[listen, other.append])
    progress.publish(Noticed(text="one"))
    progress.publish(Noticed(text="two"))

    texts = [event.text for event in other if isinstance(event, Noticed)]
    assert len(slow) == 1
    assert {"one", "two"} < set(texts)
    assert "WARNING: a listener of the run took 11 s and is left out" in texts


def test_money_adds_up_and_an_unknown_price_stays_unknown() -> None:
    heard: list[Event] = []
    progress = Progress("r1", listeners=[heard.append])
    for cost in (Decimal("0.25"), None, Decimal("0.5")):
        progress.publish(
            of_task(
                CallEnded, outcome="ok", seconds=1.0, input_tokens=10,
                output_tokens=2, cost_usd=cost,
            )
        )  # fmt: skip

    so_far = heard[-1].so_far
    assert (so_far.calls, so_far.input_tokens, so_far.output_tokens) == (3, 30, 6)
    assert (so_far.cost_usd, so_far.known_cost_usd) == (None, Decimal("0.75"))
    assert [event.number for event in heard] == [1, 2, 3]


def test_an_event_holds_no_key() -> None:
    heard: list[Event] = []
    secrets = Secrets(frozenset({"sk-very-secret-0123456789"}))
    progress = Progress("r1", secrets=secrets, listeners=[heard.append])

    progress.publish(RunEnded(status="failed", error=("sk-very-secret-0123456789",)))

    assert "secret" not in event_line(heard[0])


def test_a_resumed_run_counts_what_it_took_before(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    output, heard = tmp_path / "output", list[Event]()
    run = stopped(config, server, output)
    outcome = kickoff(resume=run, config=config, output=output, events=heard.append)

    ended = heard[-1]
    begun = [one.task for one in heard if isinstance(one, TaskBegun)]
    assert begun == ["code", "document"]
    assert isinstance(ended, RunEnded)
    assert ended.so_far.calls == outcome.report.calls
    assert ended.so_far.input_tokens == outcome.report.input_tokens
    logged = [one.status for one in read_events(output / run / "events.jsonl")
              if isinstance(one, RunEnded)]  # fmt: skip
    assert logged == ["failed", "done"]


def test_tasks_at_the_same_time_keep_their_events_apart(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    tasks = config / "tasks.yaml"
    text = tasks.read_text().replace("agent: architect", "agent: architect, "
        "async_execution: true").replace("agent: coder", "agent: coder, "
        "async_execution: true")  # fmt: skip
    tasks.write_text(text)
    heard: list[Event] = []

    def brain(request: dict[str, Any]) -> Reply:
        return f"{request['model']} did the work."

    server.brain = brain
    kickoff(request="x", config=config, events=heard.append)

    assert [event.number for event in heard] == [*range(1, len(heard) + 1)]
    served = {
        (event.task, event.role, event.deployment)
        for event in heard
        if isinstance(event, TaskEnded)
    }
    assert served == {
        ("design", "architect", "thinker"),
        ("code", "coder", "smith"),
        ("document", "documenter", "scribe"),
    }


def test_a_log_that_cannot_be_written_does_not_disturb_the_run(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    run = stopped(config, server, output)
    (output / run / "events.jsonl").unlink()
    (output / run / "events.jsonl").mkdir()

    assert kickoff(resume=run, config=config, output=output).status == "done"


def test_the_log_is_bounded_and_has_the_end(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", most=2_000)
    for _ in range(100):
        log(of_task(TaskBegun))
    log(RunEnded(status="done"))

    found = [*read_events(tmp_path / "events.jsonl")]
    assert (tmp_path / "events.jsonl").stat().st_size < 3_000
    assert isinstance(found[-1], RunEnded)
    assert isinstance(found[-2], Noticed)
    assert found[-2].text == FULL


def test_a_line_that_was_torn_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"type":"task_be')

    EventLog(path)(of_task(TaskBegun))

    assert [event.type for event in read_events(path)] == ["task_begun"]


@pytest.mark.parametrize("event", every_line(), ids=lambda event: str(event.type))
def test_an_event_is_the_same_again_after_json(event: Event) -> None:
    assert read_event(event_line(event)) == event
