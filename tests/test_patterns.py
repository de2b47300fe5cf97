"""Patterns: one call of a role as calls of several models, through `kickoff`."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from configured import KEY, SECRET
from crew import kickoff
from crew.cli import main
from crew.clock import SystemClock
from crew.journal import CallRecord, Journal
from crew.settings import ArmSpec, ExperimentSpec
from crew.settings.loader import load_settings
from crew.settings.patterns import Pattern
from hangs import HANGS_AFTER
from scripted import Scripted, tool_call
from small_config import change, mistakes_of, write_files

PLANNED = "{planner: plans, caller: [small, spare], summarizer: scribe}"
DESIGNED = "{architect: senior, editor: [smith]}"
MODELS = ("boss", "thinker", "small", "spare", "scribe", "smith")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    made = tmp_path / "config"
    made.mkdir()
    yield made


def configure(
    directory: Path, url: str, pattern: str, *, gates: str = "", changed: bool = False
) -> None:
    """One task of one role with this pattern; its own tier is `smith`."""
    deployments = "\n".join(
        f"  {name}: {{provider: one, model: openai/{name}, tools: true, "
        "price: {input: 1, output: 2}, context_window: 100_000}"
        for name in MODELS
    )
    files = {
        "providers": f"providers:\n  one: {{api_key: '${{{KEY}}}', base_url: '{url}', "
        f"timeout: {HANGS_AFTER:g}s}}\ndeployments:\n{deployments}\n",
        "tiers": "tiers: {senior: [boss], mid: {chain: [smith], then: senior}, "
        "plans: [thinker]}\nmax_wait: 0s\nladder: {retries: 0}\n",
        "agents": "coder: {role: Coder, goal: g, backstory: b, tier: mid, "
        f"tools: [list_files, read_file, write_file], pattern: {pattern}}}\n",
        "tasks": "process: sequential\ncode: {description: 'Do {request}', "
        f"expected_output: a file, agent: coder, gates: [{gates}], "
        f"changed: {str(changed).lower()}}}\n",
    }
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")


def calls_of(run: str) -> list[CallRecord]:
    path = Path(os.environ["CREW_STATE_DIR"], "journal.db")
    with Journal.open(path, SystemClock()) as journal:
        return journal.calls(run)


def last(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def offered(request: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in request.get("tools") or ()]


WRITE = tool_call("write_file", path="made.py", content="ANSWER = 42\n")


def test_the_three_parts_do_one_call_together(
    directory: Path, server: Scripted, tmp_path: Path
) -> None:
    configure(directory, server.url, PLANNED)
    server.replies = {
        "thinker": [
            "Write made.py with write_file, it is missing.\nNext: caller",
            "The file is there.\nNext: summarizer",
        ],
        "small": ["503", WRITE],
        "spare": [WRITE],
        "scribe": ["made.py holds the answer."],
    }

    result = kickoff(request="the answer")

    plan, call, swapped, planned, end = server.requests
    assert [one["model"] for one in server.requests] == [
        "thinker",
        "small",
        "spare",
        "thinker",
        "scribe",
    ]
    # The planner has the tools in words alone, the caller natively, the last none.
    assert offered(plan) == offered(planned) == offered(end) == []
    assert (
        offered(call)
        == offered(swapped)
        == [
            "list_files",
            "read_file",
            "write_file",
        ]
    )
    assert "- write_file(path, content):" in last(plan)
    assert "Write made.py with write_file" in last(call)
    assert call["messages"] == swapped["messages"]
    # The planner sees its plan, the call that it led to, and what came of it.
    history = json.dumps(planned["messages"])
    assert "it is missing" in history
    assert "<tool_call>" in history
    assert "<tool_response>" in history
    assert "The file is there." in last(end)
    # What it was about stands in each of them.
    assert all("Do the answer" in json.dumps(one) for one in server.requests)
    # The tool really ran, and the summarizer's answer is the task's.
    (made,) = tmp_path.glob("output/*/workspace/made.py")
    assert made.read_text() == "ANSWER = 42\n"
    assert result.raw == "made.py holds the answer."
    # The journal knows the parts, and every token.
    calls = calls_of(result.run_id)
    assert [(one.part, one.deployment, one.outcome) for one in calls] == [
        ("planner", "thinker", "ok"),
        ("caller", "small", "Overloaded"),
        ("caller", "spare", "ok"),
        ("planner", "thinker", "ok"),
        ("summarizer", "scribe", "ok"),
    ]
    sent, wrote = server.totals()
    assert sum(one.input_tokens for one in calls) == sent
    assert sum(one.output_tokens for one in calls) == wrote
    document = json.loads((made.parents[1] / "run.json").read_text())
    assert [one["part"] for one in document["calls"]][:2] == ["planner", "caller"]


def test_the_architect_reads_and_plans_and_the_editor_writes(
    directory: Path, server: Scripted, tmp_path: Path
) -> None:
    configure(directory, server.url, DESIGNED)
    server.replies = {
        "boss": [
            tool_call("list_files", directory="."),
            "In made.py set ANSWER to 42.",
        ],
        "smith": [WRITE, "It is done."],
    }

    result = kickoff(request="the answer")

    look, design, edit, end = server.requests
    assert [one["model"] for one in server.requests] == [
        "boss",
        "boss",
        "smith",
        "smith",
    ]
    assert offered(look) == offered(design) == ["list_files", "read_file"]
    assert offered(edit) == offered(end) == ["list_files", "read_file", "write_file"]
    assert "In made.py set ANSWER to 42." in last(edit)
    # From then on the plan stands beside the call that it led to.
    (planned,) = [
        one
        for one in end["messages"]
        if one["role"] == "assistant" and "set ANSWER" in str(one.get("content"))
    ]
    assert planned["tool_calls"][0]["function"]["name"] == "write_file"
    assert "architect" not in last(end)
    assert result.raw == "It is done."
    assert [one.part for one in calls_of(result.run_id)] == [
        "architect",
        "architect",
        "editor",
        "editor",
    ]
    assert list(tmp_path.glob("output/*/workspace/made.py"))


PARTS = Pattern(
    parts={"planner": ("thinker",), "caller": ("small",), "summarizer": ("scribe",)}
)


@pytest.mark.parametrize(
    ("arm", "models", "name"),
    [
        (PARTS, ["thinker", "scribe"], f"pattern {PARTS}"),
        (Pattern(), ["smith"], "no pattern"),
    ],
    ids=["another pattern", "none"],
)
def test_the_pattern_of_an_arm_goes_before_the_roles_own(
    directory: Path, server: Scripted, arm: Pattern, models: list[str], name: str
) -> None:
    configure(directory, server.url, DESIGNED, gates="{has_sections: [Goal]}")
    server.replies = {
        "thinker": ["Nothing is left to do.\nNext: summarizer"],
        "scribe": ["# Goal\nall"],
        "smith": ["# Goal\nall"],
    }
    arms = (ArmSpec(pattern=arm),)
    one = ExperimentSpec(name="usual", role="coder", arms=arms, share=Decimal(1))
    plain = load_settings(directory)
    calm = replace(plain.ladder, audit=Decimal(0))

    kickoff(config=replace(plain, experiments={"usual": one}, ladder=calm), request="x")

    assert [one["model"] for one in server.requests] == models
    path = Path(os.environ["CREW_STATE_DIR"], "journal.db")
    with Journal.open(path, SystemClock()) as journal:
        (row,) = journal.trials.of("usual").attempts
    assert (row.arm, row.verdict, row.left_out) == (name, "passed", "")


def test_a_further_step_of_the_ladder_works_without_the_pattern(
    directory: Path, server: Scripted
) -> None:
    configure(directory, server.url, PLANNED, gates="{has_sections: [Result]}")
    server.replies = {
        "thinker": ["Next: summarizer"],
        "scribe": ["nothing of it"],
        "boss": [WRITE, "# Result\nall"],
    }

    result = kickoff(request="the answer")

    parts = [(one.deployment, one.part) for one in calls_of(result.run_id)]
    assert parts == [
        ("thinker", "planner"),
        ("scribe", "summarizer"),
        ("boss", ""),
        ("boss", ""),
    ]
    assert result.raw == "# Result\nall"


def test_a_caller_that_makes_no_call_is_told_once(
    directory: Path, server: Scripted
) -> None:
    configure(directory, server.url, PLANNED)
    server.replies = {
        "thinker": ["Use list_files to look around."],
        "small": ["I would look around.", "I would, really."],
    }

    result = kickoff(request="the answer")

    first, again = (one for one in server.requests if one["model"] == "small")
    assert len(again["messages"]) == len(first["messages"]) + 2
    assert "That was no tool call." in last(again)
    assert result.raw == "I would, really."


def test_a_part_that_repeats_itself_stalls_as_any_role_does(
    directory: Path, server: Scripted
) -> None:
    configure(directory, server.url, PLANNED, gates="{has_sections: [Result]}")
    server.replies = {
        "thinker": ["Look. Next: caller"],
        "small": [tool_call("list_files", directory=".")],
        "boss": [WRITE, "# Result\nall"],
    }

    result = kickoff(request="the answer")

    assert server.hits("small") == 3
    assert result.raw == "# Result\nall"


def test_what_all_parts_took_is_counted_by_crewai_too(
    directory: Path, server: Scripted
) -> None:
    from crew import build_crew, load_settings

    configure(directory, server.url, PLANNED)
    server.replies = {"thinker": ["Next: summarizer"], "scribe": ["done"]}
    crew = build_crew(load_settings("config"))

    crew.kickoff(inputs={"request": "x"})

    usage = crew.agents[0].llm.get_token_usage_summary()
    assert usage.successful_requests == 2
    assert (usage.prompt_tokens, usage.completion_tokens) == server.totals()


def test_a_rehearsal_plays_the_parts(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)
    configure(directory, "http://127.0.0.1:1/v1", PLANNED, changed=True)

    result = kickoff(request="the answer")

    parts = [one.part for one in calls_of(result.run_id)]
    assert parts.count("planner") >= 2
    assert parts[-1] == "summarizer"
    assert "caller" in parts


def test_check_prints_the_parts_and_that_it_is_an_experiment(
    directory: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(directory, server.url, PLANNED)

    assert main(["check"]) == 0

    shown = capsys.readouterr().out
    assert "Patterns (experimental: see docs/patterns.md)" in shown
    assert "  coder  planner     thinker\n" in shown
    assert "  coder  caller      small, then spare\n" in shown


@pytest.mark.parametrize(
    ("pattern", "key", "message"),
    [
        ("{planner: mid}", "pattern", "found planner; allowed: planner, caller and "),
        ("{}", "pattern", "found nothing; allowed: "),
        (
            "{architect: mid, caller: mid}",
            "pattern",
            "found caller, architect; allowed: planner, caller and summarizer, or "
            "architect and editor",
        ),
        ("{architect: mid, editor: smal}", "editor", "did you mean 'small'?"),
        ("{architect: [mid, 7], editor: mid}", "architect[1]", "found 7, expected a"),
        ("{architect: [], editor: mid}", "architect", "is empty; name at least one"),
        ("{planer: mid}", "planer", "did you mean 'planner'?"),
        ("mid", "pattern", "found 'mid', expected a mapping"),
        ("{architect: mid, editor: mid}", "pattern", "need edit_file or write_file"),
    ],
)
def test_a_mistake_in_a_pattern_is_found_where_it_stands(
    tmp_path: Path, pattern: str, key: str, message: str
) -> None:
    config = write_files(tmp_path / "config")
    change(config, "agents", "  max_iter: 5\n", f"  pattern: {pattern}\n")

    mistakes = mistakes_of(config)

    assert any(
        str(one).startswith(f"{config / 'agents.yaml'}:14: coder.pattern")
        and one.key.endswith(key)
        and message in one.message
        for one in mistakes
    ), [str(one) for one in mistakes]


def test_a_pattern_without_tools_is_a_mistake(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    pattern = "{planner: mid, caller: small, summarizer: mid}"
    change(config, "agents", "  tools: [read_file]\n", f"  pattern: {pattern}\n")

    (mistake,) = mistakes_of(config)

    assert mistake.message == "does nothing without `tools`"


def test_the_parts_work_without_blocking_an_event_loop(
    directory: Path, server: Scripted
) -> None:
    from crew import build_crew, load_settings

    configure(directory, server.url, PLANNED)
    server.replies = {"thinker": ["{plan} {x}\nNext: caller"], "small": [WRITE]}
    schema = {"type": "object", "properties": {"path": {}, "content": {}}}
    write = {"type": "function", "function": {"name": "write_file"}}
    write["function"] |= {"description": "Writes.", "parameters": schema}
    llm = build_crew(load_settings("config")).agents[0].llm

    (call,) = asyncio.run(llm.acall("Do it.", tools=[write]))

    assert call.function.name == "write_file"
    assert [one["model"] for one in server.requests] == ["thinker", "small"]
    assert "{plan} {x}" in last(server.requests[1])
