"""`crew check`: the ladder of each task; and the rule, case by case."""

import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew.check.ladders import ladder_lines
from crew.cli import main
from crew.clock import SystemClock
from crew.journal import Journal
from crew.ladder import End, Ladder, Place, Rate, Retry, Unmeasured, after, plan
from crew.settings import LadderSpec, Settings, TaskSpec
from crew.settings.checks import CheckSettings
from crew.settings.gates import gate
from crew.settings.ladder import Escalation
from test_rates import attempt

PROJECT = Path(__file__).parents[1]


class Known:
    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self.rates = rates

    def of(
        self, deployment: str, kind: str | None, complexity: str, trust: str
    ) -> Rate:
        return self.rates.get(deployment, Rate())


def rate(passes: str, usd: str, **more: object) -> Rate:
    known = {"outcomes": 20, "source": "20 outcomes since 2026-11-02", **more}
    return Rate(passes=Decimal(passes), usd=Decimal(usd), **known)  # type: ignore[arg-type]


def config(tmp_path: Path, *gates: object, **spec: object) -> Settings:
    by = provider("one")
    task = TaskSpec(
        name="code",
        description="d",
        expected_output="e",
        agent="coder",
        gates=tuple(map(gate, gates)),
    )
    return settings(
        [deployment(name, by) for name in ("free", "fair", "best")],
        tmp_path,
        tiers={
            "senior": (["best"], None),
            "better": (["fair"], "senior"),
            "mid": (["free"], "better"),
        },
        roles=[role(kind="coding")],
        tasks=[task],
        checks=CheckSettings(commands={"": {"test": "pytest -q"}}),
        ladder=LadderSpec(**spec),  # type: ignore[arg-type]
    )


def climbed(
    found: Settings, trust: str, rates: Mapping[str, Rate], **more: bool
) -> Ladder:
    return plan(found, found.tasks["code"], trust=trust, rates=Known(rates), **more)


# The closed form: P = 0.1 for the first step, 0.115 for a further one.
BEST = rate("0.9", "0.1")
CASES = [
    # What the steps pass and cost at which trust, with what options: the ladder.
    ("both worth it", "tests", rate("0.8", "0.01"), rate("0.5", "0.01"), {}, "fr fa"),
    ("better bet first", "tests",
     rate("0.5", "0.01"), rate("0.8", "0.01"), {}, "fa fr"),
    ("first not worth it", "tests", rate("0.1", "0.02"), rate("0.5", "0.01"), {}, "fa"),
    ("none worth it", "tests", rate("0.1", "0.02"), rate("0.1", "0.02"), {}, ""),
    ("exactly p x P = c", "tests", rate("0.2", "0.02"), rate("0.1", "0.02"), {}, ""),
    ("a further step counts half: .17 / 2 x .115 < .01", "tests",
     rate("0.8", "0.01"), rate("0.17", "0.01"), {}, "fr"),
    (".18 / 2 x .115 > .01", "tests",
     rate("0.8", "0.01"), rate("0.18", "0.01"), {}, "fr fa"),
    ("until it is measured there", "tests",
     rate("0.8", "0.01"), rate("0.17", "0.01", further=Decimal("0.17")), {}, "fr fa"),
    ("and it may be less", "tests",
     rate("0.8", "0.01"), rate("0.6", "0.01", further=Decimal("0.08")), {}, "fr"),
    ("cheap_steps", "tests",
     rate("0.5", "0.01"), rate("0.8", "0.01"), {"cheap_steps": 1}, "fa"),
    ("no cheap step", "tests",
     rate("0.5", "0.01"), rate("0.8", "0.01"), {"cheap_steps": 0}, ""),
    ("order: fixed", "tests",
     rate("0.01", "0.09"), rate("0.8", "0.01"), {"order": "fixed"}, "fr fa"),
    ("order: fixed, one step", "tests", rate("0.01", "0.09"), rate("0.8", "0.01"),
     {"order": "fixed", "cheap_steps": 1}, "fr"),
    ("too few outcomes", "tests",
     rate("0.01", "0.09", outcomes=9), rate("0.8", "0.01"), {}, "fr fa"),
    ("an hour of a person", "tests", rate("0.8", "0.01", seconds=Decimal(360)),
     rate("0.8", "0.01"), {"hour_is_worth": Decimal(1)}, "fa"),
    ("shape keeps the order", "shape",
     rate("0.5", "0.01"), rate("0.6", "0.01"), {}, "fr fa"),
    ("shape may end above", "shape",
     rate("0.05", "0.01"), rate("0.6", "0.01"), {}, "fa"),
    ("examples: near the premium", "examples",
     rate("0.8", "0.01"), rate("0.85", "0.01"), {}, "fa fr"),
    ("examples: not near", "examples",
     rate("0.79", "0.01"), rate("0.85", "0.01"), {}, "fa"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("trust", "free", "fair", "spec", "ladder"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_the_rule(
    tmp_path: Path,
    trust: str,
    free: Rate,
    fair: Rate,
    spec: dict[str, object],
    ladder: str,
) -> None:
    rates = {"free": free, "fair": fair, "best": BEST}
    found = climbed(config(tmp_path, **spec), trust, rates)

    short = [step.deployments[0][:2] for step in found.steps]
    assert short == [*ladder.split(), "be"]
    assert len(found.steps) + len(found.left_out) == 3


def test_examples_without_a_measured_premium_keep_the_order(tmp_path: Path) -> None:
    rates = {"free": rate("0.3", "0.01"), "fair": rate("0.9", "0.01")}
    best = Rate(usd=Decimal("0.1"))

    ladder = climbed(config(tmp_path), "examples", {**rates, "best": best})

    # The first is not worth it before the second: .3 x .0215 < .01.
    assert [step.name for step in ladder.steps] == ["better", "senior"]
    even = climbed(
        config(tmp_path), "examples", {**rates, "free": rate("0.6", "0"), "best": best}
    )
    assert [step.name for step in even.steps] == ["mid", "better", "senior"]


def test_a_free_premium_leaves_the_order_to_the_yaml(tmp_path: Path) -> None:
    rates = {name: rate("0.5", "0") for name in ("free", "fair", "best")}

    ladder = climbed(config(tmp_path), "tests", rates)

    assert [step.name for step in ladder.steps] == ["mid", "better", "senior"]


def test_p_and_the_price_of_going_on_are_those_of_the_place(tmp_path: Path) -> None:
    rates = {"free": rate("0.8", "0.01"), "fair": rate("0.5", "0.02"), "best": BEST}

    first, further, _ = climbed(config(tmp_path), "tests", rates).steps

    assert further.counted == Decimal("0.25")
    assert further.rest == Decimal("0.115")
    assert first.counted == Decimal("0.8")
    # Without the first: the second at a task that nobody failed, then the premium.
    assert first.rest == Decimal("0.02") + Decimal("0.5") * Decimal("0.115")
    assert first.onward == Decimal("0.02") + Decimal("0.75") * Decimal("0.115")


@pytest.mark.parametrize(
    ("trust", "mends", "price", "again"),
    [
        # r x P > c with P = 0.115: .4 for tests, .15 otherwise, until it is measured.
        ("tests", None, "0.04", True),
        ("tests", None, "0.05", False),
        ("shape", None, "0.01", True),
        ("shape", None, "0.02", False),
        ("tests", "0.1", "0.02", False),
        ("shape", "0.5", "0.05", True),
    ],
)
def test_a_retry_is_worth_its_price_or_left_out(
    tmp_path: Path, trust: str, mends: str | None, price: str, again: bool
) -> None:
    r = None if mends is None else Decimal(mends)
    rates = {"free": rate("0.9", price, mends=r), "best": BEST}
    found = config(tmp_path, cheap_steps=1)

    ladder = climbed(found, trust, rates)

    assert ladder.steps[0].name == "mid"
    move = after(ladder, Place(step=0, tries=1))
    assert isinstance(move, Retry) is again


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_the_reason_goes_back_so_often(tmp_path: Path, retries: int) -> None:
    ladder = climbed(config(tmp_path, retries=retries), "tests", {})

    moves = [after(ladder, Place(step=0, tries=tries)) for tries in range(1, 6)]

    assert sum(isinstance(move, Retry) for move in moves) == retries


def test_work_that_stays_is_tried_again_whatever_it_costs(tmp_path: Path) -> None:
    rates = {"free": rate("0.9", "0.09"), "best": BEST}
    found = config(tmp_path, escalate=Escalation(medium=False), cheap_steps=1)

    ladder = climbed(found, "tests", rates)

    assert isinstance(after(ladder, Place(step=0, tries=1)), Retry)
    end = after(ladder, Place(step=0, tries=2))
    assert end == End(why="work of medium complexity is not escalated (`escalate`)")


def test_an_audit_goes_to_the_premium_alone(tmp_path: Path) -> None:
    ladder = climbed(config(tmp_path), "tests", {"best": BEST}, audited=True)

    assert [step.name for step in ladder.steps] == ["senior"]
    assert "audit" in ladder.steps[0].why


# What is printed.


def test_without_outcomes_each_task_has_one_line(tmp_path: Path) -> None:
    found = config(tmp_path, {"check": "test"}, audit=Decimal("0.05"))

    (line,) = ladder_lines(found, Unmeasured(), {})

    assert line == (
        "  code  coding.medium, trust tests: mid (free), then better (fair), then "
        "senior (best); 5 % go to the premium first"
    )


def test_each_number_says_where_it_comes_from(tmp_path: Path) -> None:
    priced = "31 attempts since 2026-11-02"
    rates = {
        "free": rate("0.78", "0.01", priced=priced),
        "fair": rate("0.05", "0.02"),
        "best": rate("0.9", "0.1", priced="12 attempts since 2026-11-03"),
    }

    _, first, senior, left = ladder_lines(config(tmp_path, "checks"), Known(rates), {})

    assert first.strip() == (
        "mid: p x P > c, p 0.78 (20 outcomes since 2026-11-02), r 0.40 (prior), "
        f"c $0.0100 ({priced}), P $0.1000 (the premium: 12 attempts since 2026-11-03)"
    )
    assert "c $0.1000 (12 attempts since 2026-11-03)" in senior
    assert left.strip().startswith("better is left out: p x P = 0.02 x $0.1150")


def test_checks_that_there_are_not_prove_nothing(tmp_path: Path) -> None:
    found = config(tmp_path, "checks", {"check": "lint"})
    bare = settings(
        list(found.deployments.values()),
        tmp_path,
        tiers={"senior": (["best"], None), "mid": (["free"], "senior")},
        roles=list(found.roles.values()),
        tasks=list(found.tasks.values()),
    )

    assert "trust shape" in ladder_lines(bare, Unmeasured(), {})[0]
    assert "trust tests" in ladder_lines(found, Unmeasured(), {})[0]


def test_check_prints_the_ladders_of_the_journal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CREW_STATE_DIR", str(tmp_path))
    for name in ("ANTHROPIC", "GEMINI", "OPENROUTER"):
        monkeypatch.setenv(f"{name}_API_KEY", "not-a-key")
    with Journal.open(tmp_path / "journal.db", SystemClock()) as journal:
        journal.start_run("r", rehearsal=False, user="u", team="t", output=tmp_path)
        for task in range(12):
            row = attempt(
                task,
                at=SystemClock().now(),
                deployment="glm-free",
            )
            journal.attempts.add(row)

    assert main(["--config", str(PROJECT / "config"), "check"]) == 0

    told = capsys.readouterr().out
    assert "mid: p x P > c, p 1.00 (12 outcomes since " in told
    assert "P $0.2000 (the premium: the tokens of 12 attempts since " in told
    assert told.index("Ladders") < told.index("\nDeployments")


def test_a_journal_that_cannot_be_read_is_no_reason_to_stop(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CREW_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("GEMINI_API_KEY", "not-a-key")
    (tmp_path / "journal.db").mkdir()

    assert main(["--config", str(PROJECT / "config"), "check"]) == 0

    found = capsys.readouterr()
    assert "ladders are shown as the YAML orders them" in found.err
    assert "Ladders" in found.out


def test_the_ladders_need_neither_crewai_nor_litellm() -> None:
    script = (
        "import sys, crew.check.ladders, crew.runs.measured; "
        "print([m for m in ('crewai', 'litellm') if m in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "[]"
