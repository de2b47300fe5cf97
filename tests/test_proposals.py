"""What becomes of a winner: one line at the end of a run, and a diff of the YAML."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from crew.check.ladders import ladder_lines
from crew.clock import ManualClock
from crew.experiments.proposing import (
    Inexpressible,
    difference,
    put_first,
    set_key,
)
from crew.journal import Journal
from crew.ladder import Unmeasured
from crew.runs.experiments import finding_of, news, proposal
from crew.settings import ArmSpec, ExperimentSpec, Settings
from crew.settings.loader import load_settings
from small_config import write_files
from test_rates import attempt


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: {b: [x, y]}\n", "a: {b: [w, x, y]}\n"),
        ("a: {b: [x, w, y]} # why\n", "a: {b: [w, x, y]} # why\n"),
        ("a:\n  b:\n    chain: [x]\n", "a:\n  b:\n    chain: [w, x]\n"),
        ("a:\n  b:\n  - x # first\n  - y\n", "a:\n  b:\n  - w\n  - x # first\n  - y\n"),
        ("a:\n  b:\n    - x\n    - w # w\n", "a:\n  b:\n    - w # w\n    - x\n"),
        ("a: {b: [w, x]}\n", "a: {b: [w, x]}\n"),
    ],
)
def test_a_name_goes_first(before: str, after: str) -> None:
    assert put_first(before, ["a", "b"], "w") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: {b: {c: 1}}\n", "a: {b: {c: 1, k: v}}\n"),
        ("a: {b: {k: 1, c: 2}}\n", "a: {b: {k: v, c: 2}}\n"),
        ("a:\n  b: # why\n    c: 1\n", "a:\n  b: # why\n    k: v\n    c: 1\n"),
        ("a:\n  b: [x, y] # why\n", "a:\n  b: {chain: [x, y], k: v} # why\n"),
    ],
)
def test_a_key_is_set(before: str, after: str) -> None:
    assert set_key(before, ["a", "b"], "k", "v") == after


def test_what_cannot_be_changed_is_said() -> None:
    with pytest.raises(Inexpressible, match=r"there is no a\.c"):
        put_first("a: {b: []}\n", ["a", "c"], "w")
    with pytest.raises(Inexpressible, match="is no list"):
        put_first("a: {b: x}\n", ["a", "b"], "w")
    assert difference("f.yaml", "a: 1\n", "a: 1\n") == ""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(write_files(tmp_path / "config"), environ={})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "journal.db", ManualClock(0.0))


def with_experiment(settings: Settings, *arms: ArmSpec) -> Settings:
    one = ExperimentSpec(name="usual", role="coder", arms=arms, share=Decimal("0.5"))
    return replace(settings, experiments={"usual": one})


def play(journal: Journal, winner: str, loser: str, *, pairs: int) -> None:
    for number in range(pairs):
        for arm, verdict in ((winner, "passed"), (loser, "failed")):
            run = f"{arm}{number}"
            journal.start_run(run, rehearsal=False, user="", team="", output=Path())
            journal.attempts.add(
                attempt(1, run=run, experiment="usual", arm=arm, verdict=verdict)
            )
            journal.finish_task(run, "t1", "coder", verdict)


def proposed(settings: Settings, journal: Journal) -> str:
    finding = finding_of(journal, settings.experiments, "usual")
    return proposal(settings, finding, {"small": 8})


def changed(diff: str) -> list[str]:
    lines = diff.splitlines()
    return [one for one in lines if one[0] in "+-" and one[:3] not in ("+++", "---")]


def test_a_winning_prompt_goes_to_the_deployments_that_had_it(
    settings: Settings, journal: Journal
) -> None:
    one, other = ArmSpec(prompt="direct"), ArmSpec(prompt="structured")
    settings = with_experiment(settings, one, other)
    play(journal, one.name, other.name, pairs=8)

    assert changed(proposed(settings, journal)) == ["+    prompt: direct"]


def test_a_winning_ladder_becomes_tiers(settings: Settings, journal: Journal) -> None:
    one, other = ArmSpec(ladder=("senior", "mid")), ArmSpec(ladder=("mid", "senior"))
    settings = with_experiment(settings, one, other)
    play(journal, one.name, other.name, pairs=8)

    assert changed(proposed(settings, journal)) == [
        "-  tier: mid",
        "+  tier: senior",
        "-  senior: [big]",
        "+  senior: {chain: [big], then: mid}",
    ]


def test_a_ladder_that_no_tier_says_is_left_to_the_person(
    settings: Settings, journal: Journal
) -> None:
    one, other = ArmSpec(ladder=("small", "big")), ArmSpec(ladder=("mid", "senior"))
    settings = with_experiment(settings, one, other)
    play(journal, one.name, other.name, pairs=8)

    assert "no diff: make a tier of big" in proposed(settings, journal)


def test_runs_with_a_decided_experiment_have_one_alert_of_it(
    settings: Settings, journal: Journal
) -> None:
    arms = ArmSpec(deployment="big"), ArmSpec(deployment="own")
    settings = with_experiment(settings, *arms)
    known = settings.experiments

    play(journal, "own", "big", pairs=7)
    assert [*news(journal, known, "big6", 9.0)] == []
    play(journal, "own", "big", pairs=8)
    (first,) = news(journal, known, "big7", 9.0)
    play(journal, "own", "big", pairs=9)
    (later,) = news(journal, known, "big8", 10.0)
    assert [*news(journal, known, "another run", 10.0)] == []

    assert later.key == first.key  # so it is reported once
    assert first.text.startswith("experiment usual: own passes more often")
    assert "It goes on until you end it" in first.text


def test_check_shows_who_else_may_go_first(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    settings = with_experiment(
        load_settings(config, environ={"ALPHA_API_KEY": "x"}),
        ArmSpec(deployment="big"),
        ArmSpec(prompt="direct"),
    )

    (first, *_) = ladder_lines(settings, Unmeasured(), {})

    assert "50 % in the experiment usual (big or prompt direct goes first)" in first
