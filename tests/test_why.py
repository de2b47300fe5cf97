"""`crew report --why`: the story of a task."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crew.cli import main
from crew.clock import ManualClock
from crew.journal import AttemptRecord, Journal
from crew.reports.why import Story
from small_config import write_files

FIRST = AttemptRecord(
    run="r1",
    task="code",
    number=1,
    at=0.0,
    kind="coding",
    complexity="high",
    step="mid",
    place=0,
    deployment="small",
    prompt="",
    gate="check: test",
    trust="tests",
    verdict="failed",
    reason_hash="x",
    fed_back=False,
    why="",
    cost_usd=Decimal("0.001"),
    premium_usd=Decimal("0.02"),
    seconds=34.4,
    calls=5,
    input_tokens=10,
    output_tokens=20,
    cached_tokens=0,
    is_free=False,
    cut_off=False,
    p=Decimal("0.78"),
    c=Decimal("0.001"),
    rest=Decimal("0.031"),
    task_trust="tests",
)
TOLD = replace(
    FIRST, number=2, fed_back=True, why="the reason goes back (1 of 1)", calls=1
)
LAST = replace(
    FIRST,
    number=3,
    step="senior",
    place=1,
    deployment="big",
    verdict="passed",
    fed_back=True,
    why="senior is the next step",
    cost_usd=Decimal("0.03"),
    p=None,
    rest=None,
)


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    directory = write_files(tmp_path / "config")
    state = tmp_path / "state"

    def tell(
        *arguments: str, monkeypatch: pytest.MonkeyPatch, code: int = 0
    ) -> tuple[str, str]:
        monkeypatch.setenv("CREW_STATE_DIR", str(state))
        with Journal.open(state / "journal.db", ManualClock()) as journal:
            journal.start_run("r1", rehearsal=False, user="", team="", output=tmp_path)
            for one in (FIRST, TOLD, LAST):
                journal.attempts.add(one)
            journal.finish_task("r1", "code", "coder", "proved")
        assert main(["--config", str(directory), "report", *arguments]) == code
        found = capsys.readouterr()
        return found.out, found.err

    return tell


def test_the_story_names_each_attempt_and_what_decided_it(
    told: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = told("--why", "code", monkeypatch=monkeypatch)

    assert out.splitlines() == [
        "code in run r1: proved, 3 attempts",
        "coding.high, gates of trust tests; p 0.78 x P $0.0310 > c $0.001000",
        "1. mid (small): failed check: test; $0.001000, 5 calls in 34.4 s",
        "2. mid (small) [the reason goes back (1 of 1); knew the reason]: failed "
        "check: test; $0.001000, 1 call in 34.4 s",
        "3. senior (big) [senior is the next step; knew the reason]: passed "
        "check: test; $0.0300, 5 calls in 34.4 s",
        "cost $0.0320; the same tokens at the premium: $0.0600",
    ]


def test_the_story_as_json(
    told: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = told("r1", "--why", "code", "--json", monkeypatch=monkeypatch)

    found = json.loads(out)
    assert found["status"] == "proved"
    assert found["cost_usd"] == 0.032
    assert [one["verdict"] for one in found["attempts"]] == [
        "failed",
        "failed",
        "passed",
    ]
    assert found["attempts"][0]["P"] == 0.031
    assert found["attempts"][2]["p"] is None


def test_a_task_that_is_not_there_is_a_mistake(
    told: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, err = told("--why", "cod", monkeypatch=monkeypatch, code=2)

    assert "unknown task 'cod'; did you mean 'code'?" in err


def test_a_long_story_has_ten_lines() -> None:
    many = [replace(FIRST, number=number) for number in range(1, 41)]

    lines = Story(run="r1", task="code", status=None, attempts=many).lines()

    assert len(lines) <= 10
    assert "not ended, 40 attempts" in lines[0]
    assert any(line.startswith("40. ") for line in lines)
    shown = sum(line.split(".")[0].isdigit() for line in lines)
    assert f"... {40 - shown} more ..." in lines


def test_what_nobody_knows_is_unknown_and_not_zero() -> None:
    bare = replace(FIRST, cost_usd=None, p=None, gate="", deployment="", cut_off=True)
    story = Story(run="r1", task="code", status="failed", attempts=[bare])

    told = "\n".join(story.lines())
    assert "the ladder of the YAML" in told
    assert "cost unknown" in told
    assert "nobody answered" in told
    assert "cut off" in told
    assert story.document()["cost_usd"] is None
