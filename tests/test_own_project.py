"""One's own CrewAI project: its agents get guarded tiers, by public names alone."""

import asyncio
import os
import shutil
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from crewai import Agent, Crew, Task
from crewai.flow.flow import Flow, listen, start
from pydantic import BaseModel

from configured import KEY, configure
from crew import build_crew, kickoff, kickoff_async, load_settings, tiers
from crew.cli.app import main
from crew.clock import SystemClock
from crew.errors import RunFailed, SettingsError
from crew.journal import Journal
from crew.runs.tiers import Tiers
from forked import Forks
from scripted import Scripted, serving

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def config(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """providers.yaml and tiers.yaml alone, beside the YAML of a project of CrewAI's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1")
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    directory = configure(tmp_path / "config", server.url)
    (directory / "tasks.yaml").unlink()
    agents = "writer: {role: Writer, goal: write, backstory: b, llm: gpt-4}\n"
    (directory / "agents.yaml").write_text(agents, encoding="utf-8")
    return directory


def crew_of(opened: Tiers) -> Crew:
    """A crew as somebody writes it, but for its `llm`."""
    llm = opened.llm("coder", role="writer", temperature=0.5)
    writer = Agent(role="Writer", goal="write", backstory="b", llm=llm)
    task = Task(
        name="essay", description="On {topic}.", expected_output="text", agent=writer
    )
    return Crew(agents=[writer], tasks=[task])


class Topic(BaseModel):
    """The state of a flow."""

    id: str = "1"


def the_journal() -> Journal:
    return Journal.open(Path(os.environ["CREW_STATE_DIR"], "journal.db"), SystemClock())


def status(run: str) -> str:
    record = the_journal().run(run)
    assert record is not None
    return record.status


def test_an_agent_of_ones_own_is_served_by_a_tier(
    config: Path, server: Scripted
) -> None:
    with tiers(config) as opened:
        result = crew_of(opened).kickoff(inputs={"topic": "tea"})
        during = status(opened.run_id)

    assert result.raw == "hello"
    assert server.requests[0]["model"] == "smith"
    assert server.requests[0]["temperature"] == 0.5
    assert (during, status(opened.run_id)) == ("running", "done")
    (call,) = the_journal().calls(opened.run_id)
    assert (call.role, call.task, call.deployment) == ("writer", "essay", "smith")


def test_nothing_is_recorded_before_the_first_call(config: Path) -> None:
    with tiers(config) as opened:
        crew_of(opened)

    assert not Path(os.environ["CREW_STATE_DIR"]).exists()


def test_the_run_of_a_block_that_fails_is_a_failed_one(
    config: Path, server: Scripted
) -> None:
    with pytest.raises(ZeroDivisionError), tiers(config) as opened:
        crew_of(opened).kickoff(inputs={"topic": "tea"})
        _ = 1 / 0

    assert status(opened.run_id) == "failed"


def test_copies_and_coroutines_of_a_crew_are_in_the_same_run(
    config: Path, server: Scripted
) -> None:
    topics = [{"topic": "tea"}, {"topic": "milk"}]

    with tiers(config) as opened:
        crew = crew_of(opened)
        crew.kickoff_for_each(topics)
        asyncio.run(crew.kickoff_async(topics[0]))
        asyncio.run(crew.akickoff(topics[0]))

    assert len(the_journal().calls(opened.run_id)) == 4


async def in_a_cell(crew: Crew) -> list[str]:
    """As a notebook's cell does, where a loop is running."""
    topics = [{"topic": "tea"}, {"topic": "milk"}]
    results = [
        await crew.kickoff_async(inputs=topics[0]),
        await crew.akickoff(inputs=topics[0]),
        *await crew.kickoff_for_each_async(inputs=topics),
    ]
    return [result.raw for result in results]


def test_a_crew_of_ones_own_works_where_a_loop_is_running(
    config: Path, server: Scripted
) -> None:
    with tiers(config) as opened:
        results = asyncio.run(in_a_cell(crew_of(opened)))

    assert results == ["hello"] * 4
    assert len(the_journal().calls(opened.run_id)) == 4


def test_a_flow_works_with_crews_and_calls_of_its_own(
    config: Path, server: Scripted
) -> None:
    with tiers(config) as opened:

        class Work(Flow[Topic]):
            @start()
            def ask(self) -> str:
                return str(opened.llm("architect").call("Which topic?"))

            @listen(ask)
            async def write(self, found: str) -> list[str]:
                topics = [{"topic": found}, {"topic": "milk"}]
                crew = crew_of(opened)
                results = await crew.kickoff_for_each_async(inputs=topics)
                return [str(result) for result in results]

        made = Work().kickoff()

    assert made == ["hello"] * 2
    roles = [call.role for call in the_journal().calls(opened.run_id)]
    assert sorted(roles) == ["architect", "writer", "writer"]
    assert status(opened.run_id) == "done"


def test_threads_share_the_run_that_the_first_call_opens(
    config: Path, server: Scripted
) -> None:
    with tiers(config) as opened, ThreadPoolExecutor(8) as pool:
        llms = [opened.llm("coder", role=f"role{n}") for n in range(8)]
        answers = list(pool.map(lambda llm: llm.call("hello"), llms))

    assert answers == ["hello"] * 8
    assert len(the_journal().calls(opened.run_id)) == 8


def test_a_call_after_the_end_is_refused(config: Path) -> None:
    with tiers(config) as opened:
        llm = opened.llm("coder")

    with pytest.raises(Exception, match="has ended; open the tiers anew"):
        llm.call("hello")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tier": "codr"}, "unknown tier 'codr'; did you mean 'coder'?"),
        ({"tier": "coder", "kind": "codng"}, "did you mean 'coding'?"),
        ({"tier": "coder", "temprature": 1}, "did you mean 'temperature'?"),
        ({"tier": "coder", "role": "taken"}, "'taken' has another tier"),
        ({"tier": "coder", "role": " "}, "needs a name"),
    ],
)
def test_a_name_that_nobody_knows_is_refused_at_once(
    config: Path, arguments: dict[str, str], message: str
) -> None:
    opened = tiers(config)
    opened.llm("architect", role="taken")

    with pytest.raises(SettingsError) as caught:
        opened.llm(**arguments)

    assert message in str(caught.value)


def tutorial() -> str:
    """The Python of the tutorial."""
    page = PROJECT / "docs" / "tutorial-own-project.md"
    return page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def test_the_example_of_the_tutorial_works(config: Path, server: Scripted) -> None:
    names: dict[str, Any] = {}

    exec(tutorial().replace('"mid"', '"coder"'), names)

    assert "Write about tea" in str(server.requests[0]["messages"])
    assert status(names["opened"].run_id) == "done"


def test_crewais_own_template_gets_a_tier_by_one_line_each(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    spec = find_spec("crewai_cli")
    assert spec is not None
    assert spec.origin is not None
    template = Path(spec.origin).parent / "templates" / "crew"
    shutil.copytree(template / "config", config, dirs_exist_ok=True)
    source = (template / "crew.py").read_text(encoding="utf-8")
    source = source.replace("{{crew_name}}", "Made")
    for role in ("researcher", "reporting_analyst"):
        line = f"config=self.agents_config['{role}'], # type: ignore[index]\n"
        assert line in source
        llm = f"            llm=OPENED.llm('coder', role='{role}'),\n"
        source = source.replace(line, f"{line}{llm}")
    module = tmp_path / "made_crew.py"
    module.write_text(f"from crew import tiers\nOPENED = tiers('config')\n{source}")
    loaded = module_from_spec(found := spec_from_file_location("made_crew", module))
    found.loader.exec_module(loaded)

    with loaded.OPENED:
        inputs = {"topic": "tea", "current_year": "2026"}
        result = loaded.Made().crew().kickoff(inputs=inputs)

    assert result.raw == "hello"
    calls = the_journal().calls(loaded.OPENED.run_id)
    assert [(call.role, call.task) for call in calls] == [
        ("researcher", "research_task"),
        ("reporting_analyst", "reporting_task"),
    ]


def test_crew_report_and_status_show_the_run(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), tiers(config) as opened:
        opened.llm("coder").call("hello")
        _ = 1 / 0

    assert main(["report", opened.run_id]) == 0
    shown = capsys.readouterr().out
    assert f"run {opened.run_id}: failed\n" in shown
    assert "smith" in shown
    assert "--resume" not in shown
    assert main(["status"]) == 0


def test_crew_check_needs_no_roles(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "agents.yaml").unlink()

    assert main(["check"]) == 0
    assert "smith" in capsys.readouterr().out


def test_the_run_ends_with_the_process(config: Path, forks: Forks) -> None:
    script = """
        from crew import tiers
        opened = tiers("config")
        opened.llm("coder").call("hello")
        print(opened.run_id)
    """
    done = forks.run(code=textwrap.dedent(script))

    assert done.returncode == 0, done.stderr
    assert status(done.stdout.strip()) == "done"


def test_without_a_key_it_rehearses_and_warns(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)

    with pytest.warns(UserWarning, match="REHEARSAL"), tiers(config) as opened:
        answer = opened.llm("coder").call("hello")

    assert answer


def test_a_crew_without_a_key_rehearses_and_its_run_ends(
    tmp_path: Path, forks: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = f"""
        from crew import build_crew, load_settings
        crew = build_crew(load_settings({str(PROJECT / "config")!r}, environ={{}}))
        print(crew.kickoff().raw)
    """

    done = forks.run(code=textwrap.dedent(script))

    assert done.returncode == 0, done.stderr
    assert "REHEARSAL" in done.stderr
    assert done.stdout.strip()
    (run,) = (path.name for path in (tmp_path / "output").iterdir() if path.is_dir())
    assert status(run) == "done"


# In a notebook.


@pytest.fixture
def whole(config: Path, server: Scripted) -> Path:
    """A configuration with roles and tasks."""
    return configure(config, server.url)


def test_kickoff_works_where_a_loop_is_running(whole: Path) -> None:
    async def cell() -> str:
        return kickoff(request="Add pages", config=whole).raw

    assert asyncio.run(cell()) == "hello"


def test_a_built_crew_works_where_a_loop_is_running(whole: Path) -> None:
    inputs = {"request": "x"}

    async def cell() -> list[str]:
        crew = build_crew(load_settings(whole))
        results = [crew.kickoff(inputs), *crew.kickoff_for_each([inputs])]
        return [result.raw for result in [*results, await crew.kickoff_async(inputs)]]

    assert asyncio.run(cell()) == ["hello"] * 3


def test_kickoff_async_lets_the_loop_go_on(whole: Path, server: Scripted) -> None:
    async def cell() -> tuple[str, int]:
        turns = 0
        run = asyncio.create_task(kickoff_async(request="x", config=whole))
        while not run.done():
            turns += 1
            await asyncio.sleep(0)
        return run.result().raw, turns

    raw, turns = asyncio.run(cell())

    assert raw == "hello"
    assert turns > len(server.requests)


def test_a_failure_of_a_run_beside_the_loop_reaches_the_caller(
    whole: Path, server: Scripted
) -> None:
    server.brain = lambda request: "400 no"

    with pytest.raises(RunFailed):
        asyncio.run(kickoff_async(request="x", config=whole))


def test_who_cancels_a_run_interrupts_it(whole: Path, server: Scripted) -> None:
    reached = asyncio.Event()

    async def cell() -> None:
        loop = asyncio.get_running_loop()

        def brain(request: dict[str, object]) -> str:
            loop.call_soon_threadsafe(reached.set)
            server.stop.wait()
            return "late"

        server.brain = brain
        run = asyncio.create_task(kickoff_async(request="x", config=whole))
        await reached.wait()
        run.cancel()
        await asyncio.wait([run])
        assert run.cancelled()

    asyncio.run(cell())

    assert len(server.requests) == 1


# What is set on a crew's tasks in Python.


def test_a_kickoff_takes_from_inputs_yaml_what_it_is_not_given(
    whole: Path, server: Scripted
) -> None:
    (whole / "inputs.yaml").write_text("request: the default\n", encoding="utf-8")
    crew = build_crew(load_settings(whole))

    crew.kickoff()
    crew.kickoff_for_each([{"request": "my own"}])

    assert "design of the default" in str(server.requests[0]["messages"])
    assert "design of my own" in str(server.requests[3]["messages"])


class Plan(BaseModel):
    steps: list[str]


def test_a_guardrail_that_is_set_afterwards_is_called(
    whole: Path, server: Scripted
) -> None:
    crew = build_crew(load_settings(whole))
    seen: list[str] = []

    def guardrail(output: object) -> tuple[bool, str]:
        seen.append(str(output))
        return len(seen) > 1, "again"

    crew.tasks[0].guardrail = guardrail
    inputs = {"request": "x"}
    crew.kickoff(inputs=inputs)
    crew.kickoff_for_each([inputs])

    assert len(seen) == 3


def test_output_pydantic_that_is_set_afterwards_is_filled(
    whole: Path, server: Scripted
) -> None:
    server.brain = lambda request: '{"steps": ["one"]}'
    crew = build_crew(load_settings(whole))
    crew.tasks[-1].output_pydantic = Plan

    result = crew.kickoff(inputs={"request": "x"})

    assert result.pydantic == Plan(steps=["one"])
