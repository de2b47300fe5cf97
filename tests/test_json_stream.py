"""`crew run --json-stream`: events as lines of JSON, and their schema."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from crew.cli import main
from crew.progress.document import read_event
from crew.progress.events import Event
from crew.progress.schema import schema
from forked import Forks
from hangs import HANGS_AFTER
from scripted import Scripted

PROJECT = Path(__file__).parents[1]


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def assert_valid(events: list[dict[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    for event in events:
        validator.validate(event)


def test_the_schema_in_the_docs_is_that_of_the_types() -> None:
    written = (PROJECT / "docs" / "events.schema.json").read_text()

    assert json.loads(written) == schema()


def test_every_type_of_event_is_on_the_page() -> None:
    page = (PROJECT / "docs" / "events.md").read_text()
    mapping: Mapping[str, str] = schema()["discriminator"]["mapping"]

    assert [name for name in mapping if f"| `{name}` |" not in page] == []


def test_a_whole_rehearsal_under_a_manager_keeps_to_the_schema(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = str(PROJECT / "config")

    assert main(["--config", config, "run", "Write hello.py", "--json-stream"]) == 0

    shown = capsys.readouterr()
    events = documents(shown.out)
    assert shown.err == ""
    assert_valid(events)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "run_announced"
    assert kinds[-1] == "run_ended"
    assert kinds.count("run_ended") == 1
    assert {"task_begun", "task_ended", "tool_used", "file_changed"} < set(kinds)
    assert {"swapped", "gate_judged", "call_begun", "call_ended"} < set(kinds)
    assert {"step_begun", "check_ran"} < set(kinds)
    ends = [event["status"] for event in events if event["type"] == "task_ended"]
    assert ends == [task["status"] for task in events[-1]["document"]["tasks"]]
    assert [event["number"] for event in events] == [*range(1, len(events) + 1)]
    record = events[-1]["document"]
    ends = [event for event in events if event["type"] == "call_ended"]
    assert len(ends) == len(record["calls"])
    so_far = events[-1]["so_far"]
    for name in ("input_tokens", "output_tokens"):
        assert so_far[name] == sum(call[name] for call in record["calls"])
    assert so_far["cost_usd"] == pytest.approx(record["cost_usd"])
    delegated = [
        (event["role"], event["target"])
        for event in events
        if event["type"] == "tool_used" and event["tool"].startswith("delegate")
    ]
    assert delegated == [
        ("manager", "architect"),
        ("manager", "coder"),
        ("manager", "documenter"),
    ]
    (log,) = (tmp_path / "output").glob("*/events.jsonl")
    assert [one["number"] for one in documents(log.read_text())] == [
        *range(2, len(events) + 1)
    ]
    assert documents(log.read_text())[-1]["document"] is None


def test_each_line_is_an_event_of_the_types(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "Add pages", "--json-stream"])

    lines = capsys.readouterr().out.splitlines()
    assert all(isinstance(read_event(line), Event) for line in lines)


def test_json_stays_one_document_on_stdout(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Add pages", "--json"]) == 0

    shown = capsys.readouterr()
    assert json.loads(shown.out)["status"] == "done"
    assert "design unproved after" in shown.err


def test_one_document_and_a_stream_at_once_is_a_mistake(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "x", "--json", "--json-stream"]) == 2

    shown = capsys.readouterr()
    assert "--json-stream: it does not go together with --json" in shown.err


def test_a_mistake_ends_the_stream_with_its_lines(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", "x", "--repo", "nowhere", "--json-stream"])

    shown = capsys.readouterr()
    (event,) = documents(shown.out)
    assert code == 2
    assert_valid([event])
    assert (event["type"], event["status"]) == ("run_ended", "failed")
    assert event["document"] is None
    assert [f"crew: {line}" for line in event["error"]] == shown.err.splitlines()


def test_a_failed_run_ends_the_stream_with_its_record(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["smith"] = ["400"]

    assert main(["run", "x", "--json-stream"]) == 1

    events = documents(capsys.readouterr().out)
    assert_valid(events)
    assert events[-1]["status"] == events[-1]["document"]["status"] == "failed"
    assert [e["status"] for e in events if e["type"] == "task_ended"] == [
        "unproved",
        "failed",
    ]


def test_an_interrupted_run_ends_the_stream(config: Path, forks: Forks) -> None:
    process = forks.start("run", "x", "--json-stream")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if '"call_begun"' in line and '"code"' in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=HANGS_AFTER)

    events = documents("".join(lines) + rest)
    if process.returncode:  # the run may have been quicker than the signal
        assert process.returncode == 130
        assert events[-1]["error"] == ["interrupted"]
    assert_valid(events)
    assert events[-1]["type"] == "run_ended"
    assert events[-1]["document"]["run"] == events[-1]["run"]


@pytest.mark.parametrize("option", ["--json-stream", "--json"])
def test_a_reader_that_leaves_does_not_change_how_the_run_ends(
    option: str, config: Path, tmp_path: Path, forks: Forks
) -> None:
    process = forks.start("run", "x", option)
    closed = process.stdout if option == "--json-stream" else process.stderr
    assert closed is not None
    assert closed.readline() != ""
    closed.close()
    other = process.stderr if option == "--json-stream" else process.stdout
    assert other is not None
    with other:
        said = other.read()
    process.wait(HANGS_AFTER)

    assert process.returncode == 0, said
    assert "Traceback" not in said
    (log,) = (tmp_path / "output").glob("*/events.jsonl")
    assert documents(log.read_text())[-1]["status"] == "done"


def test_a_resumed_run_says_what_is_kept(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["smith"] = ["400"]
    main(["run", "Add pages", "--json-stream"])
    run = documents(capsys.readouterr().out)[-1]["run"]
    server.replies.clear()

    assert main(["run", "--resume", run, "--json-stream"]) == 0

    events = documents(capsys.readouterr().out)
    begun = next(event for event in events if event["type"] == "run_begun")
    assert (events[0]["request"], events[0]["resumed"]) == ("Add pages", True)
    assert begun["finished"] == ["design"]
    assert [task["name"] for task in begun["tasks"]] == ["code", "document"]
