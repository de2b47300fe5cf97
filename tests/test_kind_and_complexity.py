"""What a task's work is taken for, where its YAML does not say it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.check.ladders import ladder_lines
from crew.check.roles import calls
from crew.clock import SystemClock
from crew.errors import RunFailed
from crew.journal import Journal
from crew.ladder import ANY_KIND, Unmeasured, kind_for, kind_of, planned_kind
from crew.ladder.work import Complexity, decided, default_complexity, defaults
from crew.routing import Request, route
from crew.settings import Inputs, Settings, TaskSpec
from crew.settings.loader import load_settings
from crew.settings.values import OPEN
from scripted import Scripted

PROJECT = Path(__file__).parents[1]
KEYS = ("ANTHROPIC", "OPENAI", "GEMINI", "OPENROUTER", "TOGETHER", "GROQ", "MISTRAL")


@pytest.mark.parametrize(
    ("text", "level", "reason"),
    [
        ("Add pagination to the orders API", "medium", "no sign in 6 words, 0 files"),
        ("Fix the total in src/orders.py", "low", "5 words on one file"),
        ("Correct a typo and rename it", "low", '"typo", "rename"'),
        ("Refactor the architecture", "high", '"refactor", "architecture"'),
        ("Do it in a.py b.py c.py d.py e.py", "high", "5 files"),
        ("word " * 300, "high", "300 words"),
        ("A quick refactoring", "medium", '"refactoring", but "quick"'),
        ("", "medium", "no sign in 0 words, 0 files"),
    ],
)
def test_a_default_says_why(text: str, level: str, reason: str) -> None:
    found = default_complexity(text)

    assert found == Complexity(level=level, reason=f"default: {reason}")


def test_a_reason_holds_nothing_else_of_the_request() -> None:
    found = default_complexity("refactor" + "x" * 500 + " sk-secret in secret.py")

    assert "secret" not in found.reason
    assert len(found.reason) < 120


def test_two_repositories_are_work_across_repositories() -> None:
    assert default_complexity("Do it", repositories=2).reason == (
        "default: 2 repositories"
    )


def task(name: str = "code", **fields: object) -> TaskSpec:
    made = TaskSpec(name=name, description="{request}", expected_output="e")
    return replace(made, **fields)


@pytest.fixture
def known(tmp_path: Path) -> Callable[..., Settings]:
    def make(*tasks: TaskSpec) -> Settings:
        one = deployment("m", provider("p"))
        roles = [role("manager"), role("coder", kind="coding"), role("writer")]
        return settings([one], tmp_path, roles=roles, tasks=tasks)

    return make


def test_the_yaml_is_never_overruled(known: Callable[..., Settings]) -> None:
    given = known(task(complexity="low"), task("other", complexity_reason=OPEN))

    found = decided(given, Inputs(request="Refactor the architecture"))

    assert (found.tasks["code"].complexity, *defaults(found)) == ("low", "other")
    assert found.tasks["code"].complexity_reason == "tasks.yaml"
    assert found.tasks["other"].complexity == "high"


def test_a_default_is_by_what_the_task_is_given(
    known: Callable[..., Settings],
) -> None:
    own = task("own", description="Correct typos", complexity_reason=OPEN)
    topic = task("topic", description="On {topic}", complexity_reason=OPEN)
    given = known(task(complexity_reason=OPEN), own, topic)

    inputs = Inputs(request="Debug it", values={"topic": "a small thing"})
    found = decided(given, inputs).tasks

    levels = [found[name].complexity for name in ("code", "own", "topic")]
    assert levels == ["high", "low", "low"]


def test_what_was_decided_is_kept_for_a_resumed_run(
    known: Callable[..., Settings],
) -> None:
    given, inputs = known(task(complexity_reason=OPEN)), Inputs(request="Debug it")
    kept = Complexity(level="low", reason="default: as it was")

    found = decided(given, inputs, {"code": kept})

    assert defaults(found) == {"code": kept}


def test_the_kind_is_the_tasks_then_that_of_the_role_that_does_it(
    known: Callable[..., Settings],
) -> None:
    given = known(task())
    roles = given.roles
    free, typed = task(), task(kind="testing")

    assert kind_of(given, task(agent="coder")) == "coding"
    assert kind_of(given, task(agent="coder", kind="testing")) == "testing"
    assert kind_of(given, free, "coder") == "coding"
    assert (planned_kind(given, free), planned_kind(given, typed)) == (
        ANY_KIND,
        "testing",
    )
    assert kind_for(given, roles["coder"], free) == "coding"
    assert kind_for(given, roles["coder"], typed) == "testing"
    # The manager's own calls, and those of a coworker for another's task.
    assert kind_for(given, roles["manager"], typed) is None
    assert kind_for(given, roles["coder"], task(agent="writer", kind="testing")) == (
        "coding"
    )


def test_check_shows_a_default_as_one_that_a_request_decides(
    known: Callable[..., Settings],
) -> None:
    given = known(task(agent="coder", complexity_reason=OPEN))
    asked = replace(given, inputs=Inputs(request="Debug it"))

    (line,), (decided_line,) = (
        ladder_lines(one, Unmeasured(), {}) for one in (given, asked)
    )

    assert "coding.medium (another request may change it), trust" in line
    assert 'coding.high (default: "debug"; another request may change it)' in (
        decided_line
    )
    coder = [one.complexity for one in calls(given) if one.role == "coder"]
    assert coder == ["low", "medium", "high"]


def test_a_run_says_and_records_what_it_decided_and_a_resumed_one_keeps_it(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    path = config / "tasks.yaml"
    text = path.read_text().replace("agent: coder}", "agent: coder, complexity: low}")
    path.write_text(text)
    heard: list[str] = []
    server.replies["scribe"] = ["400", "400"]

    with pytest.raises(RunFailed):
        kickoff(request="Refactor it", listener=heard.append)

    (run,) = [one.parent.name for one in Path("output").glob("*/inputs.json")]
    said = 'design counts as high, default: "refactor"'
    assert said in heard and not any(line.startswith("code counts") for line in heard)
    kept = json.loads(Path("output", run, "inputs.json").read_text())
    kept["complexities"]["document"] = {"level": "low", "reason": "default: kept"}
    Path("output", run, "inputs.json").write_text(json.dumps(kept))
    server.replies.clear()

    result = kickoff(resume=run)

    found = {
        one["name"]: (one["kind"], one["complexity"], one["complexity_reason"])
        for one in result.document["tasks"]
    }
    assert found == {
        "design": (None, "high", 'default: "refactor"'),
        "code": (None, "low", "tasks.yaml"),
        "document": (None, "low", "default: kept"),
    }
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        reasons = {one.task: one.complexity_reason for one in journal.attempts.of(run)}
    assert reasons == {name: reason for name, (_, _, reason) in found.items()}


MATRIX = {
    # What the rule names first and last; between them stands what costs nothing.
    ("coding", "high"): ("claude-opus", "gpt-4"),
    ("documentation", "low"): ("gemini-flash", "deepseek"),
    ("documentation", "high"): ("gemini-flash", "deepseek"),
    ("vision", "medium"): ("llama-vision", "claude-sonnet"),
    ("reasoning", "medium"): ("qwq", "deepseek-r1"),
    ("orchestration", "medium"): ("claude-sonnet", "claude-opus"),
}


@pytest.fixture(scope="module")
def shipped() -> Settings:
    keys = {f"{name}_API_KEY": "sk-test" for name in KEYS}
    return load_settings(PROJECT / "config", environ=keys)


@pytest.mark.parametrize(("work", "pair"), MATRIX.items())
def test_the_default_rules_are_the_selection_matrix(
    shipped: Settings, work: tuple[str, str], pair: tuple[str, str]
) -> None:
    names = served(shipped, *work)

    first, second = pair
    assert names[0] == first
    between = names[1 : names.index(second)]
    assert [name for name in between if not is_free(shipped, name)] == []


def test_easy_coding_goes_to_what_is_free_or_cheap(shipped: Settings) -> None:
    names = served(shipped, "coding", "low")

    paid = [name for name in names if not is_free(shipped, name)]
    assert is_free(shipped, names[0])
    assert paid[0] == "deepseek"


def served(known: Settings, kind: str, complexity: str) -> list[str]:
    request = Request(
        tier="vision" if kind == "vision" else "mid",
        input_tokens=1_000,
        output_tokens=500,
        kind=kind,
        complexity=complexity,
        vision=kind == "vision",
    )
    return [one.name for one in route(known, request).candidates]


def is_free(known: Settings, name: str) -> bool:
    price = known.deployments[name].price
    return price is not None and not price.cost(1, 1)
