"""Rates from the journal's attempts: pass rates, prices, and how they age."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from building import deployment, provider, role, settings
from crew.clock import ManualClock
from crew.journal import AttemptRecord, Journal, Try
from crew.ladder import Rate
from crew.ladder.measuring import at_tokens, enough, measure
from crew.runs.measured import Measured
from crew.settings import LadderSpec

NOW = 1_700_000_000.0
DAY = 86_400.0
ONE = Try(
    deployment="cheap",
    kind="coding",
    complexity="medium",
    at=NOW,
    number=1,
    is_retry=False,
    task_trust="tests",
    trust="tests",
    passed=True,
    usd=Decimal("0.01"),
    premium_usd=Decimal("0.2"),
    seconds=10.0,
)


def tries(passed: int, failed: int, **fields: object) -> list[Try]:
    made = replace(ONE, **fields)  # type: ignore[arg-type]
    return [made] * passed + [replace(made, passed=False)] * failed


def bound(known: list[Try], trust: str = "tests") -> float:
    rate = measure(known, trust, NOW)
    assert rate.passes is not None
    return float(rate.passes)


def test_nothing_is_known_of_no_attempt() -> None:
    assert measure([], "tests", NOW) == Rate()
    assert not measure(tries(9, 0), "tests", NOW).is_measured
    assert measure(tries(10, 0), "tests", NOW).is_measured


@given(passed=st.integers(0, 60), failed=st.integers(0, 60))
def test_the_bound_is_a_rate_above_the_share(passed: int, failed: int) -> None:
    if passed + failed == 0:
        return
    rate = measure(tries(passed, failed), "tests", NOW)

    assert rate.share is not None and rate.passes is not None
    assert 0 <= rate.share <= rate.passes <= 1
    assert rate.passes > 0


@given(passed=st.integers(0, 30), failed=st.integers(1, 30))
def test_one_more_success_raises_the_bound(passed: int, failed: int) -> None:
    assert bound(tries(passed + 1, failed - 1)) > bound(tries(passed, failed)) - 1e-9


@given(
    outcomes=st.lists(st.booleans(), min_size=1, max_size=80),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_the_rows_does_not_matter(
    outcomes: list[bool], order: "object"
) -> None:
    known = [
        replace(ONE, passed=passed, at=NOW - 60 * at)
        for at, passed in enumerate(outcomes)
    ]
    shuffled = list(known)
    order.shuffle(shuffled)  # type: ignore[attr-defined]

    assert measure(shuffled, "tests", NOW) == measure(known, "tests", NOW)


@pytest.mark.parametrize(
    ("passed", "failed", "expected"),
    # Wilson's one-sided upper bound at 80 %, of ten equal weights less their rank.
    [(0, 10, 0.07), (5, 5, 0.68), (10, 0, 1.0)],
)
def test_the_bound_is_that_of_eighty_percent(
    passed: int, failed: int, expected: float
) -> None:
    assert bound(tries(passed, failed)) == pytest.approx(expected, abs=0.05)


def test_what_is_new_weighs_more() -> None:
    better = tries(0, 35, at=NOW - 2 * DAY) + tries(35, 0)
    worse = tries(35, 0, at=NOW - 2 * DAY) + tries(0, 35)

    share = measure(better, "tests", NOW).share
    assert share is not None
    # After 35 further outcomes an outcome weighs half.
    assert float(share) == pytest.approx(2 / 3, abs=0.01)
    assert bound(better) > bound(worse)


def test_a_month_without_outcomes_widens_the_bound() -> None:
    fresh, old = tries(0, 20), tries(0, 20, at=NOW - 30 * DAY)

    assert bound(old) > 1.6 * bound(fresh)


def test_what_is_long_ago_is_forgotten() -> None:
    assert measure(tries(0, 20, at=NOW - 151 * DAY), "tests", NOW) == Rate()


def test_a_clock_that_was_set_back_gives_no_outcome_more_weight() -> None:
    ahead = tries(10, 10, at=NOW + 999 * DAY)

    assert bound(ahead) >= bound(tries(10, 10)) - 0.01


def test_only_first_attempts_make_the_pass_rate() -> None:
    later = tries(0, 30, number=2) + tries(0, 30, number=2, is_retry=True)

    rate = measure(tries(20, 0) + later, "tests", NOW)

    assert rate.outcomes == 20
    assert rate.share == 1
    assert rate.further is not None
    assert rate.further < Decimal("0.1")


def test_few_further_attempts_say_nothing() -> None:
    assert measure(tries(9, 0, number=2), "tests", NOW).further is None
    assert enough(tries(9, 0), "tests", NOW) is None
    assert enough(tries(10, 0), "tests", NOW) == 1


def test_an_outcome_counts_for_gates_of_its_trust() -> None:
    weak = tries(20, 0, task_trust="shape", trust="shape")
    # The tests had nothing to look at: that says nothing of them.
    idle = tries(20, 0, trust="shape")
    failed = tries(0, 12, trust="shape")

    rate = measure([*weak, *idle, *failed], "tests", NOW)

    assert rate.outcomes == 12
    assert rate.share == 0


def test_a_price_is_that_of_all_attempts_and_a_hard_task_counts_less() -> None:
    first = tries(5, 5)
    further = tries(5, 5, number=2, usd=Decimal("0.0115"), seconds=11.5)

    rate = measure([*first, *further], "tests", NOW)

    assert rate.usd == Decimal("0.01")
    assert rate.seconds == 10
    assert rate.priced == "20 attempts since 2023-11-14"
    assert measure(tries(3, 0, usd=None), "tests", NOW).usd is None


def test_the_tokens_of_others_price_a_premium_that_made_no_attempt() -> None:
    rate = at_tokens(tries(3, 3) + tries(0, 9, number=2, premium_usd=None), NOW)

    assert rate.usd == Decimal("0.2")
    assert rate.priced == "the tokens of 6 attempts since 2023-11-14"


# The journal.


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", ManualClock(NOW)) as opened:
        opened.start_run("r", rehearsal=False, user="u", team="t", output=tmp_path)
        opened.start_run("play", rehearsal=True, user="u", team="t", output=tmp_path)
        yield opened


def attempt(task: int, number: int = 1, **fields: object) -> AttemptRecord:
    made = AttemptRecord(
        run="r",
        task=f"t{task}",
        number=number,
        at=NOW,
        kind="coding",
        complexity="medium",
        step="mid",
        place=0,
        deployment="cheap",
        prompt="",
        gate="check: test",
        trust="tests",
        verdict="passed",
        reason_hash="",
        fed_back=number > 1,
        why="",
        cost_usd=Decimal("0.01"),
        premium_usd=Decimal("0.2"),
        seconds=10.0,
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cached_tokens=0,
        is_free=False,
        cut_off=False,
        task_trust="tests",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def measured(journal: Journal, tmp_path: Path, **spec: object) -> Measured:
    by = provider("one")
    config = settings(
        [deployment("cheap", by), deployment("best", by)],
        tmp_path,
        tiers={"senior": (["best"], None), "mid": (["cheap"], "senior")},
        roles=[role(kind="coding")],
        ladder=LadderSpec(**spec),  # type: ignore[arg-type]
    )
    return Measured(config, journal.attempts, ManualClock(NOW))


def of(known: Measured, name: str, kind: str | None = "coding") -> Rate:
    return known.of(name, kind, "medium", "tests")


def test_the_journal_tells_first_tries_from_retries_and_further_steps(
    journal: Journal, tmp_path: Path
) -> None:
    for task in range(12):
        journal.attempts.add(attempt(task, verdict="failed"))
        journal.attempts.add(attempt(task, 2, verdict="failed"))
        up = attempt(task, 3, place=1, step="senior", deployment="best")
        journal.attempts.add(up)

    cheap, best = (of(measured(journal, tmp_path), name) for name in ("cheap", "best"))

    assert cheap.outcomes == 12
    assert cheap.share == 0
    assert cheap.mends is not None
    assert cheap.further is None
    assert cheap.source == "12 outcomes since 2023-11-14"
    assert best.outcomes == 0
    assert best.further == 1
    assert best.mends is None


def test_rehearsals_and_other_work_do_not_count(
    journal: Journal, tmp_path: Path
) -> None:
    for task in range(12):
        journal.attempts.add(attempt(task, run="play"))
        journal.attempts.add(attempt(task, kind="review"))

    known = measured(journal, tmp_path)

    assert of(known, "cheap") == Rate()
    assert of(known, "cheap", "review").outcomes == 12
    assert of(known, "cheap", None) == Rate()


def test_the_premium_is_priced_before_its_first_attempt(
    journal: Journal, tmp_path: Path
) -> None:
    journal.attempts.add(attempt(1))

    assert of(measured(journal, tmp_path), "best").usd == Decimal("0.2")
    other = measured(journal, tmp_path, premium="mid")
    assert of(other, "best").usd is None


def test_a_retry_mends_at_any_kind_of_work(journal: Journal, tmp_path: Path) -> None:
    for task in range(12):
        kind = "coding" if task % 2 else "review"
        journal.attempts.add(attempt(task, verdict="failed", kind=kind))
        journal.attempts.add(attempt(task, 2, kind=kind))

    assert of(measured(journal, tmp_path), "cheap").mends == 1
