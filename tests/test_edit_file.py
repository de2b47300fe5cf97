"""`edit_file`: an edit fits one place or changes nothing; all else stays as it is."""

import stat
import subprocess
from pathlib import Path

import pytest
from crewai.llms.base_llm import BaseLLM
from crewai.tools import BaseTool
from hypothesis import given
from hypothesis import strategies as st

from crew.errors import WorkspaceError
from crew.settings import Inputs
from crew.tools import build_tools
from crew.workspace import Workspace
from crew.workspace.edits import Edit, apply


class Silent(BaseLLM):
    def call(self, messages: object, *args: object, **kwargs: object) -> str:
        return ""


NAMES = ("read_file", "edit_file", "write_file")


def tools_on(workspace: Workspace, *names: str) -> dict[str, BaseTool]:
    built = build_tools(names or NAMES, workspace, Silent(model="m"))
    return {tool.name: tool for tool in built}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace with one git repository."""
    source = tmp_path / "shop"
    source.mkdir()
    (source / "a.py").write_text("x = 1\n")
    (source / "empty.py").touch()
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "start"],
    ):
        subprocess.run(["git", *command], cwd=source, check=True)
    inputs = Inputs(request="work", repositories=(str(source),))
    return Workspace.prepare(tmp_path / "run", "r1", inputs)


def edited(text: str, *pairs: tuple[str, str]) -> str:
    return apply(text, [Edit(search=one, replace=two) for one, two in pairs]).text


def refusal(text: str, *pairs: tuple[str, str]) -> str:
    with pytest.raises(WorkspaceError) as raised:
        edited(text, *pairs)
    return str(raised.value)


CODE = "def f():\n    if a:\n        return 1\n    return 2\n"


@pytest.mark.parametrize(
    ("text", "search", "replace", "result"),
    [
        ("a\nb\nc\n", "b", "B", "a\nB\nc\n"),
        ("a\nb\nc\n", "b\n", "B\n", "a\nB\nc\n"),
        ("a\nb\nc", "c\n", "C\n", "a\nb\nC"),
        ("a\nb\nc\n", "b\n", "B", "a\nB\nc\n"),
        ("a\nb\nc\n", "b", "", "a\nc\n"),
        ("a\n    b\nc\n", "b", "", "a\nc\n"),
        ("a b c\n", "b ", "", "a c\n"),
        ("a  \nb\t\nc\n", "a\nb\n", "A\nB\n", "A\nB\nc\n"),
        ("a\nb\n", "a  \nb", "A\nB", "A\nB\n"),
        (CODE, "if a:\n    return 1", "if b:\n    return 3",
         CODE.replace("a:", "b:").replace("1", "3")),
        (CODE, "        if a:\n            return 1\n", "        go()\n",
         "def f():\n    go()\n    return 2\n"),
        (CODE, "2\t    if a:\n3\t        return 1\n", "2\t    if a:\n3\t        go()\n",
         CODE.replace("return 1", "go()")),
        (CODE, "3\t        return 1\n", "        go()\n",
         CODE.replace("return 1", "go()")),
        ("a\r\nb\r\nc\r\n", "a\nb\n", "A\nnew\nb\n", "A\r\nnew\r\nb\r\nc\r\n"),
        ("a\r\nb\nc\r\n", "c", "C", "a\r\nb\nC\r\n"),
        ("\ufeffa\nb\n", "a\n", "A\n", "\ufeffA\nb\n"),
        ("é\n日本\n", "日本", "x", "é\nx\n"),
    ],
    ids=range(17),
)  # fmt: skip
def test_an_edit_changes_what_a_person_would_expect(
    text: str, search: str, replace: str, result: str
) -> None:
    assert edited(text, (search, replace)) == result


@pytest.mark.parametrize(
    ("text", "search", "replace", "said"),
    [
        ("a\nb\na\n", "a", "c", "fits in 2 places (lines 1, 3)"),
        ("aaa\n", "aa", "b", "fits in 2 places (lines 1, 1)"),
        ("  a\n  b\n    a\n    b\n", "a\nb", "c", "lines 1, 3"),
        ("a\n" * 50, "a", "c", "10 and more places"),
        ("a\n", "", "b", "the search is empty"),
        ("a\n", "\n", "b", "the search is empty"),
        ("a\n", "a", "a", "are the same"),
        ("a\nb\n", "a", "2\tb\n3\tc\n", "numbers before its lines"),
        (CODE, "3\t  retrun", "x", "leave out the numbers"),
        ("new\n", "old", "new", "may be there already"),
        ("a\n", "a", "x" * 300_000, "at most 200000"),
        # Not uniform, or of another kind: no guess.
        (CODE, "if a:\n  return 1", "x", "not in the file"),
        ("\tif a:\n\t\tb\n", "  if a:\n    b", "x", "not in the file"),
        (CODE, "    " * 3 + "return 1", "go()", "not in the file"),
    ],
    ids=range(14),
)
def test_an_edit_that_is_unclear_is_refused_with_the_reason(
    text: str, search: str, replace: str, said: str
) -> None:
    message = refusal(text, (search, replace))

    assert said in message
    assert message.endswith("nothing was changed")
    assert len(message) < 2_000


def test_what_is_not_found_is_answered_with_the_nearest_lines() -> None:
    text = "import os\n\n\ndef total(items):\n    return sum(items)\n"

    message = refusal(text, ("def total(item):\n    return sum(item)", "x"))

    assert "4\tdef total(items):\n5\t    return sum(items)" in message
    assert "read the file first" in refusal(text, ("@@@@@@@@@@", "x"))


def test_all_edits_are_made_or_none() -> None:
    text = "a\nb\nc\n"

    assert edited(text, ("c", "C"), ("a", "b")) == "b\nb\nC\n"
    assert refusal(text, ("a", "A"), ("x", "y")).startswith("edit 2 of 2: ")
    assert "edits 1 and 2 overlap in line 2" in refusal(text, ("a\nb", "x"), ("b", "y"))
    assert refusal(text).startswith("there is no edit")
    assert refusal(text, *[("a", "b")] * 101) == "at most 100 edits at once"


def test_a_hostile_file_takes_no_long_time() -> None:
    text = "a\n" * 200_000 + "b\n"

    assert edited(text, ("a\n" * 20_000 + "b\n", "c\n")).endswith("a\nc\n")
    refusal(text, (" a\n" * 20_000, "c"))
    refusal("ab" * 1_000_000, ("ba" * 1_000, "c"))


LINE = st.text("ab \t=(", max_size=6)


@given(
    st.lists(LINE, max_size=12),
    st.lists(st.tuples(LINE, LINE), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_nothing_changes_outside_of_the_edits(
    lines: list[str], pairs: list[tuple[str, str]], end: str, last: bool
) -> None:
    # Each search is a line of its own that is there once; what is around it is not.
    marked = [f"<{number}>{search}" for number, (search, _) in enumerate(pairs)]
    new = [f"[{number}]{replace}" for number, (_, replace) in enumerate(pairs)]
    before = [*lines, *marked, *lines]
    after = [*lines, *new, *lines]
    text = end.join(before) + (end if last else "")

    result = edited(text, *zip(marked, new, strict=True))

    assert result == end.join(after) + (end if last else "")


@given(st.text(max_size=60), st.integers(0, 60), st.integers(0, 60), st.text())
def test_an_edit_is_made_in_its_one_place_or_refused(
    text: str, one: int, two: int, replace: str
) -> None:
    search = text[min(one, two) : max(one, two)]
    try:
        found = apply(text, [Edit(search=search, replace=replace)]).text
    except WorkspaceError:
        return
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    wanted = search.removeprefix("\ufeff").replace("\r\n", "\n")

    assert plain.count(wanted) == 1
    before, _, after = plain.partition(wanted)
    result = found.removeprefix("\ufeff").replace("\r\n", "\n")
    assert result.startswith(before.rstrip(" \t") if not replace else before)
    assert result.endswith(after.lstrip() if not replace else after)


def test_mode_encoding_and_line_ends_of_a_file_stay(workspace: Workspace) -> None:
    path = workspace.root / "tool"
    path.write_bytes(b"\xef\xbb\xbf#!/bin/sh\r\necho \xc3\xa9")
    path.chmod(0o755)

    answer = tools_on(workspace)["edit_file"].run(
        path="tool", edits=[{"search": "#!/bin/sh\n", "replace": "#!/bin/sh\nset -e\n"}]
    )

    assert answer == "tool is changed at line 1"
    assert path.read_bytes() == b"\xef\xbb\xbf#!/bin/sh\r\nset -e\r\necho \xc3\xa9"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "/etc/passwd", "link/a", ".git/config", "none", ".", ".env"],
)
def test_a_path_that_is_out_of_bounds_is_not_edited(
    workspace: Workspace, tmp_path: Path, path: str
) -> None:
    (tmp_path / "secret.txt").write_text("a")
    (tmp_path / "a").write_text("a")
    (workspace.root / "link").symlink_to(tmp_path)
    (workspace.root / ".env").write_text("a")

    answer = tools_on(workspace)["edit_file"].run(
        path=path, edits=[{"search": "a", "replace": "b"}]
    )

    assert answer.startswith("Error: ")
    assert str(tmp_path) not in answer
    assert (tmp_path / "secret.txt").read_text() == "a"
    assert (workspace.root / ".env").read_text() == "a"


def test_what_is_no_text_is_not_edited(workspace: Workspace) -> None:
    (workspace.root / "a.bin").write_bytes(b"a\0b")
    tool = tools_on(workspace)["edit_file"]

    assert "not text" in tool.run(path="a.bin", edits=[{"search": "a", "replace": "b"}])
    (workspace.root / "a.txt").write_text("a")
    assert "Error" in tool.run(
        path="a.txt", edits=[{"search": "a", "replace": "\ud800"}]
    )
    assert (workspace.root / "a.txt").read_text() == "a"


def test_a_file_that_was_there_is_not_rewritten_where_it_can_be_edited(
    shop: Workspace,
) -> None:
    tools = tools_on(shop)
    write = tools["write_file"]

    assert "change it with edit_file" in write.run(path="shop/a.py", content="y = 1\n")
    assert "held exactly this" in write.run(path="shop/a.py", content="x = 1\n")
    assert "is written" in write.run(path="shop/empty.py", content="y = 1\n")
    assert "is written" in write.run(path="shop/new.py", content="1\n")
    assert "is written" in write.run(path="shop/new.py", content="2\n")
    assert (shop.root / "shop" / "a.py").read_text() == "x = 1\n"


def test_a_run_that_goes_on_may_rewrite_what_it_created(shop: Workspace) -> None:
    tools_on(shop)["write_file"].run(path="shop/new.py", content="1\n")
    shop.finish()
    again = Workspace.reopen(shop.root, "r1")
    write = tools_on(again)["write_file"]

    assert "is written" in write.run(path="shop/new.py", content="2\n")
    assert "edit_file" in write.run(path="shop/a.py", content="2\n")


def test_a_role_without_edits_writes_whole_files(shop: Workspace) -> None:
    write = tools_on(shop, "write_file")["write_file"]

    assert "is written" in write.run(path="shop/a.py", content="y = 1\n")


def test_a_path_without_the_one_repository_is_meant_in_it(shop: Workspace) -> None:
    tools = tools_on(shop, *NAMES, "list_files", "search_files")
    edits = [{"search": "x = 1", "replace": "x = 2"}]

    said = "'a.py' is 'shop/a.py'; give paths like that\n"
    assert tools["read_file"].run(path="a.py") == f"{said}1\tx = 1\n"
    assert tools["edit_file"].run(path="a.py", edits=edits).startswith(said)
    written = tools["write_file"].run(path="docs/new.md", content="x")
    assert written.endswith("shop/docs/new.md is written (1 bytes)")
    assert tools["list_files"].run(directory="docs") == "shop/docs/new.md"
    assert tools["search_files"].run(pattern="x", directory="docs").startswith("shop/")
    assert sorted(one.name for one in shop.root.iterdir()) == ["shop"]
    assert tools["write_file"].run(path="../b.py", content="x").startswith("Error: ")
    assert not (shop.root / "b.py").exists()


def test_with_two_repositories_a_new_file_must_name_its_own(tmp_path: Path) -> None:
    for name in ("shop", "api"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("x = 1\n")
    (tmp_path / "api" / "b.py").write_text("x = 1\n")
    given = (str(tmp_path / "shop"), str(tmp_path / "api"))
    made = Workspace.prepare(
        tmp_path / "run", "r1", Inputs(request="work", repositories=given)
    )
    tools = tools_on(made)

    assert tools["write_file"].run(path="new.md", content="x") == (
        "Error: 'new.md' is in no repository; begin with 'shop' or 'api'"
    )
    assert "'shop/a.py' or 'api/a.py'" in tools["read_file"].run(path="a.py")
    assert tools["read_file"].run(path="b.py").startswith("'b.py' is 'api/b.py'")


@pytest.mark.parametrize(
    "edits",
    [
        {"search": "a", "replace": "b"},
        '[{"search": "a", "replace": "b"}]',
        '{"search": "a", "replace": "b"}',
    ],
)
def test_edits_in_another_form_are_understood(
    workspace: Workspace, edits: object
) -> None:
    (workspace.root / "a.txt").write_text("a")

    answer = tools_on(workspace)["edit_file"].run(path="a.txt", edits=edits)

    assert answer == "a.txt is changed at line 1"
