"""Files that a model writes as text: what counts as one, and what it becomes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.calls.tool_signatures import signature
from crew.calls.whole_files import NamedFile, WholeFile, whole_files, written
from crew.errors import TaskFailed
from crew.settings import Settings, TaskSpec
from scripted import Scripted, tool_call

STUB = NamedFile(path="a.py", content="def f(x):\n    raise NotImplementedError\n")
CODE = "def f(x):\n    return x"


@pytest.mark.parametrize(
    "text",
    [
        f"a.py\n```python\n{CODE}\n```",
        f"### `a.py`:\n\n```\n{CODE}\n```\nThat is all.",
        f"1. **a.py**\n```py\n{CODE}\n```",
        f"File: a.py\n```python\n{CODE}\n```",
        f"```python a.py\n{CODE}\n```",
        f'```python title="a.py"\n{CODE}\n```',
        f"```python\n# a.py\n{CODE}\n```",
        # It copied the line before the fence into the fence, and began again.
        f"```python\na.py is now:\n```python\n\n{CODE}\n```",
        # It stopped at the closing fence.
        f"Here it is:\n\na.py\n```python\n{CODE}",
        # No path, but one file is asked for, and one block is code that it has.
        f"Sure!\n```python\n{CODE}\n```\nIt works.",
        f"```\n{CODE}\n```",
        f"a.py\n````python\n{CODE}\n````\n```bash\npython a.py\n```",
    ],
)
def test_a_path_with_a_code_block_is_a_file(text: str) -> None:
    assert whole_files(text, [STUB]) == (WholeFile(path="a.py", content=f"{CODE}\n"),)


@pytest.mark.parametrize(
    "text",
    [
        "I changed `a.py`. Use it:\n```python\nprint(f(1))\n```",
        "The tests say:\n```\n1 passed\n```",
        "Run it:\n```bash\nrm -rf a.py\n```",
        f"In `a.py`, line 3:\n```python\nreturn x\n```\nor\n```python\n{CODE}\n```",
        f"a.py\n```python\nimport os\n# ... the rest stays\n{CODE}\n```",
        "a.py\n```python\n```",
        "a.py is done.",
        "```python\na.py\n```",
        "a.py\n```python\na.py\n```",
        f"and/or\n```js\n{CODE}\n```",
    ],
)
def test_a_text_that_may_as_well_quote_code_is_no_file(text: str) -> None:
    assert whole_files(text, [STUB]) == ()


def test_of_two_named_files_it_is_the_one_whose_names_the_block_defines() -> None:
    test = NamedFile(path="tests/test_a.py", content="def test_f():\n    assert f(1)\n")
    new = "def test_f():\n    assert f(2)"

    (one,) = whole_files(f"```python\n{CODE}\n```", [STUB, test])
    (other,) = whole_files(f"```python\n{new}\n```", [STUB, test])

    assert (one.path, other.path) == ("a.py", "tests/test_a.py")


def test_an_unnamed_block_is_no_test_and_no_file_that_was_not_shown() -> None:
    test = NamedFile(path="tests/test_b.py", is_test=True)
    long = NamedFile(path="b.py", is_hidden=True)

    assert whole_files(f"```python\n{CODE}\n```", [test]) == ()
    assert whole_files(f"```python\n{CODE}\n```", [long]) == ()


def test_a_document_with_code_blocks_of_its_own_is_read_whole() -> None:
    text = "# Title\n\n```bash\nls\n```\n\nThe end.\n"

    shown = written("README.md", text)

    assert whole_files(shown, []) == (WholeFile(path="README.md", content=text),)
    inner = f"README.md\n```markdown\n{text}```"
    assert whole_files(inner, []) == (WholeFile(path="README.md", content=text),)


def test_a_tool_is_described_in_few_words() -> None:
    found = signature(
        {
            "name": "edit",
            "description": "Change a file.",
            "parameters": {
                "properties": {
                    "path": {"type": "string", "description": "A file."},
                    "edits": {"type": "array", "items": {"$ref": "#/$defs/Edit"}},
                    "most": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "how": {"enum": ["all", "one"], "default": "all"},
                },
                "required": ["path", "edits", "how"],
                "$defs": {
                    "Edit": {"type": "object", "properties": {"to": {"type": "string"}}}
                },
            },
        }
    )

    assert found == (
        "edit(path: string, edits: {to: string}[], most?: integer | null, "
        'how: "all" | "one" = "all"): Change a file.\n  path: A file.'
    )


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(*, native: bool = False, tools: Any = ("write_file",)) -> Settings:
        task = TaskSpec(
            name="code", description="{request}", expected_output="a", agent="coder"
        )
        one = provider("p0", base_url=server.url)
        return settings(
            [deployment("m0", one, tools=native)],
            tmp_path,
            roles=[role(tools=tools)],
            tasks=[task],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
        )

    return make


def test_one_answer_with_the_file_that_was_asked_for_does_the_task(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["m0"] = [f"Sure!\n```python\n{CODE}\n```"]

    result = kickoff(request="Write the function f in a.py", config=made())

    written = tmp_path / "output" / result.run_id / "workspace" / "a.py"
    assert written.read_text() == f"{CODE}\n"
    assert "a.py is written (" in result.raw
    (request,) = server.requests
    assert "Write the new file now: answer with a.py" in str(request["messages"])
    assert "tool_call" not in str(request["messages"])


def test_a_model_that_repeats_its_file_has_come_to_its_end(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    answer = f"one.py\n```python\n{CODE}\n```"
    server.replies["m0"] = [answer]

    result = kickoff(request="Write something", config=made())

    assert result.raw == answer
    _, second = server.requests
    # What it wrote stands in the conversation in the form that it wrote it.
    assert answer in second["messages"][2]["content"]
    assert "one.py is written (" in second["messages"][-1]["content"]


def test_a_file_that_leads_out_is_refused_by_the_tool(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies["m0"] = ["../evil.py\n```python\nx = 1\n```", "I cannot."]

    with pytest.raises(TaskFailed, match="No file was changed"):
        kickoff(request="Write something", config=made())

    assert not list(tmp_path.rglob("evil.py"))
    assert "Error: " in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize("native", [True, False])
def test_a_text_writes_nothing_for_native_tools_or_without_the_tool(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path, native: bool
) -> None:
    tools = ("write_file",) if native else ("read_file",)
    server.replies["m0"] = [f"a.py\n```python\n{CODE}\n```"]

    try:
        kickoff(request="Write a.py", config=made(native=native, tools=tools))
    except TaskFailed:
        assert native

    assert not list(tmp_path.rglob("a.py"))


def test_the_made_up_argument_of_a_native_model_breaks_nothing(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    call = tool_call("write_file", path="a.py", content="x", whole="7")
    server.replies["m0"] = [call, tool_call("write_file", path="a.py", content="y")]
    server.replies["m0"].append("Done.")

    assert kickoff(request="Write a.py", config=made(native=True)).raw == "Done."
