"""Real processes: killed, interrupted, and two at once on one store."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from forked import Forks, Process
from hangs import HANGS_AFTER
from scripted import Reply, Scripted, serving

Start = Callable[..., Process]


class Blocking:
    """A brain that holds the first call of one model until it is let go."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, request: dict[str, Any]) -> Reply:
        if request["model"] == self.model and not self.released.is_set():
            self.reached.set()
            self.released.wait(HANGS_AFTER)
        return f"{request['model']} did the work."

    def hold(self, process: Process) -> None:
        """Return when the call has come; a run that ends before fails the test."""
        ends = time.monotonic() + HANGS_AFTER
        while not self.reached.wait(1.0):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends, "the call never came"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


@pytest.fixture
def blocking(server: Scripted) -> Iterator[Blocking]:
    server.brain = brain = Blocking("smith")
    yield brain
    brain.released.set()


@pytest.fixture
def start(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: Forks
) -> Start:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")  # named, so it is trusted
    monkeypatch.setenv(KEY, SECRET)
    configure(tmp_path / "config", server.url, limits=["5 requests/hour"])
    return partial(forks.start, "run")


def reported(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What a command prints as JSON, in this process."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def charged(capsys: pytest.CaptureFixture[str]) -> int:
    """How many requests the store counts."""
    pools = reported(capsys, "status")["pools"]
    return sum(
        limit["used"] + limit["reserved"] for pool in pools for limit in pool["limits"]
    )


def test_a_killed_run_goes_on_without_repeating_a_finished_task(
    server: Scripted,
    blocking: Blocking,
    start: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:
    process = start("Add pages")
    blocking.hold(process)
    alive = reported(capsys, "report")
    run = alive["run"]
    refused = main(["run", "--resume", run])
    refusal = capsys.readouterr().err

    process.kill()
    process.communicate()
    blocking.released.set()
    killed = reported(capsys, "report")
    resumed = reported(capsys, "run", "--resume", run)

    assert (alive["status"], killed["status"]) == ("running", "interrupted")
    assert refused == 2
    assert f"run {run} is still running" in refusal
    assert [task["name"] for task in killed["tasks"]] == ["design"]
    assert resumed["status"] == "done"
    # The call that was killed was sent, so it counts; nobody knows its answer.
    assert [request["model"] for request in server.requests] == [
        "thinker",
        "smith",
        "smith",
        "scribe",
    ]
    assert charged(capsys) == 4
    assert [(call["task"], call["outcome"]) for call in resumed["calls"]] == [
        ("design", "ok"),
        ("code", "Interrupted"),
        ("code", "ok"),
        ("document", "ok"),
    ]
    assert "thinker did the work." in str(server.requests[2]["messages"])


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "interrupted by SIGTERM"),
        (signal.SIGHUP, "interrupted by SIGHUP"),
    ],
)
def test_an_interrupted_run_leaves_its_record_and_goes_on(
    number: signal.Signals,
    why: str,
    server: Scripted,
    blocking: Blocking,
    start: Start,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = repository(tmp_path / "shop")
    process = start("Add pages", "--json", "--repo", str(shop))
    blocking.hold(process)
    run = reported(capsys, "report")["run"]

    process.send_signal(number)
    out, err = process.communicate(timeout=HANGS_AFTER)
    blocking.released.set()

    lines = [line for line in err.splitlines() if not line.startswith("·")]
    assert process.returncode == 128 + number
    assert lines == [f"crew: {why}", f"crew: go on with: crew run --resume {run}"]
    printed = json.loads(out)
    written = json.loads((tmp_path / "output" / run / "run.json").read_text())
    assert printed == written == reported(capsys, "report")
    assert (printed["status"], printed["error"]) == ("interrupted", why)
    assert [task["name"] for task in printed["tasks"]] == ["design"]
    last = printed["calls"][-1]
    assert (last["task"], last["outcome"], last["cost_usd"]) == (
        "code",
        "Interrupted",
        None,
    )
    assert last["input_tokens"] > 0
    assert last["output_tokens"] > 0
    assert printed["cost_usd"] is None
    worktree = tmp_path / "output" / run / "workspace" / "shop"
    assert git(worktree, "branch", "--show-current") == ""
    assert git(shop, "branch", "--list", f"crew/{run}").endswith(f"crew/{run}")

    resumed = reported(capsys, "run", "--resume", run)
    assert resumed["status"] == "done"
    assert server.hits("thinker") == 1


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def repository(path: Path) -> Path:
    path.mkdir()
    git(path, "init", "-q")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    git(path, *who, "commit", "-q", "--allow-empty", "-m", "start")
    return path


def test_two_crews_on_one_store_keep_a_limit_to_the_request(
    server: Scripted, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = [start(f"Add {what}", "--json") for what in ("pages", "search")]
    ended = [process.communicate(timeout=HANGS_AFTER) for process in processes]

    documents = [json.loads(out) for out, _ in ended]
    calls = [call for document in documents for call in document["calls"]]
    # Three calls each, and five are allowed.
    assert sorted(process.returncode for process in processes) == [0, 75]
    assert len(server.requests) == len(calls) == charged(capsys) == 5
    assert {call["outcome"] for call in calls} == {"ok"}
    assert (
        sum(call["input_tokens"] for call in calls),
        sum(call["output_tokens"] for call in calls),
    ) == server.totals()
