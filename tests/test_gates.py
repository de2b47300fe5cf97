"""The gates: what passes, what goes back, and with which words."""

import warnings
from pathlib import Path

import pytest
from crewai.tasks.task_output import TaskOutput

from crew.gates import GATE_NAMES, Nothing, build_gates, judge
from crew.settings import GATES, Inputs
from crew.workspace import Workspace
from crew.workspace.text import READ_CHARACTERS

PASSES = ""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))


def judged(name: str, raw: str, workspace: Workspace) -> str:
    """Why a result goes back; nothing if it passes as it is."""
    [gate] = build_gates([name], workspace)
    passed, value = gate(TaskOutput(description="d", agent="a", raw=raw))
    if passed:
        assert value == raw
        return PASSES
    assert value
    return str(value)


def test_the_settings_know_the_same_gates() -> None:
    assert GATE_NAMES == GATES


def test_gates_come_in_the_order_of_their_names(workspace: Workspace) -> None:
    gates = build_gates(["not_empty", "json_parses"], workspace)

    reported = [
        gate(TaskOutput(description="d", agent="a", raw=""))[1] for gate in gates
    ]
    assert reported[0] == "The result is empty."
    assert reported[1].startswith("The result is not JSON")


@pytest.mark.parametrize(
    ("raw", "passes"),
    [("", False), (" \n\t", False), ("x", True), ("0", True)],
)
def test_an_empty_result_goes_back(
    workspace: Workspace, raw: str, passes: bool
) -> None:
    assert (judged("not_empty", raw, workspace) == PASSES) is passes


PYTHON = [
    ("no code at all", PASSES),
    ("```python\nx = 1\n```", PASSES),
    ("```py\nx = 1\n```\ntext\n```PYTHON title=a.py\ny = 2\n```", PASSES),
    ("```\nnot python\n```", PASSES),
    ("```js\nlet x = 1;\n```", PASSES),
    ("```python\n\ufeffx = 1\n```", PASSES),
    ("```python\nx = = 1\n```", "code block 1 of the result, line 1"),
    (
        "```js\n1\n```\n```python\nok = 1\nx = (\n```",
        "code block 2 of the result, line",
    ),
    ("```python\ndef f(:\n", "code block 1 of the result, line 1"),
    ("```python\nx = '\0'\n```", "code block 1 of the result"),
    ("```python\nx = '\ud800'\n```", "code block 1 of the result"),
    ("```python\n" + "(" * 100_000 + "\n```", "code block 1 of the result"),
    ("```python\n" + "-" * 100_000 + "1\n```", "nested too deeply"),
    ("```python\nf" + "()" * 100_000 + "\n```", "nested too deeply"),
    ("```python\n" + "lambda:" * 20_000 + "1\n```", "nested too deeply"),
    ("```python\n" + "1" * 10_000 + "\n```", "code block 1 of the result"),
]


@pytest.mark.parametrize(("raw", "reported"), PYTHON, ids=range(len(PYTHON)))
def test_python_in_the_result_must_parse(
    workspace: Workspace, raw: str, reported: str
) -> None:
    found = judged("python_parses", raw, workspace)

    assert reported in found if reported else found == PASSES
    assert len(found) < 500


@pytest.mark.parametrize(
    ("name", "content", "reported"),
    [
        ("a.py", "x = 1\n", PASSES),
        ("a.txt", "x = = 1\n", PASSES),
        ("bom.py", "\ufeffx = 1\n", PASSES),
        ("long.py", "x = '''\n" + "y\n" * READ_CHARACTERS + "'''\n", PASSES),
        ("latin.py", "# coding: latin-1\nx = 'ä'\n", PASSES),
        ("src/a.py", "x = 1\nx = = 1\n", "src/a.py, line 2: this is not Python"),
        ("deep.py", "-" * 100_000 + "1", "deep.py: this is nested too deeply"),
    ],
)
def test_python_files_that_were_changed_must_parse(
    workspace: Workspace, name: str, content: str, reported: str
) -> None:
    (workspace.root / "before.py").write_text("was never = right", encoding="utf-8")
    workspace.write(name, content)

    found = judged("python_parses", "done", workspace)

    assert reported in found if reported else found == PASSES


def test_a_changed_file_that_is_gone_again_is_passed_over(workspace: Workspace) -> None:
    workspace.write("a.py", "x = = 1\n")
    (workspace.root / "a.py").unlink()

    assert judged("python_parses", "done", workspace) == PASSES


def test_odd_escapes_are_not_told_on_the_terminal(workspace: Workspace) -> None:
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        found = judged("python_parses", "```python\nx = '\\d'\n```", workspace)

    assert found == PASSES
    assert reported == []


JSON = [
    ('{"a": [1, 2.5, null]}', PASSES),
    (' "text" ', PASSES),
    ('Here:\n```json\n{"a": 1}\n```\nand\n```json\n[]\n```', PASSES),
    ("", "not JSON"),
    ("Here it is: {}", "not JSON"),
    ("{'a': 1}", "not JSON"),
    ('```json\n{"a": 1}\n```\n```json\n{"a": 1,}\n```', "not JSON"),
    ('```json\n{"a": 1', "not JSON"),
    ("NaN", "not JSON"),
    ('{"a": -Infinity}', "not JSON"),
    ("[" * 200_000, "not JSON"),
    ('{"a":' * 200_000, "not JSON"),
    ("1" * 10_000, "not JSON"),
]


@pytest.mark.parametrize(("raw", "reported"), JSON, ids=range(len(JSON)))
def test_json_must_parse(workspace: Workspace, raw: str, reported: str) -> None:
    found = judged("json_parses", raw, workspace)

    assert reported in found if reported else found == PASSES
    assert len(found) < 500


@pytest.mark.parametrize(
    ("raw", "reported"),
    [
        ("It is in `src/a.py` and `README.md`.", PASSES),
        ("It is in `src/a.py` and `docs/gone.md`.", "docs/gone.md"),
        ("```\n`none.py`\n```\nSee `src/a.py`.", PASSES),
        ("Call `orders.list()` with `x = 1`, or `os.path`.", PASSES),
        ("See `gone.md`.", "gone.md"),
        ("See `../../etc/passwd.txt`.", "not in the workspace"),
        ("no path at all", PASSES),
    ],
)
def test_files_that_a_result_names_must_exist(
    workspace: Workspace, raw: str, reported: str
) -> None:
    workspace.write("src/a.py", "x = 1\n")
    workspace.write("README.md", "# A\n")

    found = judged("files_exist", raw, workspace)

    assert reported in found if reported else found == PASSES


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ("Write test_a.py with a test for src/a.py.", "test_a.py"),
        ("Move README.md to docs/README.md", "docs/README.md"),
        ("Fix src/a.py, then README.md.", PASSES),
        ("Port it to Node.js, see https://example.com/b.html.", None),
        ("Fix `a.b` and a.py.bak", None),
    ],
)
def test_files_that_a_task_asks_for_must_exist(
    workspace: Workspace, asked: str, missing: str | None
) -> None:
    workspace.write("src/a.py", "x = 1\n")
    workspace.write("README.md", "# A\n")

    verdict = judge("asked_files", "I wrote `all.py`.", workspace, asked=asked)

    if missing is None:
        assert isinstance(verdict, Nothing)
    elif missing:
        assert verdict == f"These files are not in the workspace: {missing}."
    else:
        assert verdict is None


def test_a_gate_with_nothing_to_look_at_says_so(workspace: Workspace) -> None:
    call = '```json\n{"name": "hello.py", "arguments": {}}\n```'

    for name in ("python_parses", "files_exist"):
        assert isinstance(judge(name, call, workspace), Nothing)
    assert judge("python_parses", "```python\nx = 1\n```", workspace) is None
