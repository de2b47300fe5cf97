"""Calls that a model wrote and nobody can read: it hears why, some times."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.calls.unread_calls import unread
from crew.calls.written_calls import written_calls
from crew.errors import RunFailed, TaskFailed
from crew.settings import Settings, TaskSpec
from scripted import Scripted

ENTRY = {
    "type": "object",
    "properties": {"search": {"type": "string"}, "replace": {"type": "string"}},
    "required": ["search", "replace"],
    "additionalProperties": False,
}
EDIT = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "A file."},
        "edits": {"type": "array", "items": ENTRY},
    },
    "required": ["path", "edits"],
    "additionalProperties": False,
}
CHECKS = {
    "type": "object",
    "properties": {"names": {"type": "array", "items": {"type": "string"}}},
    "required": ["names"],
}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "edit_file", "parameters": EDIT}},
    {"type": "function", "function": {"name": "run_checks", "parameters": CHECKS}},
]
CHANGE = {"search": "a", "replace": "b"}


def edit(**arguments: object) -> str:
    return json.dumps({"name": "edit_file", "arguments": arguments})


@pytest.mark.parametrize(
    "text",
    [
        edit(path="a.py", edits=CHANGE),
        edit(path="a.py", edits=json.dumps([CHANGE])),
        edit(path="a.py", edits=json.dumps(CHANGE)),
        edit(path="a.py", **CHANGE),
    ],
    ids=["an object", "a list in a text", "an object in a text", "flat"],
)
def test_a_list_of_one_may_be_written_otherwise(text: str) -> None:
    (call,) = written_calls(text, TOOLS)

    assert json.loads(call.arguments) == {"path": "a.py", "edits": [CHANGE]}


def test_a_docstring_that_was_not_escaped_is_read() -> None:
    text = (
        '{"name": "edit_file", "arguments": {"path": "a.py", "search": "pass", '
        '"replace": "def a():\\n    """Do.\\n    """\\n    return 1"}}'
    )

    (call,) = written_calls(text, TOOLS)

    (entry,) = json.loads(call.arguments)["edits"]
    assert entry["replace"] == 'def a():\n    """Do.\n    """\n    return 1'


DOCUMENTED = (
    '{"name": "edit_file", "arguments": {"path": "a.py", "search": "pass", '
    '"replace": "def a():\\n    """Do."""\\n    return 1"}}'
)


def test_several_calls_with_such_a_docstring_are_read() -> None:
    checks = '{"name": "run_checks", "arguments": {"names": ["test"]}}'

    found = written_calls(f"{checks}\n{DOCUMENTED}\n{checks}", TOOLS)

    assert [call.name for call in found] == ["run_checks", "edit_file", "run_checks"]
    assert '"""Do."""' in json.loads(found[1].arguments)["edits"][0]["replace"]


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```"])
def test_the_calls_before_one_that_cannot_be_read_are_made(form: str) -> None:
    broken = '{"name": "run_checks", "arguments": {"names": ["te"st"]}}'
    text = form.replace("{}", f"{edit(path='a.py', **CHANGE)}\n{broken}")

    found = written_calls(text, TOOLS, asked=True)

    assert [call.name for call in found] == ["edit_file"]
    assert written_calls(text, TOOLS) == ()


FILE = 'def a():\n    """Do "it"."""\n    return "\\n"\n'
HEAD = '{"name": "write_file", "arguments": {"path": "a.py"}}'
WRITER = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path", "content"],
}
WRITERS = [
    {"type": "function", "function": {"name": "write_file", "parameters": WRITER}}
]


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{HEAD}\n</tool_call>\n```python\n{FILE}```",
        f"{HEAD}\n```python\n{FILE}```",
        f"```json\n{HEAD}\n```\n```python\n{FILE}```\n",
        f"<tool_call>\n{HEAD}\n```\n{FILE}```\n</tool_call>",
        f"I write it.\n<tool_call>{HEAD}</tool_call>\n```\n{FILE}```",
    ],
)
def test_the_content_of_a_file_may_stand_behind_the_call(text: str) -> None:
    (call,) = written_calls(text, WRITERS, asked=True)

    assert json.loads(call.arguments) == {"path": "a.py", "content": FILE}
    assert written_calls(text, WRITERS) == ()


def test_a_file_with_code_blocks_of_its_own_stands_behind_the_call_too() -> None:
    own = "# Use\n\n```\na()\n```\n"

    (call,) = written_calls(f"{HEAD}\n```markdown\n{own}```", WRITERS, asked=True)

    assert json.loads(call.arguments)["content"] == own


def test_a_block_behind_a_call_that_takes_no_content_is_not_its_content() -> None:
    text = f"{edit(path='a.py', edits=[CHANGE])}\n```python\n{FILE}```"

    assert written_calls(text, TOOLS, asked=True) == ()


UNREAD = {
    edit(**CHANGE): "it needs 'path'; its arguments are 'path', 'edits'",
    f"```json\n{edit(**CHANGE)}\n```": "it needs 'path'",
    f"<tool_call>\n{edit(**CHANGE)}\n</tool_call>": "it needs 'path'",
    f"I change it.\n```json\n{edit(**CHANGE)}\n```": "it needs 'path'",
    edit(path="a", edits=[], depth=1): "it has no 'depth'",
    edit(path=1, edits=[]): '\'path\' must be {"type": "string"}',
    '{"name": "edit_file", "arguments": ["a"]}': "no JSON object",
    '{"name": "edit_file", "arguments": {"path": "say "it""}}': "not JSON",
    '{"name": "edit_file", "arguments": {"path": "a", "ed': "not JSON",
    f"{edit(path='a', edits=[])} and\n{edit(path='b', edits=[])}": "one call",
    '{"name": "edit_file", "arguments": ' + '{"a":' * 10_000: "too deep",
}


@pytest.mark.parametrize(("text", "why"), UNREAD.items(), ids=range(len(UNREAD)))
def test_a_model_hears_what_is_wrong_with_its_call(text: str, why: str) -> None:
    assert written_calls(text, TOOLS, asked=True) == ()

    heard = unread(text, TOOLS)

    assert heard.startswith("Error: this call of edit_file was not made: ")
    assert why in heard
    assert len(heard) < 400


@pytest.mark.parametrize(
    "text",
    [
        "I changed a.py.",
        '{"name": "shop", "version": "1.0"}',
        '{"name": "edit_file"}',
        f"I called {edit(**CHANGE)} and it worked.",
        "edit_file",
        "",
    ],
)
def test_what_is_not_meant_as_a_call_is_an_answer(text: str) -> None:
    assert unread(text, TOOLS) == ""


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "<tool_call>{}"])
def test_a_model_hears_that_a_tool_does_not_exist(form: str) -> None:
    text = form.replace("{}", '{"name": "replace_file", "arguments": {"path": "a"')

    heard = unread(text, TOOLS)

    assert heard == (
        "Error: there is no tool 'replace_file'; the tools are edit_file, run_checks."
    )


def test_a_model_hears_which_tool_its_arguments_fit() -> None:
    text = edit(path="a.py", edits=[CHANGE]).replace("edit_file", "change_a.py")

    assert unread(text, TOOLS).endswith("these arguments are those of edit_file.")


def test_without_tools_nothing_is_meant_as_a_call() -> None:
    assert unread(edit(**CHANGE), []) == ""


WRITE = {"path": "hello.py", "content": "print('hello')\n"}
RIGHT = json.dumps({"name": "write_file", "arguments": WRITE})
WRONG = json.dumps({"name": "write_file", "arguments": {"content": "print()"}})


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(**more: Any) -> Settings:
        one = deployment("m0", provider("p0", base_url=server.url), tools=False)
        task = TaskSpec(
            name="code",
            description="{request}",
            expected_output="a",
            agent="coder",
            options={"guardrail_max_retries": 0},
        )
        return settings(
            [one],
            tmp_path,
            roles=[role(tools=("read_file", "write_file"))],
            tasks=[task],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
            **more,
        )

    return make


def test_the_reason_goes_back_at_once_and_the_work_goes_on(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["m0"] = [WRONG, RIGHT, "It is written."]

    result = kickoff(request="Write hello.py", config=made())

    written = tmp_path / "output" / result.run_id / "workspace" / "hello.py"
    assert written.read_text() == WRITE["content"]
    heard = server.requests[1]["messages"][-1]["content"]
    assert "this call of write_file was not made: it needs 'path'" in heard
    # What went wrong is not what the model sees of its work afterwards.
    assert "was not made" not in json.dumps(server.requests[2]["messages"])
    assert result.report.calls == 3


def test_a_model_that_never_writes_it_right_comes_to_an_end(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    wrong = [json.dumps({"name": "write_file", "arguments": {n: ""}}) for n in "abcd"]
    server.replies["m0"] = [*wrong]

    with pytest.raises(TaskFailed, match="No file was changed"):
        kickoff(request="Write hello.py", config=made())

    assert len(server.requests) == 3


def test_a_model_that_repeats_its_call_word_for_word_is_not_told_again(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["m0"] = [WRONG]

    with pytest.raises(TaskFailed, match="No file was changed"):
        kickoff(request="Write hello.py", config=made())

    assert len(server.requests) == 2


def test_each_of_those_calls_counts_for_the_run(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["m0"] = [WRONG]

    with pytest.raises(RunFailed, match="1 model calls"):
        kickoff(request="Write hello.py", config=made(max_calls=1))

    assert len(server.requests) == 1
