"""What is set on a crew after it was built works, or is refused with the reason."""

import asyncio
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

from configured import SECRET
from crew import build_crew, load_settings, tiers
from crew.calls import settable
from crew.errors import CrewError
from scripted import Scripted
from test_own_tools import calling, with_keys

INPUTS = {"request": "x"}


@tool
def lookup(word: str) -> str:
    """Look a word up."""
    return f"meaning of {word}"


@pytest.fixture
def crew(config: Path, server: Scripted) -> Crew:
    return build_crew(load_settings(config))


def test_the_reasons_are_for_fields_that_there_are() -> None:
    assert set(settable.CREW) <= set(Crew.model_fields)
    assert set(settable.AGENT) <= {*Agent.model_fields, "embedder"}
    assert set(settable.TASK) <= set(Task.model_fields)


@pytest.mark.parametrize("name", sorted(settable.CREW))
def test_a_field_of_a_crew_that_would_be_passed_over_is_refused(
    crew: Crew, name: str
) -> None:
    with pytest.raises(CrewError, match=rf"crew\.{name} cannot be set: "):
        setattr(crew, name, "anything")


def test_an_llm_past_the_guard_is_refused(crew: Crew) -> None:
    for llm in ("gpt-4", LLM(model="openai/gpt-4", api_key="sk-x")):
        with pytest.raises(CrewError, match=r"agent\.llm cannot be set: its calls"):
            crew.agents[0].llm = llm


def test_the_llm_of_another_tier_serves(
    crew: Crew, config: Path, server: Scripted
) -> None:
    with tiers(config) as opened:
        crew.agents[0].llm = opened.llm("coder", role="other")
        crew.kickoff(inputs=INPUTS)

    assert [one["model"] for one in server.requests] == ["smith", "smith", "scribe"]


def test_tools_that_are_added_are_offered(crew: Crew, server: Scripted) -> None:
    crew.agents[0].tools.append(lookup)
    crew.tasks[1].tools = [lookup]
    server.brain = calling("lookup", word="tea")

    crew.kickoff(inputs=INPUTS)

    assert [task.output.raw for task in crew.tasks] == [
        "I got: meaning of tea",
        "I got: meaning of tea",
        "I got: " + str(server.requests[-1]["messages"][-1]["content"]),
    ]


def test_callbacks_that_are_set_are_called(crew: Crew, server: Scripted) -> None:
    seen: list[str] = []
    crew.tasks[0].callback = lambda output: seen.append("task")
    crew.task_callback = lambda output: seen.append("crew")

    crew.kickoff(inputs=INPUTS)

    assert seen.count("task") == 1
    assert seen.count("crew") == 3


def test_a_tool_of_a_task_that_reaches_nobody_is_refused(
    config: Path, server: Scripted
) -> None:
    path = config / "tasks.yaml"
    path.write_text(path.read_text("utf-8").replace("sequential", "hierarchical"))
    agents = config / "agents.yaml"
    manager = "manager: {role: boss, goal: g, backstory: b, tier: documenter}\n"
    agents.write_text(agents.read_text("utf-8") + manager)
    crew = build_crew(load_settings(config))
    crew.tasks[0].tools = [lookup]

    with pytest.raises(CrewError, match=r"task\.tools \(lookup\) would reach nobody"):
        crew.kickoff(inputs=INPUTS)


# What a crew of a script shows, and whom it asks.


def kicked_off(crew: Crew) -> Any:
    return crew.kickoff(inputs=INPUTS)


def for_each(crew: Crew) -> Any:
    return crew.kickoff_for_each([INPUTS])


def awaited(crew: Crew) -> Any:
    return asyncio.run(crew.akickoff(inputs=INPUTS))


Way = Callable[[Crew], Any]


@pytest.mark.parametrize("way", [kicked_off, for_each, awaited])
def test_a_verbose_role_shows_nothing_as_the_model_wrote_it(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str], way: Way
) -> None:
    with_keys(config, "agents", "coder", "verbose: true")
    server.brain = lambda request: f"\x1b]0;owned\x07 {SECRET}"
    crew = build_crew(load_settings(config))
    before = sys.stdout, sys.stderr

    way(crew)

    shown = "".join(capsys.readouterr())
    assert "owned" in shown
    assert "\x1b]0;" not in shown
    assert SECRET not in shown
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("way", [kicked_off, for_each, awaited])
def test_who_cannot_answer_is_not_asked(
    config: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with_keys(config, "tasks", "code", "human_input: true")
    crew = build_crew(load_settings(config))

    with pytest.raises(CrewError, match=r"code: human_input .* no terminal"):
        way(crew)

    assert server.requests == []
