"""A call that was in flight when its process was killed is not lost."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from crew.calls.recorder import Attempt
from crew.calls.run import Run
from crew.clock import ManualClock
from crew.journal import CallRecord, Journal, OpenCall
from crew.routing import Request
from crew.settings.loader import load_settings
from pages import CALL

OPEN = OpenCall(
    run="r1",
    task="code",
    role="coder",
    deployment="claude-opus",
    provider="anthropic",
    input_tokens=1_200,
    output_tokens=400,
    reason="",
    at=5.0,
    is_free=False,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def settled(path: Path, run: str = "r1") -> list[CallRecord]:
    with Journal.open(path, ManualClock(9.0)) as journal:
        journal.settle_open_calls(run)
        journal.settle_open_calls(run)
        return journal.calls(run)


def begun(run: Run) -> Attempt:
    """A call that leaves."""
    request = Request(
        tier="architect", role="architect", input_tokens=9, output_tokens=9
    )
    attempts = run.guard.begin(request)
    return run.recorder.attempt(attempts, attempts.acquire()).__enter__()


def test_a_call_that_ended_has_one_row(path: Path) -> None:
    with Journal.open(path, ManualClock(5.0)) as journal:
        opened = journal.open_call(OPEN)
        journal.record(CALL, opened)

    assert [call.outcome for call in settled(path)] == ["ok"]


def test_a_call_that_never_ended_is_an_interrupted_one(path: Path) -> None:
    with Journal.open(path, ManualClock(5.0)) as journal:
        journal.open_call(OPEN)
        journal.open_call(replace(OPEN, deployment="glm-free", is_free=True))
        journal.open_call(replace(OPEN, run="r2"))
    found = settled(path)

    assert [call.outcome for call in found] == ["Interrupted", "Interrupted"]
    assert [call.cost_usd for call in found] == [None, Decimal(0)]
    assert (found[0].input_tokens, found[0].at, found[0].estimated) == (
        1_200,
        5.0,
        True,
    )
    assert len(settled(path, "r2")) == 1


def test_a_resumed_run_counts_what_its_killed_part_left_open(
    config: Path, tmp_path: Path
) -> None:
    settings = load_settings(config)
    killed = Run.open(settings, output=tmp_path, run_id="r1")
    begun(killed)  # and its process is gone
    killed.close()
    resumed = Run.open(settings, output=tmp_path, run_id="r1")
    found = resumed.journal.calls("r1")
    resumed.close()

    assert [(call.outcome, call.deployment) for call in found] == [
        ("Interrupted", "thinker")
    ]
