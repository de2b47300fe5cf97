"""Each key of CrewAI's is taken, or refused with a reason of its own."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from crewai import Agent, Crew, Task
from pydantic import BaseModel

from crew.settings.crewai_keys import AGENT_KEYS, CREW_KEYS, TASK_KEYS
from crew.settings.loader import load_settings
from crew.settings.schema import RoleShape, Shape, TaskShape
from small_config import change, mistakes_of, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


@pytest.mark.parametrize(
    ("theirs", "ours", "reasons"),
    [(Agent, RoleShape, AGENT_KEYS), (Task, TaskShape, TASK_KEYS)],
)
def test_no_key_of_crewais_is_forgotten(
    theirs: type[BaseModel], ours: type[Shape], reasons: Mapping[str, str]
) -> None:
    taken = set(ours.model_fields)

    assert set(theirs.model_fields) <= taken | set(reasons)
    assert not taken & set(reasons)


def test_no_key_of_a_crew_is_forgotten() -> None:
    assert set(Crew.model_fields) <= {"process", *CREW_KEYS}


@pytest.mark.parametrize(
    "key",
    sorted({*AGENT_KEYS, *TASK_KEYS, *CREW_KEYS} - set(RoleShape.model_fields)),
)
def test_a_role_with_a_key_that_is_not_taken_says_why(config: Path, key: str) -> None:
    change(config, "agents", "max_iter: 5", f"{key}: [1]")

    found = {mistake.key: mistake.message for mistake in mistakes_of(config)}

    assert found[f"coder.{key}"].startswith("not allowed: ")


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("mcps", "tools: [mcp: {command: [...]}]"),
        ("apps", "tools: [my_tools.search]"),
        ("memory", "the quota guard serves none"),
        ("knowledge", "the quota guard serves none"),
        ("step_callback", "in agents.yaml"),
        ("task_callback", "callback: FILE.NAME"),
        ("converter_cls", "output_pydantic: FILE.CLASS"),
        ("condition", "when: images"),
        ("guardrail", "gates: [my_gates.check]"),
        ("guardrails", "gates: [my_gates.check]"),
        ("skills", "backstory"),
        ("a2a", "as a role"),
        ("output_file", "write_file"),
        ("llm", "`tier:`"),
        ("tier", "in agents.yaml"),
    ],
)
def test_a_task_with_a_key_that_is_not_taken_says_what_to_do(
    config: Path, key: str, instead: str
) -> None:
    change(config, "tasks", "complexity: high", f"{key}: any")

    (mistake,) = mistakes_of(config)

    assert (mistake.line, mistake.key) == (11, f"code.{key}")
    assert instead in mistake.message


@pytest.mark.parametrize("key", ["memory", "planning", "manager_llm", "verbose"])
@pytest.mark.parametrize("file", ["agents", "tasks"])
def test_a_key_of_the_crew_in_a_file_says_why(
    config: Path, file: str, key: str
) -> None:
    path = config / f"{file}.yaml"
    path.write_text(f"{key}: true\n{path.read_text('utf-8')}", encoding="utf-8")

    mistakes = mistakes_of(config)

    assert [(m.line, m.key) for m in mistakes] == [(1, key)]
    assert mistakes[0].message == f"not allowed: {CREW_KEYS[key]}"


def test_a_task_may_have_the_name_of_a_key(config: Path) -> None:
    change(config, "tasks", "\ndesign:", "\nplanning:")
    change(config, "tasks", "[design]", "[planning]")

    assert "planning" in load_settings(config, environ={}).tasks
