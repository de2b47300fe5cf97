"""`repo_map`: files and definitions, the most used first, within a budget."""

from pathlib import Path

import pytest

from crew.errors import WorkspaceError
from crew.settings import Inputs
from crew.workspace import Workspace, mapping, outlining
from crew.workspace.mapping import map_of
from crew.workspace.outline import outlines


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))


SOURCES = {
    "a.py": "import os\n\n@wrapped\nclass A(B):\n    def m(self, x: int) -> str:\n"
    "        def inner(): ...\n\nasync def f(): ...\n",
    "a.js": "export default class A { m(x) {} }\nconst f = async () => 1;\n",
    "a.ts": "export interface I { a: string }\nexport abstract class Q<T> {\n"
    "  abstract z(): void;\n}\nexport type T = string;\nnamespace N {\n"
    "  function h() {}\n}\n",
    "a.tsx": "export const App = () => <p/>;\n",
    "a.go": "package a\ntype T struct {\n\tA int\n}\nfunc (t *T) M(a int) error {\n"
    "\treturn nil\n}\ntype I interface {\n\tX()\n}\n",
    "a.rs": "pub struct S;\nimpl S {\n    pub fn f(&self) -> u8 { 0 }\n}\ntrait T {\n"
    "    fn g(&self);\n}\nmod m {\n    fn h() {}\n}\n",
    "A.java": "@Ok\npublic class A {\n  @Override\n"
    "  public int f(int a) { return 1; }\n"
    "  A() {}\n}\nrecord R(int a) {}\n",
    "a.c": "#ifdef X\nstruct s { int a; };\n#endif\nstatic int *f(int a)\n{\n}\n",
}
DEFINED = {
    "a.py": [(4, 0, "A"), (5, 1, "m"), (8, 0, "f")],
    "a.js": [(1, 0, "A"), (1, 1, "m"), (2, 0, "f")],
    "a.ts": [(1, 0, "I"), (2, 0, "Q"), (3, 1, "z"), (5, 0, "T"), (6, 0, "N"),
             (7, 1, "h")],
    "a.tsx": [(1, 0, "App")],
    "a.go": [(2, 0, "T"), (5, 0, "M"), (8, 0, "I"), (9, 1, "X")],
    "a.rs": [(1, 0, "S"), (2, 0, "S"), (3, 1, "f"), (5, 0, "T"), (6, 1, "g"),
             (8, 0, "m"), (9, 1, "h")],
    "A.java": [(2, 0, "A"), (4, 1, "f"), (5, 1, "A"), (7, 0, "R")],
    "a.c": [(2, 0, "s"), (4, 0, "f")],
}  # fmt: skip


def test_each_language_has_its_definitions() -> None:
    found = outlines(SOURCES, {})

    assert {
        name: [(one.line, one.depth, one.name) for one in outline]
        for name, outline in found.items()
    } == DEFINED
    assert found["a.py"][1].text == "def m(self, x: int) -> str:"
    assert found["A.java"][1].text == "public int f(int a) { return 1; }"


def test_the_most_used_definition_comes_first_and_tests_last(
    workspace: Workspace,
) -> None:
    workspace.write("src/core.py", "class Core:\n    pass\n\n\ndef spare(): ...\n")
    workspace.write("src/alone.py", "def alone(): ...\n")
    for name in ("one", "two"):
        workspace.write(f"src/{name}.py", f"from core import Core\nX = '{name}'\n")
    workspace.write("tests/test_core.py", "def test_core(): ...\n")
    workspace.write("README.md", "# Core\n")

    drawn = map_of(workspace, ".", 500)

    assert drawn == (
        "src/core.py\n1: class Core:\n5: def spare(): ...\n\n"
        "src/alone.py\n1: def alone(): ...\n\n"
        "tests/test_core.py\n1: def test_core(): ...\n\n"
        "./: README.md\nsrc/: one.py two.py\n"
    )


@pytest.mark.parametrize("tokens", [100, 300, 2_000])
def test_a_map_fits_its_budget(workspace: Workspace, tokens: int) -> None:
    for number in range(60):
        text = "".join(f"def work_{number}_{one}(): ...\n" for one in range(10))
        workspace.write(f"pkg{number % 7}/mod{number}.py", text)

    drawn = map_of(workspace, ".", tokens)

    assert tokens * 2 < len(drawn) <= tokens * 4 + 60


def test_no_secret_and_nothing_that_git_ignores_is_in_a_map(
    workspace: Workspace,
) -> None:
    (workspace.root / ".gitignore").write_text("built/\n")
    (workspace.root / "built").mkdir()
    (workspace.root / "built" / "a.py").write_text("def built(): ...\n")
    (workspace.root / "key.py").write_text("-----BEGIN PRIVATE KEY-----\n")
    (workspace.root / ".env").write_text("A=1\n")
    (workspace.root / "b.py").write_text("def b(): ...\n")

    drawn = map_of(workspace, ".", 500)

    assert "def b()" in drawn
    assert "built" not in drawn
    assert ".env" not in drawn
    assert "PRIVATE" not in drawn
    with pytest.raises(WorkspaceError):
        map_of(workspace, "../", 500)


HOSTILE = {
    "deep.py": "(" * 100_000,
    "nested.py": "".join(f"{' ' * n}class A{n}:\n" for n in range(400)),
    "many.py": "def f(): ...\n" * 15_000,
    "odd.c": "#define " * 20_000 + "{" * 20_000,
    "text.js": "\udcff\x00`${" * 20_000,
    "empty.py": "",
}


def test_a_hostile_source_neither_ends_nor_delays_the_map() -> None:
    found = outlines({**HOSTILE, "good.py": "def good(): ...\n"}, {})

    assert [one.name for one in found["good.py"]] == ["good"]
    assert len(found["many.py"]) == 1_000
    assert max(one.depth for one in found["nested.py"]) <= 3


def test_one_source_that_ends_the_parser_costs_only_its_own_outline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "outlining.py"
    source = Path(outlining.__file__).read_text()
    crash = "    if 'crash' in wanted['text']:\n        os.abort()\n"
    at = "    grammar = import_module("
    script.write_text("import os\n" + source.replace(at, crash + at, 1))
    monkeypatch.setattr("crew.workspace.outline._SCRIPT", script)

    found = outlines({f"{n}.py": f"def f{n}(): ..." for n in "abc"}, {})
    broken = outlines({"a.py": "def f(): ...", "b.py": "crash"}, {})

    assert [one.name for outline in found.values() for one in outline] == [
        "fa",
        "fb",
        "fc",
    ]
    assert [one.name for one in broken["a.py"]] == ["f"]
    assert broken["b.py"] == ()


def test_what_is_too_much_to_read_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "READ_FILES", 1)
    workspace.write("a.py", "def a(): ...\n")
    workspace.write("b.py", "def b(): ...\n")

    assert map_of(workspace, ".", 500).endswith("; name a directory\n")
