"""Tools by text on real HTTP: calls that are written, and chains that mix both ways."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.settings import Settings, TaskSpec
from scripted import Reply, Scripted, serving, tool_call

WRITE = {
    "name": "write_file",
    "arguments": {"path": "hello.py", "content": "print('hello')\n"},
}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(*chain: dict[str, Any]) -> Settings:
        deployments = [
            deployment(f"m{number}", provider(f"p{number}", base_url=server.url), **one)
            for number, one in enumerate(chain)
        ]
        coder = role(tools=("read_file", "write_file"))
        task = TaskSpec(
            name="code", description="{request}", expected_output="a", agent="coder"
        )
        return settings(
            deployments,
            tmp_path,
            roles=[coder],
            tasks=[task],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
        )

    return make


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WRITE),
        f"```json\n{json.dumps(WRITE)}\n```",
        f"<tool_call>\n{json.dumps(WRITE)}\n</tool_call>",
        "Thought: I write it.\nAction: write_file\n"
        f"Action Input: {json.dumps(WRITE['arguments'])}",
    ],
    ids=["bare", "fenced", "tags", "ReAct"],
)
def test_a_call_written_as_text_writes_the_file(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path, text: str
) -> None:
    server.replies["m0"] = [text, "hello.py is written."]
    reported: list[str] = []

    result = kickoff(
        request="Write hello.py", config=made({}), listener=reported.append
    )

    written = tmp_path / "output" / result.run_id / "workspace" / "hello.py"
    assert written.read_text() == "print('hello')\n"
    assert result.raw == "hello.py is written."
    assert len([line for line in reported if "as text" in line]) == 1
    # The conversation goes on with the call as a native one.
    assert server.requests[1]["messages"][-2]["tool_calls"]


def test_without_native_tools_the_tools_are_described_and_the_calls_are_text(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["m0"] = [
        f"<tool_call>{json.dumps(WRITE)}</tool_call>",
        "hello.py is written.",
    ]

    result = kickoff(request="Write hello.py", config=made({"tools": False}))

    first, second = server.requests
    assert "tools" not in first
    described = first["messages"][0]["content"]
    assert "read_file(path: string, start_line: integer = 1" in described
    assert "write_file" not in described
    assert "To write a file, answer with its path" in described
    # Small models forget what was said before the task; the cache keeps its prompt.
    assert first["messages"][1]["content"].endswith(
        "(Write the new file now: answer with hello.py on a line and, behind it, the "
        "whole file in a code block.)"
    )
    assert second["messages"][1] == first["messages"][1]
    assert {message["role"] for message in second["messages"]} == {
        "system",
        "user",
        "assistant",
    }
    assert not any(message.get("tool_calls") for message in second["messages"])
    assert "hello.py is written (" in second["messages"][-1]["content"]
    assert (tmp_path / "output" / result.run_id / "workspace" / "hello.py").exists()


@pytest.mark.parametrize("native_first", [True, False])
def test_a_chain_that_mixes_both_goes_on_in_the_middle_of_a_conversation(
    server: Scripted,
    made: Callable[..., Settings],
    tmp_path: Path,
    native_first: bool,
) -> None:
    def brain(request: dict[str, Any]) -> Reply:
        first, turn = request["model"] == "m0", len(request["messages"])
        if first and turn > 2:
            return "429"
        if turn > 2:
            return "done by the second"
        call = tool_call("write_file", **WRITE["arguments"])
        return call if request.get("tools") else json.dumps(WRITE)

    server.brain = brain
    config = made({"tools": native_first}, {"tools": not native_first})

    result = kickoff(request="Write hello.py", config=config)

    last = server.requests[-1]
    assert (last["model"], bool(last.get("tools"))) == ("m1", not native_first)
    assert result.raw == "done by the second"
    roles = [message["role"] for message in last["messages"]]
    assert ("tool" in roles) is not native_first
    assert "hello.py is written (" in str(last["messages"])
    assert (tmp_path / "output" / result.run_id / "workspace" / "hello.py").exists()
