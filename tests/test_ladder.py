"""The ladder: who tries a task, in which order, and what follows a verdict."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew.ladder import (
    Climb,
    End,
    Ladder,
    Place,
    Rate,
    Retry,
    Step,
    after,
    is_audited,
    plan,
)
from crew.settings import LadderSpec, Settings, TaskSpec
from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files


def config(tmp_path: Path, **spec: object) -> Settings:
    by = provider("one")
    return settings(
        [deployment(name, by) for name in ("free", "cheap", "fair", "best")],
        tmp_path,
        tiers={
            "senior": (["best"], "last"),
            "last": (["free", "cheap"], None),
            "better": (["fair"], "senior"),
            "mid": (["free", "cheap"], "better"),
        },
        roles=[role(kind="coding"), role("architect", "senior")],
        ladder=LadderSpec(**spec),  # type: ignore[arg-type]
    )


def task(agent: str | None = "coder", **fields: object) -> TaskSpec:
    return TaskSpec(name="t", description="d", expected_output="e", agent=agent)


class Known:
    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self.rates = rates

    def of(
        self, deployment: str, kind: str | None, complexity: str, trust: str
    ) -> Rate:
        return self.rates.get(deployment, Rate())


def rate(passes: str, usd: str, outcomes: int = 20) -> Rate:
    return Rate(outcomes=outcomes, passes=Decimal(passes), usd=Decimal(usd))


def names(ladder: Ladder) -> list[str]:
    return [step.name for step in ladder.steps]


def test_without_outcomes_the_ladder_is_that_of_the_yaml(tmp_path: Path) -> None:
    ladder = plan(config(tmp_path), task(), trust="tests")

    assert names(ladder) == ["mid", "better", "senior"]
    assert ladder.steps[0].deployments == ("free", "cheap")
    assert ladder.steps[-1].is_premium


def test_the_premium_is_the_end(tmp_path: Path) -> None:
    assert names(plan(config(tmp_path), task("architect"), trust="tests")) == ["senior"]


def test_at_most_so_many_cheap_steps_stand_before_it(tmp_path: Path) -> None:
    one = plan(config(tmp_path, cheap_steps=1), task(), trust="tests")
    none = plan(config(tmp_path, cheap_steps=0), task(), trust="tests")

    assert names(one) == ["mid", "senior"]
    assert names(none) == ["senior"]


@pytest.mark.parametrize(
    ("passes", "stands"),
    # P of a task that nobody tried is the premium's price: 0.1.
    [("0.1", False), ("0.11", True)],
)
def test_a_step_stands_if_and_only_if_it_saves(
    tmp_path: Path, passes: str, stands: bool
) -> None:
    rates = Known(
        {
            "free": rate(passes, "0.01"),
            "fair": rate("0.01", "0.01"),
            "best": rate("0.9", "0.1"),
        }
    )

    ladder = plan(config(tmp_path), task(), trust="tests", rates=rates)

    assert ("mid" in names(ladder)) is stands


@pytest.mark.parametrize(
    ("passes", "trust", "first"),
    [
        ("0.7", "tests", "better"),
        # It is good enough; and where no test finds it out, nobody tries others out.
        ("0.8", "tests", "mid"),
        ("0.7", "examples", "mid"),
        ("0.7", "shape", "mid"),
    ],
)
def test_a_step_that_is_not_measured_is_tried_out_before_one_that_passes_too_little(
    tmp_path: Path, passes: str, trust: str, first: str
) -> None:
    rates = Known({"free": rate(passes, "0.01"), "best": rate("0.75", "0.1")})

    ladder = plan(config(tmp_path), task(), trust=trust, rates=rates)

    assert names(ladder)[0] == first


def test_few_outcomes_decide_nothing(tmp_path: Path) -> None:
    rates = Known({"free": rate("0.0", "9", outcomes=9), "best": rate("0.9", "0.1")})

    assert "mid" in names(plan(config(tmp_path), task(), trust="tests", rates=rates))


def test_an_hour_of_a_person_counts(tmp_path: Path) -> None:
    slow = Rate(
        outcomes=20, passes=Decimal("0.5"), usd=Decimal(0), seconds=Decimal(3600)
    )
    rates = Known({"free": slow, "best": rate("0.9", "0.1")})

    free = plan(config(tmp_path), task(), trust="tests", rates=rates)
    dear = plan(
        config(tmp_path, hour_is_worth=Decimal(2)), task(), trust="tests", rates=rates
    )

    assert "mid" in names(free)
    assert "mid" not in names(dear)


@pytest.mark.parametrize(
    ("trust", "order", "first"),
    [
        ("tests", "measured", "better"),
        ("shape", "measured", "mid"),
        ("tests", "fixed", "mid"),
    ],
)
def test_only_tests_let_the_better_bet_go_first(
    tmp_path: Path, trust: str, order: str, first: str
) -> None:
    rates = Known(
        {
            "free": rate("0.4", "0.01"),
            "fair": rate("0.8", "0.01"),
            "best": rate("0.9", "0.1"),
        }
    )

    ladder = plan(config(tmp_path, order=order), task(), trust=trust, rates=rates)

    assert names(ladder)[0] == first


def test_what_follows_a_failed_gate(tmp_path: Path) -> None:
    ladder = plan(config(tmp_path), task(), trust="tests")

    assert isinstance(after(ladder, Place(step=0, tries=1)), Retry)
    climb = after(ladder, Place(step=0, tries=2))
    assert isinstance(climb, Climb)
    assert climb.step == 1
    passed_over = after(ladder, Place(step=0, tries=2), closed=[1])
    assert isinstance(passed_over, Climb)
    assert passed_over.step == 2
    assert isinstance(after(ladder, Place(step=2, tries=2)), End)
    bound = after(ladder, Place(step=0, tries=2), bound="no money")
    assert bound == End(why="no money")
    every = after(ladder, Place(step=0, tries=2), closed=[1, 2])
    assert every == Climb(step=1, why="every further step is closed for now")
    later = after(ladder, Place(step=0, tries=2), closed=[1, 2], gone=[1])
    assert later == Climb(step=2, why="every further step is closed for now")
    nobody = after(ladder, Place(step=0, tries=2), closed=[1, 2], gone=[1, 2])
    assert nobody == End(why="no further step can serve it")


def test_an_audit_is_drawn_by_the_run_and_stays(tmp_path: Path) -> None:
    spec = LadderSpec(audit=Decimal("0.05"))
    drawn = [is_audited(f"run-{number}", "code", spec) for number in range(2000)]

    assert 60 < sum(drawn) < 140
    assert drawn == [is_audited(f"run-{n}", "code", spec) for n in range(2000)]
    audited = plan(config(tmp_path), task(), trust="tests", audited=True)
    assert names(audited) == ["senior"]


def test_the_ladder_is_read_from_tiers_yaml(tmp_path: Path) -> None:
    directory = write_files(tmp_path / "config")
    change(directory, "tiers", "max_calls: 50\n", LADDER)

    found = load_settings(directory, environ={}).ladder

    assert found.cheap_steps == 1
    assert found.hour_is_worth == 2
    assert found.attempt_times == 3
    assert found.audit == Decimal("0.05")
    assert not found.escalate.low
    assert found.escalate.at_most.share == Decimal("0.2")


LADDER = """\
max_calls: 50
ladder:
  cheap_steps: 1
  retries: 2
  premium: senior
  order: fixed
  hour_is_worth: 2 usd
  attempt_limit: 3x
  audit: 5 %
  escalate: {high: always, medium: always, low: never, at_most: 20 % of failures}
"""


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("cheap_steps: 1", "cheap_steps: -1", "cheap_steps", "at least 0"),
        ("retries: 2", "retires: 2", "retires", "did you mean 'retries'"),
        ("premium: senior", "premium: seniro", "premium", "unknown tier 'seniro'"),
        ("order: fixed", "order: best", "order", "allowed: measured, fixed"),
        ("2 usd", "2", "hour_is_worth", "allowed: AMOUNT usd"),
        ("3x", "0x", "attempt_limit", "allowed: model calls as a number, or 5x"),
        ("5 %", "500 %", "audit", "allowed: 0 % to 100 %"),
        ("low: never", "low: no", "escalate.low", "expected a text"),
        ("20 % of failures", "lots", "escalate.at_most", "20 % of failures, or"),
    ],
)
def test_a_mistake_in_the_ladder_is_found_with_its_key(
    tmp_path: Path, old: str, new: str, key: str, message: str
) -> None:
    directory = write_files(tmp_path / "config")
    change(directory, "tiers", "max_calls: 50\n", LADDER.replace(old, new))

    (mistake,) = mistakes_of(directory)

    assert mistake.key == f"ladder.{key}"
    assert message in mistake.message


def test_a_judge_and_a_schema_must_be_there(tmp_path: Path) -> None:
    directory = write_files(tmp_path / "config")
    gates = "[{judge: {tier: mdi, rubric: x}}, {json: no.json}, not_empty, not_empty]"
    change(directory, "tasks", "[python_parses]", gates)

    found = [(one.key, one.message) for one in mistakes_of(directory)]

    assert [key for key, _ in found] == [f"code.gates[{n}]" for n in (0, 1, 3)]
    assert "unknown tier 'mdi'" in found[0][1]
    assert "there is no file" in found[1][1]
    assert found[2][1] == "not_empty is there twice"


@pytest.mark.parametrize(
    ("mends", "tries_again"), [(None, True), ("0.1", True), ("0.09", False)]
)
def test_the_premium_tries_again_unless_it_hardly_ever_mends(
    mends: str | None, tries_again: bool
) -> None:
    known = Rate(outcomes=40, mends=None if mends is None else Decimal(mends))
    premium = Step(name="senior", deployments=("best",), is_premium=True, rate=known)
    ladder = Ladder(steps=(premium,), retries=1, trust="tests")

    move = after(ladder, Place(step=0, tries=1))

    assert isinstance(move, Retry if tries_again else End)
