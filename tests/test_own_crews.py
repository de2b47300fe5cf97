"""Kinds of crews that people have: each of their calls goes through a tier."""

import asyncio
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crewai import Agent, Crew, Process, Task
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.crew_events import CrewKickoffStartedEvent
from crewai.flow.flow import Flow, listen, start
from crewai.llms.base_llm import BaseLLM
from crewai.tools import tool
from pydantic import BaseModel

from configured import KEY, configure
from crew import tiers
from crew.clock import SystemClock
from crew.journal import Journal
from crew.runs.tiers import Tiers
from forked import Forks
from scripted import Reply, Scripted, serving, tool_call


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def opened(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tiers]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1")
    with tiers(configure(tmp_path / "config", server.url)) as opened:
        yield opened


def roles_called(run: str) -> list[str]:
    """The role of each call that the journal has, in the order of the calls."""
    path = Path(os.environ["CREW_STATE_DIR"], "journal.db")
    return [call.role for call in Journal.open(path, SystemClock()).calls(run)]


def agent(opened: Tiers, role: str, **more: Any) -> Agent:
    llm = opened.llm("coder", role=role)
    return Agent(role=role, goal="g", backstory="b", llm=llm, **more)


def task(worker: Agent | None, description: str = "Write.", **more: Any) -> Task:
    return Task(description=description, expected_output="text", agent=worker, **more)


def text_of(request: dict[str, Any]) -> str:
    return "\n".join(str(message.get("content")) for message in request["messages"])


class Silent(BaseLLM):
    """An LLM of no tier."""

    def call(self, *args: Any, **more: Any) -> str:
        return "nothing"


class Plan(BaseModel):
    steps: list[str]


def test_a_manager_llm_delegates_and_is_counted(
    opened: Tiers, server: Scripted
) -> None:
    def brain(request: dict[str, Any]) -> Reply:
        names = [one["function"]["name"] for one in request.get("tools") or ()]
        if "delegate_work_to_coworker" not in names:
            return "hello"
        if request["messages"][-1]["role"] == "tool":
            return "done"
        return tool_call(
            "delegate_work_to_coworker", task="t", context="c", coworker="writer"
        )

    server.brain = brain
    crew = Crew(
        agents=[agent(opened, "writer")],
        tasks=[task(None)],
        process=Process.hierarchical,
        manager_llm=opened.llm("architect", role="manager"),
    )

    assert crew.kickoff().raw == "done"
    assert roles_called(opened.run_id) == ["manager", "writer", "manager"]
    assert len(server.requests) == 3


def test_the_planning_llm_is_counted(opened: Tiers, server: Scripted) -> None:
    plan = '{"list_of_plans_per_task": [{"task_number": 1, "task": "t", "plan": "p"}]}'
    server.brain = lambda r: plan if "list_of_plans" in str(r) else "hello"
    worker = agent(opened, "writer")
    crew = Crew(
        agents=[worker],
        tasks=[task(worker)],
        planning=True,
        planning_llm=opened.llm("architect", role="planner"),
    )

    assert crew.kickoff().raw == "hello"
    assert set(roles_called(opened.run_id)) == {"planner", "writer"}
    assert len(roles_called(opened.run_id)) == len(server.requests)


def test_a_function_calling_llm_is_counted(opened: Tiers, server: Scripted) -> None:
    @tool
    def count(text: str) -> str:
        """Count the letters."""
        return str(len(text))

    def brain(request: dict[str, Any]) -> Reply:
        if request["messages"][-1]["role"] == "tool" or not request.get("tools"):
            return "Thought: I now know\nFinal Answer: hello"
        return tool_call("count", text="abc")

    server.brain = brain
    worker = agent(
        opened,
        "writer",
        tools=[count],
        function_calling_llm=opened.llm("architect", role="caller"),
    )

    result = Crew(agents=[worker], tasks=[task(worker)]).kickoff()

    assert "hello" in result.raw
    assert len(roles_called(opened.run_id)) == len(server.requests)


def test_callbacks_are_called_with_verbose_output(
    opened: Tiers, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    worker = agent(opened, "writer", verbose=True)
    mine = task(worker, callback=lambda output: seen.append(f"task {output.raw}"))
    crew = Crew(
        agents=[worker],
        tasks=[mine],
        verbose=True,
        task_callback=lambda output: seen.append(f"crew {output.raw}"),
        step_callback=lambda step: seen.append("step"),
    )

    crew.kickoff()

    assert {"task hello", "crew hello"} <= set(seen)
    assert "hello" in capsys.readouterr().out


def test_a_guardrail_in_words_is_judged_by_the_tier(
    opened: Tiers, server: Scripted
) -> None:
    server.brain = lambda r: (
        '{"valid": true, "feedback": null}' if "guardrail" in str(r).lower() else "hi"
    )
    worker = agent(opened, "writer")

    result = Crew(
        agents=[worker], tasks=[task(worker, guardrail="It is polite.")]
    ).kickoff()

    assert result.raw == "hi"
    assert len(roles_called(opened.run_id)) == len(server.requests) >= 2


@pytest.mark.parametrize("key", ["output_pydantic", "output_json"])
def test_a_structured_result_is_parsed(
    opened: Tiers, server: Scripted, key: str
) -> None:
    server.brain = lambda request: '{"steps": ["one"]}'
    worker = agent(opened, "writer")

    result = Crew(agents=[worker], tasks=[task(worker, **{key: Plan})]).kickoff()

    assert result["steps"] == ["one"]
    assert len(roles_called(opened.run_id)) == len(server.requests)


def test_an_async_task_is_counted(opened: Tiers, server: Scripted) -> None:
    first, last = agent(opened, "writer"), agent(opened, "editor")
    slow = task(first, async_execution=True)
    crew = Crew(agents=[first, last], tasks=[slow, task(last, context=[slow])])

    assert crew.kickoff().raw == "hello"
    assert sorted(roles_called(opened.run_id)) == ["editor", "writer"]


def test_kickoff_where_a_loop_runs_says_what_to_call(
    opened: Tiers, server: Scripted
) -> None:
    worker = agent(opened, "writer")
    crew = Crew(agents=[worker], tasks=[task(worker)])

    async def cell() -> None:
        crew.kickoff()

    with pytest.raises(RuntimeError, match="kickoff_async"):
        asyncio.run(cell())

    assert not server.requests


def test_a_flow_with_kickoff_in_an_async_step_ends_with_the_reason(
    opened: Tiers, server: Scripted
) -> None:
    class Work(Flow[Any]):
        @start()
        def begin(self) -> str:
            worker = agent(opened, "writer")
            return Crew(agents=[worker], tasks=[task(worker)]).kickoff().raw

        @listen(begin)
        async def each(self) -> list[str]:
            async def one() -> str:
                worker = agent(opened, "writer")
                return Crew(agents=[worker], tasks=[task(worker)]).kickoff().raw

            return await asyncio.gather(*(asyncio.create_task(one()) for _ in "ab"))

    with pytest.raises(RuntimeError, match="kickoff_async"):
        Work().kickoff()

    assert len(server.requests) == 1


def test_what_goes_past_the_guard_is_reported(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1")
    lines: list[str] = []
    config = configure(tmp_path / "config", server.url)

    with tiers(config, listener=lines.append) as opened:
        worker, other = agent(opened, "writer"), agent(opened, "editor")
        other.llm = Silent(model="gpt-4o-mini")
        crew = Crew(agents=[worker, other], tasks=[task(worker), task(other)])
        crew.memory, crew.planning = True, True
        crewai_event_bus.emit(crew, CrewKickoffStartedEvent(crew_name="c", inputs={}))
        crewai_event_bus.flush()

    assert lines == [
        "PAST THE GUARD: the crew's planning has no LLM of a tier; set `planning_llm`",
        "PAST THE GUARD: the memory of the crew makes embeddings, which no tier serves",
        "PAST THE GUARD: `llm` of agent 'editor' is gpt-4o-mini, of no tier",
    ]


def test_a_crew_without_a_tier_is_nobodys_business(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1")
    lines: list[str] = []
    config = configure(tmp_path / "config", server.url)

    with tiers(config, listener=lines.append) as opened:
        opened.llm("coder")
        llm = Silent(model="gpt-4o-mini")
        other = Agent(role="r", goal="g", backstory="b", llm=llm)
        assert Crew(agents=[other], tasks=[task(other)]).kickoff().raw == "nothing"

    assert lines == []


def test_a_script_that_ends_in_an_error_is_a_failed_run(
    opened: Tiers, forks: Forks
) -> None:
    script = """
        from crew import tiers
        opened = tiers("config")
        opened.llm("coder").call("hello")
        print(opened.run_id, flush=True)
        1 / 0
    """
    done = forks.run(code=textwrap.dedent(script))

    assert "ZeroDivisionError" in done.stderr
    path = Path(os.environ["CREW_STATE_DIR"], "journal.db")
    record = Journal.open(path, SystemClock()).run(done.stdout.strip())
    assert record is not None
    assert record.status == "failed"


def test_a_rehearsal_shows_the_swap_that_its_notice_names(
    opened: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)
    config = Path(__file__).parents[1] / "config"

    with pytest.warns(UserWarning, match="REHEARSAL"), tiers(config) as rehearsed:
        llms = [rehearsed.llm("mid", role=role) for role in ("writer", "editor")]
        for llm in llms * 2:
            assert llm.call("hello")

    path = Path(os.environ["CREW_STATE_DIR"], "journal.db")
    calls = Journal.open(path, SystemClock()).calls(rehearsed.run_id)
    assert [call.outcome for call in calls].count("ok") == 4
    assert len(calls) == 5
