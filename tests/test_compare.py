"""`crew compare`: one task at several deployments, alone and side by side."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from after_runs import repository, state, writers
from building import deployment, provider, role, settings
from configured import KEY, SECRET, configure
from crew.cli import main
from crew.clock import SystemClock
from crew.journal import Journal
from crew.ladder import plan
from crew.reports.comparison import comparison_lines
from crew.runs.comparing import alone, comparison, problem
from crew.settings import LadderSpec, Settings, TaskSpec
from crew.tasks.trial import trial_of, with_arm
from scripted import Scripted, tool_call


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    by = provider("one")
    tasks = [
        TaskSpec(name="design", description="d", expected_output="d", agent="coder"),
        TaskSpec(
            name="code",
            description="code",
            expected_output="code",
            agent="coder",
            kind="coding",
            context=("design",),
            options={"guardrail_max_retries": 3},
        ),
    ]
    return settings(
        [deployment(name, by) for name in ("smith", "boss", "other")],
        tmp_path,
        tiers={"senior": (["boss"], None), "mid": (["smith"], "senior")},
        roles=[role("manager", "senior"), role(patience=30.0)],
        tasks=tasks,
        routing={"coding": ("boss",)},
        ladder=LadderSpec(audit=Decimal(1)),
        experiments={},
    )


def test_a_task_is_alone_at_its_deployment(config: Settings) -> None:
    made = alone(config, "code", "other", name="n", pair="p")
    task = made.tasks["code"]
    trial = trial_of(made, task, "any run")
    ladder = with_arm(plan(made, task, trust="tests"), trial)

    assert list(made.tasks) == ["code"]
    assert [step.deployments for step in ladder.steps] == [("other",)]
    assert ladder.retries == 0
    assert (task.context, made.roles["coder"].patience) == ((), 30.0)
    tier = made.tiers[made.roles["coder"].tier]
    assert (tier.chain, tier.then, made.routing) == (("other",), None, {})
    assert trial is not None
    assert (trial.draw.experiment.pair, trial.arm.name, trial.left_out) == (
        "p",
        "other",
        "",
    )


def test_limits_and_budgets_hold_as_ever(config: Settings) -> None:
    made = alone(config, "code", "other", name="n", pair="p")

    same = ("providers", "deployments", "budgets", "quotas", "max_wait", "max_calls")
    assert all(getattr(made, name) == getattr(config, name) for name in same)
    assert all(made.tiers[name] == tier for name, tier in config.tiers.items())


def test_comparisons_add_up_in_any_order() -> None:
    assert comparison("code", ["b", "a"]) == comparison("code", ["a", "b"])


@pytest.fixture
def ready(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """A configuration and a repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    files = configure(tmp_path / "config", server.url, spare=True)
    writers(files)
    return files, repository(tmp_path / "shop")


def test_each_deployment_works_on_the_same_commit(
    server: Scripted,
    ready: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    files, shop = ready
    wrote = tool_call("write_file", path="shop/pages.py", content="PAGES = 1\n")
    server.replies = {"smith": [wrote, "done"], "spare": ["nothing to do"]}
    before = state(shop)
    asked = ["compare", "code", "Add pages", "--on", "spare,smith", "--repo", "shop"]

    assert main(["--config", str(files), *asked, "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    spare, smith = document["deployments"]
    models = [request["model"] for request in server.requests]
    assert models == ["spare", "smith", "smith"]
    assert all("Add pages" in json.dumps(one["messages"]) for one in server.requests)
    assert (spare["passed"], spare["diff"], spare["files"]) == (False, "", 0)
    assert (smith["passed"], smith["files"]) == (True, 1)
    assert "+PAGES = 1" in smith["diff"]
    assert document["so_far"]["metrics"]["success"]["duels"][0]["wins"] == 1
    shown = "\n".join(comparison_lines(["spare", "smith"], [spare, smith]))
    assert re.search(r"^verdict +failed +passed$", shown, re.MULTILINE)
    assert re.search(r"^gates +changed failed +changed passed$", shown, re.MULTILINE)
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        rows = journal.trials.of("compare:code:smith,spare").attempts
    assert len(rows) == 2 and len({one.pair for one in rows}) == 1
    assert state(shop)[0] == before[0] and state(shop)[3:] == before[3:]
    assert state(shop)[2] != before[2]  # a branch of its own for each run
    assert main(["--config", str(files), "run", "--resume", smith["run"]]) == 2
    assert "compare again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cod", "x", "--on", "smith,spare"], "did you mean 'code'?"),
        (["code", "x", "--on", "smith,spar"], "did you mean 'spare'?"),
        (["code", "x", "--on", "smith"], "two to 5 different deployments"),
        (["code", "x", "--on", "smith,smith"], "two to 5 different deployments"),
        (["code", "--on", "smith,spare"], "say what to do"),
    ],
)
def test_a_wrong_argument_starts_nothing(
    ready: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    files, _ = ready

    assert main(["--config", str(files), "compare", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not Path("output").exists()


def test_a_deployment_without_a_key_is_a_mistake(
    ready: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files, _ = ready
    path = files / "providers.yaml"
    text = path.read_text().replace(
        "deployments:\n",
        "  two: {api_key: '${TWO_API_KEY}'}\ndeployments:\n"
        "  far: {provider: two, model: openai/far, price: {input: 1, output: 1}}\n",
    )
    path.write_text(text)

    asked = ["compare", "code", "x", "--on", "smith,far"]
    assert main(["--config", str(files), *asked]) == 2
    assert "no key for far: TWO_API_KEY is not set" in capsys.readouterr().err


def test_a_task_for_anybody_cannot_be_compared(config: Settings) -> None:
    free = replace(config.tasks["code"], agent=None)
    made = replace(config, tasks={"code": free})

    assert "the manager chooses" in problem(made, "code", images=False)
