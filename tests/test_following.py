"""What those see who follow a run: attempts, checks, statuses, kickoffs, the report."""

import json
from pathlib import Path

import pytest

from after_runs import git, repository, writers
from crew import build_crew, kickoff
from crew.cli import main
from crew.progress.events import (
    CheckRan,
    Event,
    GateJudged,
    RunBegun,
    RunEnded,
    StepBegun,
    TaskEnded,
)
from crew.progress.lines import line_of
from crew.progress.log import read_events
from crew.settings.loader import load_settings
from scripted import Scripted, tool_call

ESCAPE = "\x1b[2J\x07"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


@pytest.fixture
def checked(config: Path) -> Path:
    """The configuration with a check that the coder's work has to pass."""
    writers(config)
    tasks = config / "tasks.yaml"
    text = tasks.read_text()
    gated = "agent: coder, gates: [{check: test}]}"
    tasks.write_text(text.replace("agent: coder}", gated))
    (config / "inputs.yaml").write_text(
        "request: x\nsandbox: off\nchecks: {test: '! grep -q bad a.txt'}\n"
    )
    return config


def writes(text: str) -> dict[str, object]:
    return tool_call("write_file", path="shop/a.txt", content=text)


def test_a_check_and_the_next_attempt_are_lines_and_nothing_is_said_twice(
    checked: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["smith"] = [writes("bad"), "done", writes("good"), "mended"]
    heard: list[Event] = []

    kickoff(request="x", config=checked, repositories=[shop], events=heard.append)

    code = [line_of(one) for one in heard if getattr(one, "task", "") == "code"]
    texts = [line.text[7:60].strip() for line in code if line is not None]
    shown = [text for text in texts if text.startswith(("code ", "code:"))]
    assert [text.partition(" after")[0].partition("  ")[0] for text in shown] == [
        "code begins: coder",
        "code: check test FAILED",
        "code: gate changed passed",
        "code: attempt 2 on coder: the reason goes back (1 of",
        "code: check test passed",
        "code: gate changed passed",
        "code proved",
    ]
    steps = [one for one in heard if isinstance(one, StepBegun) and one.task == "code"]
    assert [(one.attempt, one.step, bool(one.why)) for one in steps] == [
        (1, "coder", False),
        (2, "coder", True),
    ]
    assert [one.passed for one in heard if isinstance(one, CheckRan)] == [False, True]
    assert [one.status for one in heard if isinstance(one, TaskEnded)] == [
        "unproved",
        "proved",
        "unproved",
    ]


def test_what_no_longer_passes_is_done_again_on_resume_with_the_reason(
    checked: Path, server: Scripted, shop: Path, tmp_path: Path
) -> None:
    server.replies["smith"] = [writes("good"), "done"]
    server.replies["scribe"] = ["400"]
    main(["run", "x", "--repo", str(shop)])
    (output,) = (tmp_path / "output").glob("2*")
    before = server.hits("smith")
    server.replies["scribe"] = ["it is described"]

    (output / "workspace" / "shop" / "a.txt").write_text("bad\n")
    server.replies["smith"] = [writes("good again"), "mended"]
    assert main(["run", "--resume", output.name]) == 0

    assert server.hits("smith") == before + 2
    told = str([one for one in server.requests if one["model"] == "smith"][before])
    assert "The check test failed." in told
    record = json.loads((output / "run.json").read_text())
    assert {task["name"]: task["status"] for task in record["tasks"]} == {
        "design": "unproved",
        "code": "proved",
        "document": "unproved",
    }
    assert "code is done again: check: test refuses it now" in record["notices"]
    begun = [
        one for one in read_events(output / "events.jsonl") if isinstance(one, RunBegun)
    ]
    assert [one.finished for one in begun] == [(), ("design",)]


def test_what_still_passes_is_not_paid_for_again_on_resume(
    checked: Path, server: Scripted, shop: Path, tmp_path: Path
) -> None:
    server.replies["smith"] = [writes("good"), "done"]
    server.replies["scribe"] = ["400"]
    main(["run", "x", "--repo", str(shop)])
    (output,) = (tmp_path / "output").glob("2*")
    before = server.hits("smith")
    server.replies["scribe"] = ["it is described"]

    assert main(["run", "--resume", output.name]) == 0

    assert server.hits("smith") == before
    assert git(output / "workspace" / "shop", "status", "--porcelain") == ""


def test_each_kickoff_of_a_script_begins_and_ends_in_the_log(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    crew = build_crew(load_settings(config))
    crew.kickoff(inputs={"request": "Add pages"})
    server.replies["smith"] = ["400"]
    with pytest.raises(Exception, match="400"):
        crew.kickoff(inputs={"request": "Add more"})

    (log,) = (tmp_path / "output").glob("*/events.jsonl")
    ends = [one for one in read_events(log) if isinstance(one, RunBegun | RunEnded)]
    assert [
        getattr(one, "request", "") or getattr(one, "status", "") for one in ends
    ] == [
        "Add pages",
        "done",
        "Add more",
        "failed",
    ]


def test_the_report_is_the_summary_that_the_run_printed(
    checked: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "a.txt").write_text("not committed\n")
    server.replies["smith"] = [writes("good"), "done"]
    main(["run", "x", "--repo", str(shop), "--quiet"])
    printed = capsys.readouterr().out

    assert main(["report"]) == 0

    reported = capsys.readouterr().out
    summary = reported.partition("\n\n")[2]
    assert summary
    assert summary.strip() in printed
    assert "Proved by checks that ran:" in reported
    assert "  shop: what is not committed is not seen" in reported
    assert not [line for line in reported.splitlines()[1:] if len(line) > 80]


def test_a_gate_that_judges_a_check_has_no_line_of_its_own() -> None:
    gate = GateJudged(task="code", gate="check: test", verdict="failed")
    silent = GateJudged(task="code", gate="checks", verdict="nothing")

    assert line_of(gate) is None
    assert line_of(silent) is not None


def test_a_streamed_kickoff_prints_nothing_as_a_model_wrote_it(
    config: Path, server: Scripted, capfd: pytest.CaptureFixture[str]
) -> None:
    agents = config / "agents.yaml"
    text = agents.read_text()
    agents.write_text(text.replace("tier:", "verbose: true, tier:"))
    server.brain = lambda request: f"Look: {ESCAPE} done."
    crew = build_crew(load_settings(config))
    crew.stream = True

    streamed = crew.kickoff(inputs={"request": "Add pages"})
    parts = "".join(chunk.content for chunk in streamed)

    shown = capfd.readouterr()
    assert "done." in parts + streamed.result.raw
    assert r"\x1b[2J" in shown.out + shown.err
    assert not {"\x1b", "\x07"} & set(shown.out + shown.err)
