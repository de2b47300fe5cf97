"""When a task is done: who worked, what changed, and what is kept when it is not."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import build_crew, kickoff, load_settings
from crew.errors import TaskFailed
from crew.settings import Settings, TaskSpec
from crew.settings.gates import gate
from scripted import Reply, Scripted, serving, tool_call

GOOD = tool_call("write_file", path="made.py", content="ANSWER = 42\n")


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(
        process: str = "hierarchical",
        tools: tuple[str, ...] = ("read_file", "write_file"),
        options: dict[str, Any] | None = None,
        gates: tuple[object, ...] = (),
        **task: Any,
    ) -> Settings:
        by = provider("one", base_url=server.url)
        code = TaskSpec(
            name="code",
            description="code {request}",
            expected_output="code",
            gates=tuple(map(gate, gates)),
            **{"agent": "coder", **task},
        )
        return settings(
            [deployment("boss", by), deployment("smith", by)],
            tmp_path,
            tiers={"senior": (["boss"], None), "mid": (["smith"], None)},
            roles=[
                role("manager", "senior"),
                role(role="🚀 Software Engineer", tools=tools, options=options or {}),
            ],
            tasks=[code],
            process=process,
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
        )

    return make


def offered(request: dict[str, Any]) -> set[str]:
    return {tool["function"]["name"] for tool in request.get("tools") or ()}


def delegate(coworker: str) -> dict[str, Any]:
    return tool_call(
        "delegate_work_to_coworker", task="do it", context="all", coworker=coworker
    )


def run(config: Settings, **given: Any) -> Any:
    return kickoff(request="Add pages", config=config, **given)


def document(tmp_path: Path) -> dict[str, Any]:
    (path,) = tmp_path.glob("output/*/run.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_manager_gets_the_delegation_tools_alone(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["boss"] = [delegate("coder"), "all done"]
    server.replies["smith"] = [GOOD, "it is written"]

    run(made())

    first = server.requests[0]
    assert first["model"] == "boss"
    assert offered(first) == {
        "delegate_work_to_coworker",
        "ask_question_to_coworker",
    }
    assert "write_file" in offered(server.requests[1])


@pytest.mark.parametrize(
    "name", ["coder", "Software Engineer", "SOFTWARE_ENGINEER", ""]
)
def test_a_coworker_is_found_by_any_spelling(
    server: Scripted, made: Callable[..., Settings], name: str
) -> None:
    server.replies["boss"] = [delegate(name), "all done"]
    server.replies["smith"] = [GOOD, "it is written"]

    result = run(made())

    assert server.hits("smith") == 2
    assert result.document["tasks"][0]["roles"] == {"manager": 2, "coder": 2}


def test_a_task_whose_role_made_no_call_goes_back_and_then_to_the_role(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["boss"] = ["I did it all by myself."]
    server.replies["smith"] = [GOOD, "The coder did it."]

    result = run(made())

    again = server.requests[1]
    assert again["model"] == "boss"
    assert "Nobody but you has worked on this" in str(again["messages"])
    assert [request["model"] for request in server.requests] == [
        "boss",
        "boss",
        "smith",
        "smith",
    ]
    assert "write_file" in offered(server.requests[2])
    assert result.raw == "The coder did it."
    assert result.document["tasks"][0]["roles"] == {"manager": 2, "coder": 2}


def test_a_manager_that_delegates_when_sent_back_is_enough(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["boss"] = ["I did it.", delegate("coder"), "The coder did it."]
    server.replies["smith"] = [GOOD, "it is written"]

    result = run(made())

    assert result.raw == "The coder did it."
    assert server.hits("boss") == 3


def test_a_task_without_a_role_goes_to_the_only_coworker(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["boss"] = ["I did it."]
    server.replies["smith"] = ["The coder did it."]

    result = run(made(agent=None))

    assert result.raw == "The coder did it."
    assert result.document["tasks"][0]["roles"] == {"manager": 2, "coder": 1}


@pytest.mark.parametrize("process", ["sequential", "hierarchical"])
def test_a_writing_task_that_changed_no_file_is_not_done(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path, process: str
) -> None:
    managed = process == "hierarchical"
    server.replies["boss"] = [*[delegate("coder")] * managed, "passed on"]
    server.replies["smith"] = ['{"name": "hello.py", "arguments": {"text": "x"}}']

    with pytest.raises(
        TaskFailed, match="code is not done: changed: No file"
    ) as caught:
        run(made(process))

    assert "It was tried 4 times, and there is no further step." in str(caught.value)
    (entry,) = document(tmp_path)["tasks"]
    assert entry["status"] == "failed"
    assert entry["result"] is None
    assert entry["kept"].endswith("code.failed.md")
    assert entry["kept"] in str(caught.value)
    # The same model is told once, and then the premium; the manager is not asked.
    models = [request["model"] for request in server.requests]
    first = ["boss", "smith", "boss"] if managed else ["smith"]
    assert models == [*first, "smith", "boss", "boss"]
    asked = [r for r in server.requests if "No file was changed" in str(r["messages"])]
    assert len(asked) == 3
    assert document(tmp_path)["status"] == "failed"


PASSED = {"name": "changed", "trust": "shape", "verdict": "passed", "reason": ""}
LAST = '{"name": "hello.py", "arguments": {"text": "x"}}'


def test_a_file_written_when_sent_back_is_enough(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["smith"] = ["I wrote it.", GOOD, "Now it is written."]

    result = run(made("sequential"))

    assert result.raw == "Now it is written."
    assert result.document["tasks"][0]["gates"] == [PASSED]
    assert list(tmp_path.glob("output/*/code.failed.md")) == []


@pytest.mark.parametrize(
    "fields", [{"changed": False}, {"tools": ("read_file",)}], ids=["off", "reader"]
)
def test_a_task_that_need_not_write_is_done_without(
    server: Scripted, made: Callable[..., Settings], fields: dict[str, Any]
) -> None:
    server.replies["smith"] = ["I only looked."]

    assert run(made("sequential", **fields)).raw == "I only looked."


def test_writing_what_is_there_already_is_no_change(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "a.py").write_text("x = 1\n")
    same = tool_call("write_file", path="shop/a.py", content="x = 1\n")
    server.replies["smith"] = [same, "written", "written"]

    with pytest.raises(TaskFailed):
        run(made("sequential"), repositories=[shop])


def test_a_gate_without_anything_to_look_at_does_not_count_as_passed(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["smith"] = ["There is no code here."]
    reported: list[str] = []
    config = made("sequential", changed=False, gates=("not_empty", "python_parses"))

    result = run(config, listener=reported.append)

    (entry,) = result.document["tasks"]
    assert entry["status"] == "passed"
    assert entry["gates"] == [
        {**PASSED, "name": "not_empty"},
        {
            "name": "python_parses",
            "trust": "shape",
            "verdict": "nothing",
            "reason": "no Python in the result or in what was written",
        },
    ]
    assert any("python_parses gave no verdict" in line for line in reported)


def test_the_last_answer_is_kept_and_the_failure_is_in_our_words(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["smith"] = [f"```python\nx{n} = = 1\n```" for n in range(3)]
    server.replies["boss"] = ["```python\nx = = 1\n```"]
    config = made(
        "sequential",
        changed=False,
        gates=("python_parses",),
        options={},
    )
    config.tasks["code"].options["guardrail_max_retries"] = 2  # type: ignore[index]

    with pytest.raises(TaskFailed, match="python_parses: code block 1") as caught:
        run(config)

    assert "It was tried 6 times" in str(caught.value)
    (kept,) = tmp_path.glob("output/*/code.failed.md")
    assert kept.read_text() == "```python\nx = = 1\n```"
    assert (server.hits("smith"), server.hits("boss")) == (3, 3)


def test_a_task_that_wrote_another_file_than_asked_is_not_done(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    other = tool_call("write_file", path="pages.md", content="x")
    server.replies["smith"] = [GOOD, "It is written.", other, "Now it is written."]
    config = made("sequential", gates=("asked_files",))

    result = kickoff(request="Write pages.md", config=config)

    assert result.raw == "Now it is written."
    assert "pages.md" in str(server.requests[2]["messages"])
    assert result.document["tasks"][0]["gates"][1] == {**PASSED, "name": "asked_files"}


def test_a_role_that_repeats_itself_is_stopped_in_our_words(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["smith"] = server.replies["boss"] = [GOOD]

    with pytest.raises(TaskFailed, match="called write_file 3 times") as caught:
        run(made("sequential"))

    assert "ToolExecutionFailed" not in str(caught.value)
    (entry,) = document(tmp_path)["tasks"]
    assert (entry["name"], entry["status"]) == ("code", "failed")
    # The model is given a reason to stop before CrewAI stops it.
    assert "held exactly this already" in str(server.requests[2]["messages"])


def test_an_answer_that_was_cut_off_is_reported_to_the_model_as_such(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    def brain(request: dict[str, Any]) -> Reply:
        if "cut off" in str(request["messages"]):
            return "```python\nx = 1\n```"
        return CUT

    server.brain = brain
    config = made(
        "sequential",
        changed=False,
        gates=("python_parses",),
        tools=(),
        options={"max_tokens": 5},
    )

    result = run(config)

    assert result.raw == "```python\nx = 1\n```"
    assert "answer in less, or in parts" in str(server.requests[-1]["messages"])


CUT = {"role": "assistant", "content": "```python\nx = 'ab", "finish_reason": "length"}


def test_every_writing_task_of_a_rehearsal_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    shutil.copytree(Path(__file__).parents[1] / "config", config)
    tasks = config / "tasks.yaml"
    more = "\nmore: {description: 'more of {request}', expected_output: code, agent: "
    tasks.write_text(f"{tasks.read_text()}{more}coder}}\n")
    monkeypatch.chdir(tmp_path)

    result = kickoff(request="Add pages", config=load_settings(config, environ={}))

    # `proved` where a sandbox runs the check of the default inputs.
    statuses = [task["status"] for task in result.document["tasks"]]
    assert statuses[0] == "unproved"
    assert statuses[1] in ("proved", "passed")
    assert statuses[2:] == ["passed", "passed"]
    assert result.document["tasks"][3]["gates"] == [PASSED]


def test_in_an_event_loop_the_role_gets_the_task_directly_too(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["boss"] = ["I did it all by myself."]
    server.replies["smith"] = [GOOD, "The coder did it."]
    crew = build_crew(made())
    given = {"request": "Add pages", "repositories": "", "images": ""}

    result = asyncio.run(crew.akickoff(inputs=given))

    assert result.raw == "The coder did it."
    assert server.hits("smith") == 2


def test_a_copy_of_the_crew_judges_alike(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["smith"] = ["I wrote it.", GOOD, "Now it is written."]
    crew = build_crew(made("sequential"))
    given = {"request": "Add pages", "repositories": "", "images": ""}

    (result,) = crew.kickoff_for_each(inputs=[given])

    assert result.raw == "Now it is written."
