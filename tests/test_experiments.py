"""Experiments: who gets which arm, what counts, and when it is decided."""

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from math import comb

import pytest

from crew.experiments import Metric, drawn, find, read
from crew.experiments.evidence import evidence, weigh
from crew.experiments.outcomes import UNJUDGED
from crew.experiments.summaries import mean_of, rate_interval
from crew.journal import AttemptRecord, Trials
from crew.settings import ArmSpec, ExperimentSpec
from test_rates import attempt

TWO = ExperimentSpec(
    name="two",
    role="coder",
    arms=(ArmSpec(deployment="one"), ArmSpec(deployment="other")),
    share=Decimal("0.5"),
)


def tried(
    arm: str, passed: bool, number: int = 1, *, run: str = "r", **more: object
) -> AttemptRecord:
    verdict = "passed" if passed else "failed"
    made = attempt(1, number, run=run, experiment="two", arm=arm, verdict=verdict)
    return replace(made, **more)  # type: ignore[arg-type]


def outcomes(arm: str, passed: int, failed: int) -> list[AttemptRecord]:
    verdicts = [True] * passed + [False] * failed
    return [tried(arm, one, run=f"{arm}{at}") for at, one in enumerate(verdicts)]


def decided(*attempts: AttemptRecord, arms: tuple[str, ...] = ("one", "other")) -> str:
    return (
        find("two", read(Trials(attempts=attempts)), arms=arms).winner(Metric.SUCCESS)
        or "too few"
    )


# Who gets which arm


def test_a_task_gets_the_same_arm_whenever_it_is_asked() -> None:
    def arms() -> list[str | None]:
        draws = [
            drawn([TWO], role="coder", run="r", task=f"t{number}")
            for number in range(50)
        ]
        return [draw and draw.arm.name for draw in draws]

    assert arms() == arms()


def test_the_share_of_the_tasks_is_split_evenly() -> None:
    found = [drawn([TWO], role="coder", run=f"r{n}", task="t") for n in range(4_000)]
    draws = Counter(draw.arm.name if draw else "" for draw in found)

    assert draws[""] == pytest.approx(2_000, abs=130)
    assert draws["one"] == pytest.approx(1_000, abs=110)
    assert draws["other"] == pytest.approx(1_000, abs=110)


def test_another_seed_draws_others() -> None:
    def picked(seed: int) -> list[bool]:
        spec = replace(TWO, seed=seed)
        return [
            drawn([spec], role="coder", run=f"r{n}", task="t") is None
            for n in range(64)
        ]

    assert picked(1) != picked(2)


def test_only_the_experiment_of_the_role_counts() -> None:
    whole = replace(TWO, share=Decimal(1))

    assert drawn([whole], role="documenter", run="r", task="t") is None
    assert drawn([whole], role=None, run="r", task="t") is None
    assert drawn([whole], role="coder", run="r", task="t") is not None


# When it is decided


@pytest.mark.parametrize(
    ("wins", "losses"), [(8, 0), (11, 1), (14, 2), (16, 3), (18, 4), (20, 5)]
)
def test_evidence_is_enough_from_here_on(wins: int, losses: int) -> None:
    assert evidence(wins, losses) >= 20
    assert evidence(wins - 1, losses) < 20
    assert evidence(wins, losses) == evidence(losses, wins)


def test_the_expected_evidence_without_a_difference_is_one() -> None:
    for n in range(1, 40):
        mean = sum(comb(n, k) * evidence(k, n - k) for k in range(n + 1)) / 2**n
        assert mean == pytest.approx(1.0)


def test_what_is_decided_stays_decided() -> None:
    found = weigh([1] * 8 + [-1] * 8, 20)

    assert (found.winner, found.after) == (1, 8)
    assert found.value < 1


def test_ties_say_nothing() -> None:
    assert weigh([0] * 100, 20).value == 1.0
    assert weigh([0, 1] * 8, 20).after == 16


def test_looking_at_any_time_finds_few_false_winners() -> None:
    rng = random.Random(3)
    signs = [
        [(rng.random() < 0.8) - (rng.random() < 0.8) for _ in range(200)]
        for _ in range(400)
    ]

    assert sum(weigh(one, 20).winner != 0 for one in signs) / 400 <= 0.05


def test_a_winner_needs_enough_tasks() -> None:
    assert decided(*outcomes("one", 7, 0), *outcomes("other", 0, 7)) == "too few"
    assert decided(*outcomes("one", 8, 0), *outcomes("other", 0, 8)) == "one"
    assert decided(*outcomes("one", 0, 8), *outcomes("other", 8, 0)) == "other"
    assert decided() == "too few"


def test_a_third_arm_asks_for_more_evidence() -> None:
    three = ("one", "other", "third")

    def made(tasks: int) -> list[AttemptRecord]:
        worse = (outcomes(arm, 0, tasks) for arm in three[1:])
        return [*outcomes("one", tasks, 0), *chain(*worse)]

    assert decided(*made(8), arms=three) == "too few"
    assert decided(*made(12), arms=three) == "one"


def test_money_and_time_are_decided_pair_by_pair() -> None:
    made = [
        tried(arm, True, run=f"{arm}{n}", cost_usd=Decimal(usd), seconds=seconds)
        for n in range(8)
        for arm, usd, seconds in (("one", "0.1", 5.0), ("other", "0.3", 5.0))
    ]

    found = find("two", read(Trials(attempts=made)))

    assert found.winner(Metric.COST) == "one"
    assert found.winner(Metric.SECONDS) is None
    assert found.winner(Metric.SUCCESS) is None


def test_an_unknown_price_decides_nothing() -> None:
    made = [
        tried(arm, True, run=f"{arm}{n}", cost_usd=usd)
        for n in range(20)
        for arm, usd in (("one", Decimal(1)), ("other", None))
    ]

    found = find("two", read(Trials(attempts=made)))

    assert found.winner(Metric.COST) is None
    assert found.arms[1].usd is None


def test_the_same_task_is_compared_with_itself() -> None:
    made = [
        tried(arm, passed, run=f"{arm}{n}", pair=f"p{n}", at=float(n))
        for n in range(8)
        for arm, passed in (("one", True), ("other", False))
    ]
    shuffled = [replace(one, pair="" if one.arm == "one" else one.pair) for one in made]

    assert decided(*made) == "one"
    assert decided(*reversed(made)) == "one"
    assert decided(*shuffled) == "too few"


# What counts


def test_only_first_attempts_count() -> None:
    made = [tried("one", False), tried("one", True, 2), tried("one", True, 3)]

    (found,) = read(Trials(attempts=made)).outcomes

    assert not found.passed


def test_a_ladder_counts_as_a_whole_once_its_task_ended() -> None:
    arm = "mid > senior"
    made = [
        tried(arm, False, cost_usd=Decimal(1), seconds=2.0),
        tried(arm, True, 2, cost_usd=Decimal(2), seconds=3.0),
    ]
    task = (made[0].run, made[0].task)

    assert read(Trials(attempts=made)).outcomes == ()
    (found,) = read(Trials(attempts=made, ended=frozenset({task}))).outcomes
    assert (found.passed, found.usd, found.seconds) == (True, Decimal(3), 5.0)


def test_what_is_left_out_is_counted_apart() -> None:
    made = [
        tried("one", True, run="a", left_out="other served it, not the arm"),
        tried("one", True, run="b", trust="shape", task_trust="tests"),
        tried("one", True, run="c"),
    ]

    found = read(Trials(attempts=made))

    assert len(found.outcomes) == 1
    assert found.left_out == {"one": {"other served it, not the arm": 1, UNJUDGED: 1}}


# Intervals


def test_the_interval_of_a_rate_holds_the_rate() -> None:
    none, some, every = (
        rate_interval(0, 10),
        rate_interval(5, 10),
        rate_interval(10, 10),
    )

    assert none.low == 0 and none.high is not None and 0.3 < none.high < 0.6
    assert some.low is not None and some.high is not None
    assert some.low < 0.5 < some.high
    assert some.low == pytest.approx(1 - some.high)
    assert every.high == 1
    narrow = rate_interval(500, 1000)
    assert narrow.high is not None and narrow.high - 0.5 < 0.06


def test_a_mean_of_few_has_no_interval() -> None:
    assert mean_of([1.0] * 9).low is None
    assert mean_of([1.0] * 10).low == 1.0
