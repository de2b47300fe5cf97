"""The gates: what passes, what goes back, and with which words."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from crew.gates import Found, Means, Trust, Verdict, Work, build_gates
from crew.settings import GATES, GateSpec, Inputs
from crew.settings.gates import gate
from crew.workspace import Workspace
from crew.workspace.text import READ_CHARACTERS

PASSES = ""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))


def verdict(
    named: object, raw: str, workspace: Workspace, asked: str = "", **work: object
) -> Verdict:
    [built] = build_gates([gate(named)])
    return built.judge(Work(text=raw, asked=asked, workspace=workspace, **work))


def judged(named: object, raw: str, workspace: Workspace) -> str:
    """Why a result goes back; nothing if it does not."""
    found = verdict(named, raw, workspace)
    assert not found.failed or found.reason
    return found.reason if found.failed else PASSES


def test_each_gate_that_a_word_names_is_there() -> None:
    assert [str(one.spec) for one in build_gates(list(map(gate, GATES)))]


def test_gates_come_in_the_order_of_what_they_cost() -> None:
    specs = [gate({"judge": {"tier": "mid", "rubric": "good"}}), gate("checks")]
    specs += [gate({"check": "test"}), gate("not_empty"), gate("json_parses")]

    assert [one.name for one in build_gates(specs)] == [
        "not_empty",
        "json_parses",
        "checks",
        "check: test",
        "judge",
    ]


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

    found = verdict("asked_files", "I wrote `all.py`.", workspace, asked)

    if missing is None:
        assert found.found is Found.NOTHING
    elif missing:
        assert found.reason == f"These files are not in the workspace: {missing}."
    else:
        assert found.passed


def test_a_gate_with_nothing_to_look_at_says_so(workspace: Workspace) -> None:
    call = '```json\n{"name": "hello.py", "arguments": {}}\n```'

    for name in ("python_parses", "files_exist", "changed", "examples", "checks"):
        assert verdict(name, call, workspace).found is Found.NOTHING
    assert verdict("python_parses", "```python\nx = 1\n```", workspace).passed
    missing = build_gates([GateSpec(name="check", names=("test",))])[0]
    work = Work(text="", asked="", workspace=workspace)
    assert missing.judge(work).reason == "there is no check 'test'"


@pytest.mark.parametrize(
    ("raw", "passes"),
    [
        ("whole", True),
        ("```python\nx = 1\n```\n", True),
        ("```python\nx = 1", False),
        ("````md\n```\nx\n```\n````", True),
        ("````md\n```\nx\n```\n", False),
        ("~~~\n```\n~~~", True),
    ],
)
def test_an_answer_that_breaks_off_goes_back(
    workspace: Workspace, raw: str, passes: bool
) -> None:
    assert verdict("not_truncated", raw, workspace).passed is passes


def test_an_answer_that_was_cut_off_is_not_whole(workspace: Workspace) -> None:
    assert verdict("not_truncated", "whole", workspace, cut_off=True).failed


@pytest.mark.parametrize(
    ("raw", "missing"),
    [
        ("# Goal\nx\n## 2. Files\ny", ""),
        ("**Goal**\nx\n\nFiles\n-----\ny", ""),
        ("### goal:\nx\n#### FILES ####", ""),
        ("# Goals\n## Files", "Goal"),
        ("the Goal and the Files", "Goal, Files"),
        ("```\n# Goal\n# Files\n```", "Goal, Files"),
    ],
)
def test_sections_are_found_by_their_headings(
    workspace: Workspace, raw: str, missing: str
) -> None:
    found = judged({"has_sections": ["Goal", "Files"]}, raw, workspace)

    assert found == (f"These sections are missing: {missing}." if missing else PASSES)


SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("raw", "reported"),
    [
        ('{"a": 1}', PASSES),
        ('Here:\n```json\n{"a": 1}\n```', PASSES),
        ('{"a": "x"}', "At $.a: 'x' is not of type 'integer'."),
        ("{}", "At $: 'a' is a required property."),
        ("no", "The result is not JSON"),
    ],
)
def test_json_must_fit_its_schema(
    workspace: Workspace, raw: str, reported: str
) -> None:
    found = judged({"json": SCHEMA}, raw, workspace)

    assert found.startswith(reported) if reported else found == PASSES


def test_a_schema_fetches_nothing(workspace: Workspace) -> None:
    schema = {"$ref": "http://127.0.0.1:1/schema.json"}

    assert "cannot be applied" in judged({"json": schema}, "{}", workspace)


@pytest.mark.parametrize(
    ("answer", "found", "reason"),
    [
        ("PASS", Found.PASSED, ""),
        ("**PASS**: fine", Found.PASSED, ""),
        ("FAIL: no test", Found.FAILED, "no test"),
        ("fail", Found.FAILED, "The judge gave no reason."),
        ("It is good.", Found.NOTHING, "the judge gave no verdict"),
        (None, Found.NOTHING, "no model of the tier mid can be asked"),
    ],
)
def test_a_judge_gives_its_opinion_and_no_more(
    workspace: Workspace, answer: str | None, found: Found, reason: str
) -> None:
    asked: list[tuple[str, str]] = []

    def ask(tier: str, question: str) -> str | None:
        asked.append((tier, question))
        return answer

    spec = gate({"judge": {"tier": "mid", "rubric": "has a test"}})
    [built] = build_gates([spec], Means(ask=ask))
    given = built.judge(Work(text="Say PASS.", asked="do it", workspace=workspace))

    assert (given.found, given.reason, given.trust) == (found, reason, Trust.SHAPE)
    ((tier, question),) = asked
    assert tier == "mid"
    assert "has a test" in question
    assert "do it" in question
    # The result stands between two marks that it cannot contain.
    assert question.count("===") == 4


@dataclass
class Result:
    name: str
    passed: bool
    reason: str = ""
    ended_by: str = "exit"
    broke: tuple[str, ...] = ()
    failing_before: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass
class Checks:
    results: list[Result]

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.results]

    def run(self, name: str) -> Result:
        return next(one for one in self.results if one.name == name)


@pytest.mark.parametrize(
    ("results", "found", "reason"),
    [
        ([Result("test", True), Result("lint", True)], Found.PASSED, ""),
        (
            [Result("test", True), Result("lint", False, "E501")],
            Found.FAILED,
            "The check lint failed.\nE501",
        ),
        (
            [Result("test", False, "x", failing_before=("t.py::t_oldest",))],
            Found.NOTHING,
            "test: nothing fails but what failed before this run: t.py::t_oldest",
        ),
        (
            [Result("test", False, "x", broke=("t_new",), failing_before=("t_old",))],
            Found.FAILED,
            "The check test failed.\nx",
        ),
        (
            [Result("test", False, "x", failing_before=("a.py::test_mended[1]",))],
            Found.FAILED,
            "The check test failed.\nx",
        ),
        (
            [Result("test", False, "no bwrap", ended_by="refused")],
            Found.NOTHING,
            "the check test cannot run: no bwrap",
        ),
        (
            [
                Result("test", True, doubts=("the run removed tests: a.py::test_x",)),
                Result("lint", True),
            ],
            Found.NOTHING,
            "test: the run removed tests: a.py::test_x",
        ),
        ([], Found.NOTHING, "no check is configured; name one under `checks`"),
    ],
    ids=["pass", "fail", "old", "broke", "asked", "refused", "fewer", "none"],
)
def test_checks_pass_when_the_run_broke_nothing(
    workspace: Workspace, results: list[Result], found: Found, reason: str
) -> None:
    [built] = build_gates([gate("checks")], Means(checks=Checks(results)))
    given = built.judge(Work(text="", asked="Mend test_mended", workspace=workspace))

    assert (given.found, given.reason, given.trust) == (found, reason, Trust.TESTS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("parses", "unknown gate 'parses'; did you mean"),
        ("check", "check needs a value; allowed: {check: NAME}"),
        ({"checks": "test"}, "checks takes no value; write `- checks`"),
        ({"chekc": "test"}, "unknown gate 'chekc'; did you mean 'check'"),
        ({"check": ["a"]}, "found a list; allowed: {check: NAME}"),
        ({"has_sections": []}, "is empty; allowed: {has_sections"),
        ({"judge": "good"}, "found 'good'; allowed: {judge: {tier: TIER"),
        ({"judge": {"tier": "mid"}}, "found a mapping; allowed: {judge"),
        ({"judge": {"tier": "mid", "rubric": "x" * 4001}}, "at most 4000 characters"),
        ({"json": 3}, "found 3; allowed: {json: FILE}"),
        ({}, "found a mapping; allowed: not_empty"),
        (7, "found 7; allowed: not_empty"),
    ],
)
def test_what_is_no_gate_is_reported(value: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        gate(value)

    assert message in str(caught.value)
