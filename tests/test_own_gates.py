"""Gates of one's own, by dotted path in tasks.yaml."""

from pathlib import Path

import pytest

from crew import kickoff, load_settings
from crew.errors import SettingsError, TaskFailed
from scripted import Scripted
from test_own_tools import put, with_keys

GATES = """\
from pathlib import Path

def no_todo(result, workspace):
    if "TODO" in result:
        return "There is a TODO."

def theirs(output):
    if "TODO" in output.raw:
        return False, "TODO is left"
    return True, output

def has_file(result: str, workspace) -> str | None:
    return None if "note.md" in workspace.files(".") else "note.md is missing."

def broken(result, workspace):
    return 1 / 0

def odd(result, workspace):
    return True

def changing(output):
    return True, "another text"

def three(a, b, c):
    pass

async def later(result, workspace):
    pass

class Gate:
    pass

number = 5
"""


@pytest.fixture
def mine(config: Path, server: Scripted) -> Path:
    put(config, "my_gates.py", GATES)
    return config


@pytest.mark.parametrize("gate", ["my_gates.no_todo", "my_gates.theirs"])
def test_a_gate_of_ones_own_sends_a_result_back(
    mine: Path, server: Scripted, gate: str
) -> None:
    with_keys(mine, "tasks", "code", f"gates: [not_empty, {gate}]")
    server.replies["smith"] = ["TODO", "done"]

    outcome = kickoff(request="x", config=mine)

    assert outcome.status == "done"
    assert outcome.document["tasks"][1]["result"] == "done"
    assert "TODO" in str(server.requests[2]["messages"][-1])


def test_a_gate_sees_the_workspace(mine: Path, server: Scripted) -> None:
    keys = "gates: [my_gates.has_file], guardrail_max_retries: 0"
    with_keys(mine, "tasks", "code", keys)

    with pytest.raises(TaskFailed, match=r"my_gates.has_file: note.md is missing"):
        kickoff(request="x", config=mine)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (
            "broken",
            r"the gate my_gates.broken failed: ZeroDivisionError: .*my_gates.py:16\)",
        ),
        ("odd", "the gate my_gates.odd returned bool, expected a text"),
        ("changing", "my_gates.changing returned another result; a gate judges"),
    ],
)
def test_a_gate_that_does_not_work_is_no_fault_of_the_model(
    mine: Path, server: Scripted, gate: str, message: str
) -> None:
    with_keys(mine, "tasks", "code", f"gates: [my_gates.{gate}]")

    with pytest.raises(TaskFailed, match=message):
        kickoff(request="x", config=mine)

    assert server.hits("smith") == 1


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("my_gates.three", "takes 3 arguments, expected (result, workspace)"),
        ("my_gates.later", "is asynchronous"),
        ("my_gates.Gate", "is a class, expected a function"),
        ("my_gates.no_tod", "did you mean 'no_todo'?"),
        ("not_emty", "did you mean 'not_empty'?"),
        ("my.gates.x", "does not exist"),
    ],
)
def test_a_gate_that_cannot_be_is_found_when_the_yaml_is_read(
    mine: Path, gate: str, message: str
) -> None:
    with_keys(mine, "tasks", "code", f"gates: [not_empty, {gate}]")

    with pytest.raises(SettingsError) as caught:
        load_settings(mine)

    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.key) == (3, "code.gates[1]")
    assert message in mistake.message


def test_a_gate_that_is_no_function_stops_the_crew_before_it_begins(
    mine: Path, server: Scripted
) -> None:
    with_keys(mine, "tasks", "code", "gates: [my_gates.number]")

    with pytest.raises(SettingsError, match=r"tasks.yaml:3: code.gates\[0\]: .*number"):
        kickoff(request="x", config=mine)

    assert server.requests == []
