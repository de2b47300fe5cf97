"""The rules of tasks: their agents, their order, and what their texts ask for."""

from pathlib import Path

import pytest

from crew.settings import Inputs
from crew.settings.loader import load_settings
from crew.settings.placeholders import check_placeholders
from small_config import AGENTS, change, mistakes_of, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


def test_sequential_crews_need_no_manager_but_agents(config: Path) -> None:
    change(config, "agents", "manager:", "boss:")
    change(config, "tasks", "process: hierarchical", "process: sequential")
    assert load_settings(config, environ={}).process == "sequential"
    change(config, "tasks", "  agent: coder\ncode", "code")

    (found,) = mistakes_of(config)

    assert (found.line, found.key) == (2, "design.agent")
    assert "a sequential process needs it" in found.message


def test_a_manager_alone_has_nobody_to_delegate_to(config: Path) -> None:
    manager = AGENTS[: AGENTS.index("coder:")]
    (config / "agents.yaml").write_text(manager, encoding="utf-8")

    keys = {mistake.key for mistake in mistakes_of(config)}

    assert keys == {"manager", "design.agent", "code.agent"}


def test_a_file_without_tasks_is_a_mistake(config: Path) -> None:
    (config / "tasks.yaml").write_text("process: sequential\n", encoding="utf-8")

    (found,) = mistakes_of(config)

    assert "there is no task" in found.message


def test_a_run_without_images_keeps_at_least_one_task(config: Path) -> None:
    (config / "tasks.yaml").write_text(
        "look:\n  description: x\n  expected_output: y\n  when: images\n",
        encoding="utf-8",
    )

    (found,) = mistakes_of(config)

    assert (found.line, found.key) == (4, "look.when")


ASYNC = "async_execution: true"


@pytest.mark.parametrize(
    ("design", "look", "code", "key", "message"),
    [
        # Two at the end.
        (ASYNC, "", f"agent: other, {ASYNC}", None, ""),
        (
            ASYNC,
            ASYNC,
            f"agent: other, {ASYNC}",
            "code.async_execution",
            "at most one asynchronous task may be at the end",
        ),
        # One needs what is not there yet.
        (ASYNC, "", f"context: [design], {ASYNC}", None, ""),
        (
            ASYNC,
            ASYNC,
            f"context: [design], {ASYNC}",
            "code.context[0]",
            "'design' runs at the same time; put a task that waits between",
        ),
        # One role for two.
        (
            ASYNC,
            ASYNC,
            "",
            "look.agent",
            "this role works on 'design' at the same time",
        ),
        # A task that waits between, but not in every run.
        (
            ASYNC,
            "when: images",
            f"agent: other, {ASYNC}",
            "code.async_execution",
            "in a run without images, at most one asynchronous task",
        ),
    ],
)
def test_asynchronous_tasks_follow_the_rules_of_crewai(
    config: Path, design: str, look: str, code: str, key: str | None, message: str
) -> None:
    with (config / "agents.yaml").open("a", encoding="utf-8") as file:
        file.write("other: {role: Other, goal: x, backstory: y, tier: mid}\n")
    given = {"design": design, "look": look, "code": code}
    entries = [
        f"{name}: {{description: x, expected_output: y"
        f"{'' if 'agent' in more else ', agent: coder'}{', ' * bool(more)}{more}}}\n"
        for name, more in given.items()
    ]
    text = "process: sequential\n" + "".join(entries)
    (config / "tasks.yaml").write_text(text, encoding="utf-8")

    if key is None:
        assert load_settings(config, environ={}).process == "sequential"
    else:
        found = {mistake.key: mistake.message for mistake in mistakes_of(config)}
        assert message in found[key]


def test_unknown_placeholders_are_told(config: Path) -> None:
    change(config, "tasks", "description: code {request}", "description: code {stile}")
    change(config, "tasks", "expected_output: a design", "expected_output: '{foo}'")
    found = load_settings(config, environ={})
    assert found.inputs is not None

    mistakes = check_placeholders(found, found.inputs)

    assert [(Path(m.file).name, m.line, m.key) for m in mistakes] == [
        ("tasks.yaml", 4, "design.expected_output"),
        ("tasks.yaml", 7, "code.description"),
    ]
    assert "did you mean '{style}'?" in mistakes[1].message
    assert "--input stile=TEXT" in mistakes[1].message
    given = Inputs(request="x", values={"foo": "a", "stile": "b"})
    assert check_placeholders(found, given) == []


def test_json_in_a_description_is_no_placeholder(config: Path) -> None:
    change(
        config,
        "tasks",
        "description: design {request}",
        """description: '{"a": 1} {}'""",
    )
    found = load_settings(config, environ={})

    assert check_placeholders(found, Inputs(request="x")) == []


@pytest.mark.parametrize("text", ["{0}", "a { b", "a } b", "{", "{3: y}"])
def test_braces_around_no_name_are_left_to_the_text(config: Path, text: str) -> None:
    change(config, "tasks", "description: design {request}", f"description: '{text}'")
    found = load_settings(config, environ={})

    assert found.tasks["design"].description == text
    assert check_placeholders(found, Inputs(request="x")) == []


def test_an_input_that_no_text_can_ask_for_is_a_mistake(config: Path) -> None:
    found = load_settings(config, environ={})

    (mistake,) = check_placeholders(found, Inputs(request="x", values={"3": "y"}))

    assert mistake.key == "--input 3"
    assert "letters, digits" in mistake.message


def test_an_input_cannot_take_the_name_of_a_given_placeholder(config: Path) -> None:
    found = load_settings(config, environ={})

    (mistake,) = check_placeholders(found, Inputs(request="x", values={"request": "y"}))

    assert mistake.key == "--input request"
