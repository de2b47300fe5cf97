"""A task in an experiment: the ladder that it climbs, what is recorded, reported and
proposed."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, role, settings, with_goal
from crew import kickoff
from crew.cli import main
from crew.clock import ManualClock, SystemClock
from crew.journal import AttemptRecord, Journal
from crew.ladder import Step, plan
from crew.settings import ArmSpec, ExperimentSpec, LadderSpec, Settings
from crew.settings.patterns import Pattern
from crew.settings.styles import BUILT_IN
from crew.tasks.trial import AUDITED, trial_of, with_arm
from scripted import Scripted
from small_config import write_files
from test_rates import attempt


@pytest.fixture
def made(server: Scripted, tmp_path: Path) -> Callable[..., Settings]:
    def make(*arms: ArmSpec, **more: object) -> Settings:
        by = provider("one", base_url=server.url)
        one = ExperimentSpec(name="usual", role="coder", arms=arms, share=Decimal(1))
        return settings(
            [deployment(name, by) for name in ("smith", "boss", "other")],
            tmp_path,
            tiers={"senior": (["boss"], None), "mid": (["smith"], "senior")},
            roles=[role(kind="coding")],
            tasks=[with_goal()],
            process="sequential",
            max_wait=0.0,
            experiments={"usual": one} if arms else {},
            **more,
        )

    return make


OTHER = ArmSpec(deployment="other")


def ladder(config: Settings, run: str = "r") -> tuple[Step, ...]:
    task = config.tasks["code"]
    return with_arm(
        plan(config, task, trust="shape"), trial_of(config, task, run)
    ).steps


def shown(steps: tuple[Step, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [(step.name, step.deployments) for step in steps]


def test_the_arm_is_the_first_step(made: Callable[..., Settings]) -> None:
    steps = ladder(made(OTHER))

    assert shown(steps) == [
        ("other", ("other",)),
        ("mid", ("smith",)),
        ("senior", ("boss",)),
    ]
    assert steps[0].why == "the experiment usual"


def test_an_arm_that_is_in_the_ladder_is_tried_once(
    made: Callable[..., Settings],
) -> None:
    assert shown(ladder(made(ArmSpec(deployment="smith")))) == [
        ("smith", ("smith",)),
        ("senior", ("boss",)),
    ]


def test_an_arm_that_is_a_ladder_is_all_of_it(made: Callable[..., Settings]) -> None:
    assert shown(ladder(made(ArmSpec(ladder=("other", "senior"))))) == [
        ("other", ("other",)),
        ("senior", ("boss",)),
    ]


def test_a_prompt_keeps_the_ladder(made: Callable[..., Settings]) -> None:
    config = made(ArmSpec(prompt="direct"))
    trial = trial_of(config, config.tasks["code"], "r")

    assert ladder(config) == ladder(made())
    assert trial is not None and trial.prompt == "direct"


def test_an_audit_goes_before_the_experiment(made: Callable[..., Settings]) -> None:
    config = made(OTHER, ladder=LadderSpec(audit=Decimal(1)))
    trial = trial_of(config, config.tasks["code"], "r")

    assert trial is not None and trial.left_out == AUDITED
    assert [step.name for step in ladder(config)] == ["mid", "senior"]


def test_an_arm_without_a_key_leaves_the_task_as_it_was(
    made: Callable[..., Settings],
) -> None:
    config = made(OTHER)
    keyless = provider("none", api_key=None, api_key_variable="NONE_KEY")
    known = {**config.deployments, "other": deployment("other", keyless)}
    config = replace(config, deployments=known)
    trial = trial_of(config, config.tasks["code"], "r")

    assert trial is not None and trial.left_out == "no key for other"
    assert [step.name for step in ladder(config)] == ["mid", "senior"]


def test_an_attempt_is_recorded_with_its_arm(
    server: Scripted,
    made: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    server.replies = {"other": ["no", "no"], "smith": ["# Goal\nall"]}

    kickoff(config=made(OTHER), request="x")

    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        rows = journal.trials.of("usual").attempts
    assert [(one.deployment, one.arm, one.left_out) for one in rows] == [
        ("other", "other", ""),
        ("other", "other", ""),
        ("smith", "other", "smith served it, not the arm"),
    ]


def test_a_closed_arm_counts_for_nobody(
    server: Scripted,
    made: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    server.replies = {"other": ["404"], "smith": ["# Goal\nall"]}

    kickoff(config=made(OTHER), request="x")

    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        (row,) = journal.trials.of("usual").attempts
    assert (row.deployment, row.arm) == ("smith", "other")
    assert row.left_out == "smith served it, not the arm"


def test_the_prompt_of_an_arm_is_what_the_deployment_gets(
    server: Scripted,
    made: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    server.replies = {"smith": ["# Goal\nall"]}

    kickoff(config=made(), request="x")
    kickoff(config=made(ArmSpec(prompt="direct")), request="x")

    plain, styled = (one["messages"] for one in server.requests)
    text = f"{BUILT_IN['direct'].text}\n\n{plain[0]['content']}"
    assert styled == [{**plain[0], "content": text}, *plain[1:]]
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        (row,) = journal.trials.of("usual").attempts
    assert (row.arm, row.left_out) == ("prompt direct", "")


def test_a_pattern_keeps_the_ladder_and_needs_its_keys(
    made: Callable[..., Settings],
) -> None:
    parts = {"planner": ("other",), "caller": ("boss",), "summarizer": ("mid",)}
    config = made(ArmSpec(pattern=Pattern(parts=parts)))
    trial = trial_of(config, config.tasks["code"], "r")
    without = replace(config.deployments["boss"].provider, api_key=None)
    boss = replace(config.deployments["boss"], provider=without)
    closed = replace(config, deployments={**config.deployments, "boss": boss})
    left = trial_of(closed, closed.tasks["code"], "r")

    assert trial is not None
    assert left is not None
    assert shown(ladder(config)) == shown(plan_of(made()))
    assert (trial.pattern, trial.left_out) == (Pattern(parts=parts), "")
    assert (left.pattern, left.left_out) == (None, "no key for the caller")


def plan_of(config: Settings) -> tuple[Step, ...]:
    return plan(config, config.tasks["code"], trust="shape").steps


# The report

EXPERIMENTS = """\
experiments:
  usual: {role: coder, arms: [big, own]}
"""


def reported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *rows: AttemptRecord,
    text: str = EXPERIMENTS,
) -> Path:
    config = write_files(tmp_path / "config")
    (config / "experiments.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", str(config))
    with Journal.open(tmp_path / ".crew" / "journal.db", ManualClock(0.0)) as journal:
        for row in rows:
            journal.start_run(
                row.run, rehearsal=False, user="u", team="t", output=tmp_path
            )
            journal.attempts.add(row)
    return config


def outcomes(arm: str, verdict: str, tasks: int) -> list[AttemptRecord]:
    return [
        attempt(1, run=f"{arm}{n}", experiment="usual", arm=arm, verdict=verdict)
        for n in range(tasks)
    ]


def test_a_few_tasks_are_too_few(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reported(tmp_path, monkeypatch, *outcomes("own", "passed", 3))

    assert main(["report", "--experiment"]) == 0

    text = capsys.readouterr().out
    assert "gate success: too few to say (big 0 : 0 own of 0 pairs" in text
    assert "proposed" not in text


def test_a_winner_is_proposed_and_not_applied(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = reported(
        tmp_path,
        monkeypatch,
        *outcomes("own", "passed", 9),
        *outcomes("big", "failed", 9),
    )
    before = {path.name: path.read_text() for path in config.iterdir()}

    assert main(["report", "--experiment", "usual"]) == 0
    text = capsys.readouterr().out
    assert main(["report", "--experiment", "usual", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert "gate success: own passes more often since 2023-11-14 (big 0 : 9 own" in text
    assert "-  coding.high: [mid]\n+  coding.high: [own, mid]" in text
    assert "the experiment goes on until you take usual out" in text
    assert document["metrics"]["success"]["winner"] == "own"
    assert document["metrics"]["cost"]["verdict"] == "too few"
    assert document["proposal"] in "\n".join([*text.splitlines(), ""])
    assert {path.name: path.read_text() for path in config.iterdir()} == before


PLANNED = "{planner: mid, caller: small, summarizer: [mid, big]}"


@pytest.mark.parametrize(
    ("wins", "loses", "proposed"),
    [
        (f"pattern {PLANNED}", "no pattern", f"+  pattern: {PLANNED}\n"),
        ("no pattern", f"pattern {PLANNED}", "take `pattern` out of coder in agents"),
    ],
    ids=["a pattern", "none"],
)
def test_a_pattern_that_wins_is_proposed_for_the_role(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wins: str,
    loses: str,
    proposed: str,
) -> None:
    arms = f"[{{pattern: none}}, {{pattern: {PLANNED}}}]"
    reported(
        tmp_path,
        monkeypatch,
        *outcomes(wins, "passed", 9),
        *outcomes(loses, "failed", 9),
        text=f"experiments:\n  usual: {{role: coder, arms: {arms}}}\n",
    )

    assert main(["report", "--experiment", "usual"]) == 0

    assert proposed in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["latest"], "RUN"),
        (["--since", "7d"], "--since, --month"),
        (["--month"], "--since, --month"),
        (["--csv"], "--csv"),
        (["--html", "x.html"], "--html"),
        (["--why", "code"], "--why"),
        (["--with-texts"], "--with-texts"),
        (["--fallbacks"], "--fallbacks"),
        (["--marks"], "--marks"),
    ],
)
def test_what_does_not_go_together_with_an_experiment_is_a_mistake(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    name: str,
) -> None:
    reported(tmp_path, monkeypatch)

    assert main(["report", *arguments, "--experiment"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert f"{name}: it does not go together with --experiment" in err
    assert not (tmp_path / "x.html").exists()


def test_an_unknown_experiment_is_a_mistake(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reported(tmp_path, monkeypatch)

    assert main(["report", "--experiment", "usul"]) == 2
    assert "did you mean 'usual'?" in capsys.readouterr().err
