"""A deployment that got worse is found, and one that did not is left alone."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

from building import deployment, provider, settings
from crew.guard import Bench, QuotaGuard
from crew.regression import Change, Outcome, Served, find, speeds
from crew.regression.detector import each_end
from crew.settings.regression import RegressionSpec
from quality import CALL, Day, mostly


def series(*goods: bool, group: str = "") -> list[Outcome]:
    return [
        Outcome(good=good, at=60.0 * n, group=group) for n, good in enumerate(goods)
    ]


def alarm(outcomes: Sequence[Outcome]) -> tuple[int, Change] | None:
    ends = enumerate(each_end(outcomes), 1)
    return next(((n, found) for n, found in ends if found is not None), None)


def test_a_fall_is_found_with_the_moment_of_its_beginning() -> None:
    found = alarm(series(*mostly(0.9, 200), *mostly(0.5, 100)))

    assert found is not None
    number, change = found
    assert 215 <= number <= 250
    assert abs(change.began_at / 60 - 200) <= 5
    assert round(change.before, 1) == 0.9
    assert 0.35 <= change.after <= 0.6


def test_steady_shares_raise_no_alarm() -> None:
    rng = random.Random(11)
    for share in (0.5, 0.9, 0.97):
        outcomes = series(*(rng.random() < share for _ in range(600)))

        assert alarm(outcomes) is None


def test_a_rise_is_no_regression() -> None:
    assert alarm(series(*mostly(0.3, 150), *mostly(0.95, 150))) is None


def test_fewer_than_thirty_before_the_fall_say_nothing() -> None:
    assert alarm(series(*[True] * 29, *[False] * 1)) is None
    assert find(series(*[True] * 25)) is None


def test_harder_tasks_are_no_regression() -> None:
    easy = [replace(one, group="low") for one in series(*mostly(0.98, 150))]
    hard = [replace(one, group="high") for one in series(*mostly(0.4, 150))]

    assert alarm([*easy, *hard]) is None


def test_a_fall_in_one_group_is_found_among_others() -> None:
    mixed = []
    for n in range(300):
        for group, share in (("low", 0.97), ("high", 0.9 if n < 100 else 0.4)):
            good = int((n + 1) * share) > int(n * share)
            mixed.append(Outcome(good=good, at=float(n), group=group))

    found = alarm(mixed)

    assert found is not None and 100 <= found[1].began_at <= 115


def test_only_the_latest_six_hundred_outcomes_count() -> None:
    ages = series(*[False] * 3_000)
    now = series(*mostly(0.9, 400), *mostly(0.4, 100))

    assert find([*ages, *now]) == find([*ages[2_000:], *now])


def test_it_costs_next_to_nothing() -> None:
    outcomes = series(*mostly(0.9, 600))
    began = perf_counter()
    for _ in range(20):
        find(outcomes)

    assert (perf_counter() - began) / 20 < 0.02


def served(seconds: float, tokens: int = 200, answers: int = 2) -> Served:
    return Served(
        at=0.0,
        group="high",
        answers=answers,
        faults=0,
        seconds=seconds,
        output_tokens=tokens,
    )


def test_slow_is_by_the_token_and_against_what_was_usual() -> None:
    usual = [served(10 + n % 10) for n in range(60)]

    assert [one.good for one in speeds([*usual, served(60)])][-1] is False
    assert [one.good for one in speeds([*usual, served(60, tokens=2_000)])][-1]
    assert speeds(usual[:30]) == []


def test_an_alarm_names_the_change_once(tmp_path: Path) -> None:
    day = Day(tmp_path)

    assert day.tasks(mostly(0.92, 100)) == []
    said = day.tasks(mostly(0.4, 60))

    assert len(said) == 1
    words = "ALERT: qwen, coding: .92 -> ."
    assert said[0].startswith(words)
    assert "of the tasks pass their gates since " in said[0]
    assert " tasks; see docs/quality.md, or: crew bench qwen" in said[0]
    (standing,) = day.journal.regressions.standing()
    assert (standing.deployment, standing.kind, standing.signal) == (
        "qwen",
        "coding",
        "gates",
    )


def test_two_processes_find_it_once(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.tasks([*mostly(0.92, 100), *mostly(0.3, 40)])
    (found,) = day.journal.regressions.standing()
    day.journal.regressions.end(found, "over", day.clock.now())

    assert day.journal.regressions.add(found) is None


def test_it_is_over_when_the_deployment_is_as_good_as_before(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.tasks([*mostly(0.9, 100), *mostly(0.3, 40)])

    said = day.tasks(mostly(0.95, 60))

    assert [line.partition(": over, ")[2] for line in said] == [
        "it is as good as before"
    ]
    assert day.journal.regressions.standing() == []


def test_after_seven_days_it_is_no_news(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.tasks([*mostly(0.9, 100), *mostly(0.3, 40)])
    day.clock.advance(7 * 86_400)

    assert day.tasks([False])[0].endswith("over, 7 days passed")


def test_another_kind_of_work_has_a_past_of_its_own(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.tasks(mostly(0.95, 100), kind="documentation")

    assert day.tasks(mostly(0.4, 60)) == []


def test_later_attempts_rehearsals_and_silent_gates_say_nothing(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.begin("r2", tmp_path, rehearsal=True)
    day.tasks(mostly(0.95, 100))

    said = day.tasks([False] * 40, number=2)
    said += day.tasks([False] * 40, run="r2")
    said += day.tasks([True] * 40, gate="", trust="")

    assert said == []
    assert len(day.journal.regressions.gates("qwen", "coding", 0.0)) == 100


@pytest.mark.parametrize("outcome", ["Overloaded", "TimedOut", "BadAnswer"])
def test_errors_of_the_provider_are_an_alarm(tmp_path: Path, outcome: str) -> None:
    day = Day(tmp_path)
    failed = replace(CALL, outcome=outcome)
    day.tasks([True] * 60, calls=[CALL])

    said = day.tasks([True] * 15, calls=[failed, CALL])

    assert len(said) == 1
    assert ".00 -> 1 of the tasks have calls that fail by the provider's" in said[0]


@pytest.mark.parametrize(
    "outcome", ["RateLimited", "BadKey", "BadRequest", "Interrupted"]
)
def test_limits_keys_and_requests_are_no_fault_of_it(
    tmp_path: Path, outcome: str
) -> None:
    day = Day(tmp_path)
    day.tasks([True] * 60, calls=[CALL])

    assert day.tasks([True] * 30, calls=[replace(CALL, outcome=outcome)]) == []


def test_a_slower_deployment_is_an_alarm(tmp_path: Path) -> None:
    day = Day(tmp_path)
    for n in range(100):
        day.tasks([True], calls=[replace(CALL, seconds=8.0 + n % 10)])

    said = day.tasks([True] * 30, calls=[replace(CALL, seconds=60.0)])

    assert len(said) == 1
    assert "of the tasks are slower than nine of ten were" in said[0]


def benching(tmp_path: Path, *chain: str, seconds: float | None = 7_200.0) -> Day:
    made = [deployment(name, provider(f"p-{name}")) for name in chain]
    config = settings(made, tmp_path, regression=RegressionSpec(bench=seconds))
    return Day(tmp_path, config=config)


def test_by_choice_it_is_benched_and_counts_anew_after_that(tmp_path: Path) -> None:
    day = benching(tmp_path, "qwen", "glm")
    said = day.tasks([*mostly(0.9, 100), *mostly(0.3, 30)])
    (bench,) = day.run.guard.benches.standing()

    assert bench.until == pytest.approx(day.clock.now() + 7_200, abs=1_800)
    assert bench.reason.startswith("qwen, coding: .9")
    assert "; benched until " in said[0]
    assert said[0].endswith("; crew bench --lift qwen")

    day.clock.advance(7_200)
    assert day.run.guard.benches.standing() == []
    assert day.tasks([False])[0].endswith("over, its bench ended")
    assert day.tasks(mostly(0.8, 60)) == []
    assert len(day.tasks([False] * 20)) == 1


def beside(day: Day, tmp_path: Path) -> Day:
    """Another machine of the team: the same store, a journal of its own."""
    config = replace(day.config, state_dir=tmp_path / "beside")
    other = Day(tmp_path, config=config)
    other.clock = day.clock
    guard = QuotaGuard(config, day.store, day.clock, other.said.append)
    other.run = replace(other.run, guard=guard, clock=day.clock)
    return other


def test_after_a_bench_the_detectors_of_all_machines_begin_anew(
    tmp_path: Path,
) -> None:
    day = benching(tmp_path, "qwen", "glm")
    other = beside(day, tmp_path)
    early = other.tasks([*mostly(0.9, 100), *[False] * 6])
    assert len(day.tasks([*mostly(0.9, 100), *mostly(0.3, 30)])) == 1

    day.clock.advance(7_200)

    # With what it saw before the bench this would be an alarm.
    assert early == other.tasks([False] * 20) == []
    assert other.tasks(mostly(0.9, 60)) == []
    assert len(other.tasks([False] * 20)) == 1


def test_after_a_bench_that_was_lifted_elsewhere_it_is_looked_at_again(
    tmp_path: Path,
) -> None:
    day = benching(tmp_path, "qwen", "glm")
    assert len(day.tasks([*mostly(0.9, 100), *mostly(0.3, 30)])) == 1

    assert beside(day, tmp_path).run.guard.benches.lift("qwen")
    day.clock.advance(60)

    assert day.tasks([False])[0].endswith("over, its bench ended")


def test_the_last_open_deployment_of_a_chain_is_not_benched(tmp_path: Path) -> None:
    day = benching(tmp_path, "qwen", "glm")
    day.run.guard.benches.put("glm", seconds=86_400, reason="by hand")

    said = day.tasks([*mostly(0.9, 100), *mostly(0.3, 30)])

    assert len(said) == 1
    assert said[0].endswith("; not benched: nothing else is open in the tier mid")
    assert [one.deployment for one in day.run.guard.benches.standing()] == ["glm"]


def test_a_longer_bench_by_hand_stays(tmp_path: Path) -> None:
    day = benching(tmp_path, "qwen", "glm", seconds=60.0)
    benches = day.run.guard.benches
    benches.put("qwen", seconds=86_400, reason="by hand")

    made = benches.put_unless_last("qwen", seconds=60.0, reason="worse")

    assert isinstance(made, Bench)
    (bench,) = benches.standing()
    assert bench.reason == "by hand"


def test_without_watching_nothing_is_looked_for(tmp_path: Path) -> None:
    made = [deployment(name, provider(f"p-{name}")) for name in ("qwen", "glm")]
    config = settings(made, tmp_path, regression=RegressionSpec(watch=False))

    assert Day(tmp_path, config=config).tasks([*[True] * 60, *[False] * 30]) == []
