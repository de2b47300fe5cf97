"""Real CrewAI projects moved in: their YAML with a `tier:` line, and nothing lost."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from configured import KEY, ROLES, configure
from crew import build_crew, kickoff, load_settings
from crew.errors import SettingsError
from crew.settings import Settings
from scripted import Reply, Scripted, serving, tool_call


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def config(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return configure(tmp_path / "config", server.url)


def moved(config: Path, agents: dict[str, Any], tasks: dict[str, Any]) -> Settings:
    """The settings with these files instead of our own; each role gets a tier."""
    for role in agents.values():
        role["tier"] = next(iter(ROLES))
    for name, content in (("agents", agents), ("tasks", tasks)):
        text = yaml.safe_dump(content, sort_keys=False)
        (config / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_settings(config, environ={KEY: "sk-1"})


def template(name: str) -> Path:
    """A file of the project that `crewai create crew --classic` writes."""
    spec = find_spec("crewai_cli")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "templates" / "crew" / name


def of_template(name: str) -> dict[str, Any]:
    text = template(f"config/{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def said(request: dict[str, Any]) -> str:
    return "\n".join(str(message.get("content")) for message in request["messages"])


def delegating(request: dict[str, Any]) -> Reply:
    """A manager that gives its task to the first coworker, and hands the result on."""
    messages = request["messages"]
    if not request.get("tools") or messages[-1]["role"] == "tool":
        return "done"
    return tool_call(
        "delegate_work_to_coworker",
        task="work",
        context="none",
        coworker="Tea Senior Data Researcher",
    )


def test_crewais_own_template_runs_as_it_is(config: Path, server: Scripted) -> None:
    tasks = {"process": "sequential", **of_template("tasks")}
    settings = moved(config, of_template("agents"), tasks)

    result = kickoff(
        request="", inputs={"topic": "Tea", "current_year": 2026}, config=settings
    )

    assert result.status == "done"
    first, second = (said(request) for request in server.requests)
    assert "You are Tea Senior Data Researcher" in first
    assert "the current year is 2026." in first
    assert "You are Tea Reporting Analyst" in second


def test_in_a_hierarchical_process_the_manager_and_the_coworkers_are_filled(
    config: Path, server: Scripted
) -> None:
    agents = {
        "manager": {"role": "{topic} lead", "goal": "lead", "backstory": "of {topic}"},
        **of_template("agents"),
    }
    server.brain = delegating
    settings = moved(config, agents, of_template("tasks"))

    result = kickoff(
        request="", inputs={"topic": "Tea", "current_year": 2026}, config=settings
    )

    assert result.status == "done"
    texts = [said(request) for request in server.requests]
    assert any("You are Tea lead. of Tea" in text for text in texts)
    assert any("You are Tea Senior Data Researcher" in text for text in texts)
    assert not any("{topic}" in text for text in texts)


def test_an_input_that_is_missing_is_reported_before_anything_starts(
    config: Path, tmp_path: Path
) -> None:
    tasks = {"process": "sequential", **of_template("tasks")}
    settings = moved(config, of_template("agents"), tasks)

    with pytest.raises(SettingsError) as caught:
        kickoff(request="x", inputs={"topic": "Tea"}, config=settings)

    (mistake,) = caught.value.mistakes
    assert mistake.key == "research_task.description"
    assert not (tmp_path / "output").exists()


def one_task(description: str) -> dict[str, Any]:
    task = {"description": description, "expected_output": "text", "agent": "writer"}
    return {"process": "sequential", "write": task}


WRITER = {"writer": {"role": "{style} writer", "goal": "write", "backstory": "b"}}


def test_braces_reach_the_model_as_they_are_meant(
    config: Path, server: Scripted
) -> None:
    settings = moved(config, dict(WRITER), one_task("GET /users/{{id}} as {text}"))

    kickoff(
        request="x",
        inputs={"style": "terse", "text": "{style}"},
        config=settings,
    )

    assert "GET /users/{id} as {style}" in said(server.requests[0])


def test_a_crew_is_filled_anew_for_each_input(config: Path, server: Scripted) -> None:
    crew = build_crew(moved(config, dict(WRITER), one_task("{{id}} of {text}")))

    crew.kickoff(inputs={"style": "terse", "text": "one"})
    crew.kickoff_for_each([{"style": "long", "text": n} for n in ("two", ["3", 4])])

    texts = [said(request) for request in server.requests]
    assert ["terse writer" in texts[0], "{id} of one" in texts[0]] == [True, True]
    assert ["long writer" in texts[1], "{id} of two" in texts[1]] == [True, True]
    assert "{id} of 3, 4" in texts[2]
