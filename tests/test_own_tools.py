"""Tools, callbacks and models of one's own, by dotted path in the YAML."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from crew import build_crew, kickoff, load_settings
from crew.cli.app import main
from crew.errors import Mistake, RunFailed, SettingsError
from scripted import Reply, Scripted, tool_call

TOOLS = """\
from crewai.tools import BaseTool, tool

import words
from words import PREFIX

@tool
def search_tickets(query: str) -> str:
    "Search the tickets."
    return f"{PREFIX} {query} {words.TAIL}"

class Counter(BaseTool):
    name: str = "count"
    description: str = "Count."
    step: int = 1

    def _run(self) -> str:
        from . import words as again
        return f"{self.step} {again.PREFIX}"

ready = Counter(name="ready", step=7)

def plain(query: str) -> str:
    return query
"""
WORDS = 'PREFIX, TAIL = "found", "today"\n'


def put(config: Path, name: str, text: str) -> None:
    path = config / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")


def with_keys(config: Path, file: str, entry: str, keys: str) -> None:
    """Add keys to an entry, which stands in one line of the file."""
    path = config / f"{file}.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    (index,) = (n for n, line in enumerate(lines) if line.startswith(f"{entry}:"))
    lines[index] = f"{lines[index].removesuffix('}')}, {keys}}}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def mine(config: Path) -> Path:
    """The configuration with code of one's own beside it."""
    put(config, "my_tools.py", TOOLS)
    put(config, "words.py", WORDS)
    return config


def calling(name: str, **arguments: object) -> Any:
    """A model that calls one tool, and answers with its result."""

    def brain(request: dict[str, Any]) -> Reply:
        last = request["messages"][-1]
        if last["role"] == "tool" or not request.get("tools"):
            return f"I got: {last['content']}"
        return tool_call(name, **arguments)

    return brain


def mistakes_of(config: Path) -> tuple[Mistake, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    return caught.value.mistakes


def mistakes_of_building(config: Path) -> tuple[Mistake, ...]:
    settings = load_settings(config)
    with pytest.raises(SettingsError) as caught:
        build_crew(settings)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("tool", "name", "arguments", "result"),
    [
        ("my_tools.search_tickets", "search_tickets", {"query": "x"}, "found x today"),
        ("my_tools.Counter", "count", {}, "1 found"),
        ("{my_tools.Counter: {step: 3}}", "count", {}, "3 found"),
        ("my_tools.ready", "ready", {}, "7 found"),
    ],
)
def test_a_role_works_with_a_tool_of_ones_own(
    mine: Path,
    server: Scripted,
    tool: str,
    name: str,
    arguments: Mapping[str, object],
    result: str,
) -> None:
    with_keys(mine, "agents", "architect", f"tools: [list_files, {tool}]")
    server.brain = calling(name, **arguments)

    outcome = kickoff(request="x", config=mine)

    offered = [one["function"]["name"] for one in server.requests[0]["tools"]]
    assert offered == ["list_files", name]
    assert f"I got: {result}" in str(outcome.document["tasks"][0]["result"])


def test_a_coworker_of_a_manager_has_the_tool(mine: Path, server: Scripted) -> None:
    with_keys(mine, "agents", "architect", "tools: [my_tools.search_tickets]")
    tasks = (mine / "tasks.yaml").read_text(encoding="utf-8")
    put(mine, "tasks.yaml", tasks.replace("sequential", "hierarchical"))
    agents = (mine / "agents.yaml").read_text(encoding="utf-8")
    manager = "manager: {role: boss, goal: g, backstory: b, tier: documenter}\n"
    put(mine, "agents.yaml", agents + manager)
    results: list[str] = []

    def brain(request: dict[str, Any]) -> Reply:
        messages, tools = request["messages"], request.get("tools") or []
        names = [one["function"]["name"] for one in tools]
        if messages[-1]["role"] == "tool":
            results.append(messages[-1]["content"])
            return "done"
        if "search_tickets" in names:
            return tool_call("search_tickets", query="x")
        if "delegate_work_to_coworker" in names:
            task = str(messages[-1]["content"])
            who = next(
                r for r in ("architect", "coder", "documenter") if r in str(tools)
            )
            return tool_call(
                "delegate_work_to_coworker", task=task, context="none", coworker=who
            )
        return "done"

    server.brain = brain

    assert kickoff(request="x", config=mine).status == "done"
    assert "found x today" in results


def test_the_code_of_a_user_is_seen_by_nobody_else(
    mine: Path, server: Scripted
) -> None:
    with_keys(mine, "agents", "architect", "tools: [my_tools.ready]")
    before = list(sys.path)

    build_crew(load_settings(mine))

    assert sys.path == before
    assert not {"my_tools", "words"} & set(sys.modules)
    assert not list(mine.rglob("__pycache__"))


def test_two_configurations_may_have_a_file_of_the_same_name(
    mine: Path, server: Scripted, tmp_path: Path
) -> None:
    with_keys(mine, "agents", "architect", "tools: [my_tools.ready]")
    other = tmp_path / "other"
    other.mkdir()
    for path in mine.iterdir():
        text = path.read_text(encoding="utf-8").replace('name="ready"', 'name="second"')
        put(other, path.name, text)

    crews = [build_crew(load_settings(one)) for one in (mine, other)]

    assert [crew.agents[0].tools[0].name for crew in crews] == ["ready", "second"]


def test_a_compiled_file_beside_the_code_is_not_run(
    mine: Path, server: Scripted
) -> None:
    with_keys(mine, "agents", "architect", "tools: [my_tools.ready]")
    put(mine, "evil.py", TOOLS.replace('"ready"', '"evil"'))
    script = (
        "import py_compile, os; py_compile.compile('evil.py', "
        f"cfile='__pycache__/my_tools.{sys.implementation.cache_tag}.pyc', "
        "invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=mine, check=True)

    crew = build_crew(load_settings(mine))

    assert crew.agents[0].tools[0].name == "ready"


def test_code_in_the_working_directory_is_not_found(
    config: Path, tmp_path: Path
) -> None:
    put(tmp_path, "my_tools.py", TOOLS)
    with_keys(config, "agents", "architect", "tools: [my_tools.ready]")

    (mistake,) = mistakes_of(config)

    assert (mistake.line, mistake.key) == (1, "architect.tools[0]")
    assert f"{config}/my_tools.py does not exist" in mistake.message


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("my_tools.serch_tickets", "did you mean 'search_tickets'?"),
        ("my_tools.plain", "is a function without @tool"),
        ("other.thing", "does not exist; only files in the directory of"),
        ("os.system", "os is a module of Python's own; only files"),
        ("yaml.load", "yaml is a module of an installed package; only files"),
        ("crew.kickoff", "crew is a module of an installed package; only files"),
        ("queue.mine", "queue is also the name of a module of Python's own; rename"),
        ("pydantic.mine", "of an installed package; rename pydantic.py"),
        ("broken.x", "broken.py:1: no Python"),
        ("outside.x", "leads out of the directory"),
        ("crewai_tools.NoSuchTool", "crewai_tools"),
        ("my_tools.", "is no dotted path; allowed: FILE.NAME"),
        ("../x.y", "is no dotted path"),
        ("{my_tools.ready: [1]}", "found a list, expected a mapping of arguments"),
        ("{my_tools.ready: {}, b: {}}", "found 2 keys, expected one"),
        ("{list_files: {a: 1}}", "'list_files' takes no arguments"),
        ("{my_tools.search_tickets: {a: 1}}", "takes no arguments from the YAML"),
        ("lst_files", "did you mean 'list_files'?"),
        ("5", "found 5, expected a text"),
    ],
)
def test_a_tool_that_cannot_be_is_found_without_running_code(
    mine: Path, tmp_path: Path, tool: str, message: str
) -> None:
    for name in ("queue", "pydantic"):
        put(mine, f"{name}.py", "raise SystemExit(7)\nmine = 1\n")
    put(mine, "broken.py", "def (\n")
    put(tmp_path, "outside.py", "x = 1\n")
    (mine / "outside.py").symlink_to(tmp_path / "outside.py")
    with_keys(mine, "agents", "architect", f"tools: [list_files, {tool}]")

    (mistake,) = mistakes_of(mine)

    assert (mistake.line, mistake.key) == (1, "architect.tools[1]")
    assert message in mistake.message


def test_crew_check_runs_no_code_of_the_user(
    mine: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    put(mine, "loud.py", "raise RuntimeError('it ran')\ntool = 1\n")
    with_keys(mine, "agents", "architect", "tools: [loud.tool]")

    assert main(["--config", str(mine), "check"]) == 0
    assert "it ran" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('no\\nnetwork')\nx = 1", "RuntimeError: no network"),
        ("x = 1\nraise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_module\nx = 1", "No module named 'no_such_module'"),
        ("x = 1", "late.x is no tool of CrewAI's"),
        ("import os\nraise ValueError(os.environ['ONE_API_KEY'])\nx = 1", "***"),
        ("from crewai.tools import tool\ndef f(): pass\nx = f", "without @tool"),
    ],
)
def test_code_that_does_not_work_stops_the_crew_before_it_begins(
    mine: Path, tmp_path: Path, server: Scripted, code: str, message: str
) -> None:
    put(mine, "late.py", code)
    with_keys(mine, "agents", "coder", "tools: [late.x]")

    (mistake,) = mistakes_of_building(mine)

    assert (mistake.file, mistake.line) == (str(mine / "agents.yaml"), 2)
    assert mistake.key == "coder.tools[0]"
    assert message in mistake.message
    assert "sk-very-secret" not in str(mistake)
    assert not (tmp_path / "output").exists()


def test_an_error_at_import_names_the_line_of_the_user(mine: Path) -> None:
    put(mine, "late.py", "x = 1\n\nraise ValueError('no')\n")
    with_keys(mine, "agents", "coder", "tools: [late.x]")

    (mistake,) = mistakes_of_building(mine)

    assert f"({mine}/late.py:3)" in mistake.message


def test_all_that_does_not_work_is_reported_at_once(
    mine: Path, server: Scripted
) -> None:
    put(mine, "late.py", "raise ValueError('no')\nx = y = 1\n")
    with_keys(mine, "agents", "architect", "tools: [late.x, my_tools.ready, late.y]")
    with_keys(mine, "tasks", "code", "output_pydantic: late.x, callback: late.y")

    assert {one.key for one in mistakes_of_building(mine)} == {
        "architect.tools[0]",
        "architect.tools[2]",
        "code.output_pydantic",
        "code.callback",
    }


@pytest.mark.parametrize("name", ["write_file", "ready"])
def test_two_tools_of_one_name_are_refused(mine: Path, name: str) -> None:
    put(mine, "twin.py", TOOLS.replace('name="ready"', f'name="{name}"'))
    with_keys(mine, "agents", "coder", "tools: [my_tools.ready, twin.ready]")

    (mistake,) = mistakes_of_building(mine)

    assert mistake.key == "coder.tools[1]"
    assert f"'{name}' is the name of another tool" in mistake.message


def test_arguments_that_a_class_does_not_take_are_reported(mine: Path) -> None:
    with_keys(mine, "agents", "coder", "tools: [{my_tools.Counter: {step: many}}]")

    (mistake,) = mistakes_of_building(mine)

    assert "my_tools.Counter cannot be made with step: ValidationError" in str(mistake)


def test_a_secret_argument_comes_from_the_environment(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIRA_TOKEN", "jira-secret-token")
    put(mine, "keyed.py", TOOLS.replace("step: int = 1", 'token: str = ""'))
    with_keys(
        mine, "agents", "coder", "tools: [{keyed.Counter: {token: '${JIRA_TOKEN}'}}]"
    )
    settings = load_settings(mine)

    crew = build_crew(settings)

    assert crew.agents[1].tools[0].token == "jira-secret-token"
    assert "jira-secret-token" not in repr(settings)
    assert settings.secrets.masked("jira-secret-token") == "***"


# Callbacks, and models of outputs.

HOOKS = """\
from pydantic import BaseModel

class Plan(BaseModel):
    steps: list[str]

seen, steps = [], []

def done(output):
    seen.append(output.raw)

def step(step):
    steps.append(step)

def bad(output):
    raise KeyError("mine")
"""


def loaded(config: Path, name: str) -> Any:
    """A module of the user's, as it was imported."""
    (found,) = (
        module
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None) == str(config / f"{name}.py")
    )
    return found


def test_callbacks_of_ones_own_are_called(config: Path, server: Scripted) -> None:
    put(config, "hooks.py", HOOKS)
    with_keys(config, "tasks", "code", "callback: hooks.done")
    with_keys(
        config, "agents", "coder", "step_callback: hooks.step, tools: [list_files]"
    )

    outcome = kickoff(request="x", config=config)

    hooks = loaded(config, "hooks")
    assert hooks.seen == ["smith did the work."]
    assert len(hooks.steps) == 1
    assert [task["status"] for task in outcome.document["tasks"]] == ["unproved"] * 3


def test_a_callback_that_fails_ends_the_run_and_keeps_the_result(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    put(config, "hooks.py", HOOKS)
    with_keys(config, "tasks", "code", "callback: hooks.bad")

    with pytest.raises(
        RunFailed, match=r"hooks.bad, the callback of code, failed: Key"
    ):
        kickoff(request="x", config=config)

    (kept,) = tmp_path.glob("output/*/code.md")
    assert "smith did the work." in kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["output_pydantic", "output_json"])
def test_a_result_becomes_a_model_of_ones_own(
    config: Path, server: Scripted, key: str
) -> None:
    put(config, "hooks.py", HOOKS)
    with_keys(config, "tasks", "document", f"{key}: hooks.Plan")
    server.brain = lambda request: json.dumps({"steps": ["one"]})
    crew = build_crew(load_settings(config))

    result = crew.kickoff(inputs={"request": "x"})

    if key == "output_json":
        assert result.json_dict == {"steps": ["one"]}
    else:
        assert result.pydantic == loaded(config, "hooks").Plan(steps=["one"])
    schema = json.dumps(server.requests[-1].get("response_format"))
    assert "steps" in schema


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ("output_pydantic: hooks.plan", "output_pydantic", "did you mean 'Plan'?"),
        ("output_json: hooks.done", "output_json", "is a function, expected a class"),
        ("callback: hooks.Plan", "callback", "is a class, expected a function"),
        ("callback: nothing", "callback", "is no dotted path; allowed: FILE.NAME"),
        (
            "output_pydantic: hooks.Plan, output_json: hooks.Plan",
            "output_json",
            "a task has one form of output",
        ),
    ],
)
def test_what_a_task_names_is_of_the_right_kind(
    config: Path, keys: str, key: str, message: str
) -> None:
    put(config, "hooks.py", HOOKS)
    with_keys(config, "tasks", "code", keys)

    (mistake,) = mistakes_of(config)

    assert (mistake.line, mistake.key) == (3, f"code.{key}")
    assert message in mistake.message


def test_a_model_that_is_none_is_found_when_it_is_imported(config: Path) -> None:
    put(config, "hooks.py", "class Plan: pass\n")
    with_keys(config, "tasks", "code", "output_pydantic: hooks.Plan")

    (mistake,) = mistakes_of_building(config)

    assert "hooks.Plan is no class of pydantic's (BaseModel)" in str(mistake)
