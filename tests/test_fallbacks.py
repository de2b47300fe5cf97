"""How often fallbacks served, and how well, beside the first of their chain."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crew.cli import main
from crew.clock import SystemClock
from crew.regression import Interval, difference, mean_interval, share
from crew.reports.fallbacks import FallbackRow, fallback_lines, fallback_rows
from quality import CALL, Day
from small_config import write_files

FULL = "qwen: 20 requests/minute (provider:p); opens 2026-11-26T14:00:00Z"


def rows(day: Day) -> dict[tuple[str, str], FallbackRow]:
    found = fallback_rows(day.journal.stretch(0.0, day.clock.now() + 1))
    return {(row.turn, row.deployment): row for row in found}


def test_a_fallback_stands_beside_the_first(tmp_path: Path) -> None:
    day = Day(tmp_path)
    other = replace(CALL, deployment="glm", reason=FULL, seconds=30.0)
    for n in range(20):
        day.task(passes=n % 10 > 0, calls=[CALL])
    for n in range(10):
        day.task(passes=n % 2 > 0, calls=[other], deployment="glm")

    found = rows(day)
    first, fallback = found["first", "qwen"], found["fallback", "glm"]

    assert first.served is not None and round(first.served.value, 2) == 0.67
    assert first.passed is not None and first.passed.value == 0.9
    assert first.beside is None
    assert (fallback.attempts, fallback.seconds) == (10, 30.0)
    assert fallback.beside is not None and round(fallback.beside.value, 2) == -0.4
    assert fallback.beside.low < -0.4 < fallback.beside.high < 0.05
    assert fallback.why == "qwen: 20 requests/minute (provider:p)"


def test_a_later_step_has_a_row_of_its_own_without_second_tries(
    tmp_path: Path,
) -> None:
    day = Day(tmp_path)
    day.task(passes=False, calls=[CALL])
    last = replace(CALL, deployment="glm", run="r1")
    for number, passes in ((2, False), (3, True)):
        day.task(passes=passes, calls=[last], number=number, place=1, step="senior",
                 deployment="glm")  # fmt: skip
    day.task(passes=True, calls=[CALL], number=2, fed_back=True)

    found = rows(day)

    assert found["step 2 (senior)", "glm"].attempts == 2
    first = found["first", "qwen"]
    assert (first.attempts, first.passed) == (2, share(0, 1))


def test_a_swap_within_an_attempt_counts_for_both(tmp_path: Path) -> None:
    day = Day(tmp_path)
    failed = replace(CALL, outcome="Overloaded")
    after = replace(CALL, deployment="glm", reason="qwen: Overloaded (503)")
    day.task(calls=[CALL, failed, after], deployment="glm")

    found = rows(day)

    assert found["first", "qwen"].attempts == 0
    assert found["first", "qwen"].faults == share(1, 2)
    assert found["fallback", "glm"].attempts == 1
    assert found["fallback", "glm"].faults == share(0, 1)


def test_the_command_prints_text_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    day = Day(tmp_path)
    day.clock.advance(SystemClock().now() - day.clock.now() - 3_600)
    day.task(calls=[CALL])
    config = write_files(tmp_path / "config")
    monkeypatch.setenv("CREW_STATE_DIR", str(day.config.state_dir))

    assert main(["--config", str(config), "report", "--fallbacks"]) == 0
    text = capsys.readouterr().out
    arguments = ["report", "--fallbacks", "--since", "1d", "--json"]
    assert main(["--config", str(config), *arguments]) == 0
    (row,) = json.loads(capsys.readouterr().out)["fallbacks"]
    assert main(["--config", str(config), "report", "r1", "--fallbacks"]) == 2

    assert "coding" in text
    assert "100%" in text
    assert (row["turn"], row["deployment"]) == ("first", "qwen")
    assert row["passed"] == {"value": 1.0, "low": 0.2065, "high": 1.0, "n": 1}
    assert row["usd_per_attempt"] == 0.001
    assert row["beside_first"] is None


def marks(*values: float) -> Interval | None:
    return mean_interval(values, low=1, high=5, step=1)


def test_nothing_recorded_is_said() -> None:
    assert fallback_lines([]) == "No attempt at a task is recorded in this time."


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda: share(9, 10), 0.596, 0.982),
        (lambda: share(0, 20), 0.0, 0.161),
        (lambda: marks(4.0, 5.0, 3.0, 4.0, 4.0), 3.122, 4.878),
        (lambda: marks(5.0, 5.0, 5.0), 3.566, 5.0),
    ],
)
def test_intervals_are_those_of_the_books(
    make: Callable[[], Interval | None], low: float, high: float
) -> None:
    found = make()

    assert found is not None
    assert (round(found.low, 3), round(found.high, 3)) == (low, high)


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    one, other = share(56, 70), share(48, 80)
    assert one is not None and other is not None

    found = difference(one, other)

    assert (round(found.low, 3), round(found.high, 3)) == (0.052, 0.334)
