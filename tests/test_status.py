"""A task's status says what was proved."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.errors import TaskFailed
from crew.settings import Settings, TaskSpec
from crew.settings.checks import CheckSettings
from crew.settings.gates import gate
from scripted import Scripted, tool_call

WRONG = tool_call("write_file", path="shop/a.py", content="ANSWER = 41\n")
RIGHT = tool_call("write_file", path="shop/a.py", content="ANSWER = 42\n")
TEST = "python3 -c 'import a; assert a.ANSWER == 42, a.ANSWER'"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    place = tmp_path / "shop"
    place.mkdir()
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=u", "-c", "user.email=e", "commit", "-qm", "first"],
    ):
        (place / "a.py").write_text("ANSWER = 40 + 2\n")
        subprocess.run(["git", "-C", str(place), *command], check=True)
    return place


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(*gates: object, changed: bool = True, **checks: str) -> Settings:
        by = provider("one", base_url=server.url)
        spec = TaskSpec(
            name="code",
            description="code {request}",
            expected_output="code",
            agent="coder",
            gates=tuple(map(gate, gates)),
            changed=changed,
        )
        config = settings(
            [deployment(name, by) for name in ("smith", "boss")],
            tmp_path,
            tiers={"senior": (["boss"], None), "mid": (["smith"], "senior")},
            roles=[role("manager", "senior"), role(tools=("write_file",))],
            tasks=[spec],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
        )
        return replace(config, checks=CheckSettings(commands={"": checks}))

    return make


def run(config: Settings, shop: Path) -> Any:
    return kickoff(request="Add pages", config=config, repositories=[shop])


def entry(result: Any) -> dict[str, Any]:
    (found,) = result.document["tasks"]
    assert isinstance(found, dict)
    return found


def trailer(shop: Path, run: str) -> str:
    command = ["git", "-C", str(shop), "log", "-1", f"crew/{run}"]
    form = "--format=%(trailers:key=Crew-Checks,valueonly)"
    done = subprocess.run([*command, form], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_task_is_proved_by_a_check_that_ran(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    server.replies["smith"] = [WRONG, "written", RIGHT, "mended"]

    result = run(made("checks", test=TEST), shop)

    found = entry(result)
    assert (found["status"], result.raw) == ("proved", "mended")
    assert found["gates"] == [
        {"name": "changed", "trust": "shape", "verdict": "passed", "reason": ""},
        {"name": "checks", "trust": "tests", "verdict": "passed", "reason": ""},
    ]
    told = str(server.requests[2]["messages"])
    assert "The check test failed." in told
    assert "AssertionError: 41" in told
    assert trailer(shop, result.run_id) == "proved (changed passed, checks passed)"
    assert result.document["status"] == "done"


def test_without_a_check_it_is_passed_and_says_so(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    server.replies["smith"] = [WRONG, "written"]

    result = run(made("checks"), shop)

    found = entry(result)
    assert found["status"] == "passed"
    assert found["gates"][1]["verdict"] == "nothing"
    assert "no check is configured" in found["gates"][1]["reason"]


def test_without_a_gate_that_looked_it_is_unproved(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    server.replies["smith"] = ["I thought about it."]

    result = run(made("python_parses", changed=False), shop)

    assert entry(result)["status"] == "unproved"
    assert trailer(shop, result.run_id) == ""


def test_what_no_step_mends_has_failed(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    server.replies["smith"] = server.replies["boss"] = [WRONG, "written"]

    with pytest.raises(TaskFailed, match="The check test failed"):
        run(made({"check": "test"}, test=TEST), shop)


def test_a_check_that_failed_before_proves_nothing(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    server.replies["smith"] = [WRONG, "written"]

    result = run(made("checks", old="false"), shop)

    found = entry(result)
    assert found["status"] == "passed"
    assert "failed before this run" in found["gates"][1]["reason"]


def test_examples_are_executed(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    text = "Use it:\n```python\nimport a\nassert a.ANSWER == {}\n```\n"
    server.replies["smith"] = [text.format(1), text.format(42)]

    result = run(made("examples", changed=False), shop)

    found = entry(result)
    assert found["status"] == "passed"
    assert found["gates"][0]["trust"] == "examples"
    assert server.hits("smith") == 2
    assert "The examples of code block 1" in str(server.requests[1]["messages"])
