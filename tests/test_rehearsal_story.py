"""The rehearsal shows the whole way: a check fails, the reason goes back, the next
tier passes."""

import json
from pathlib import Path

import pytest

from crew.cli import main
from crew.clock import SystemClock
from crew.journal import Journal

PROJECT = Path(__file__).parents[1]


def test_the_scripted_coder_fails_a_real_test_twice_and_the_next_tier_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["--config", str(PROJECT / "config"), "run", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    tasks = {task["name"]: task for task in document["tasks"]}
    if any(gate["verdict"] == "nothing" for gate in tasks["code"]["gates"]):
        pytest.skip(f"nothing isolates commands here: {tasks['code']['gates']}")
    assert tasks["code"]["status"] == "proved"
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        tries = [
            (one.step, one.gate, one.verdict, one.fed_back)
            for one in journal.attempts.of(document["run"])
            if one.task == "code"
        ]
    assert tries == [
        ("mid", "checks", "failed", False),
        ("mid", "checks", "failed", True),
        ("senior", "checks", "passed", True),
    ]
