"""The workspace: what a model may ask of it, and what it never gets."""

import os
import stat
from pathlib import Path

import pytest

from crew.errors import WorkspaceError
from crew.settings import Inputs
from crew.settings.check_inputs import check_inputs
from crew.settings.inputs import is_address
from crew.workspace import Workspace
from crew.workspace.search import FOUND
from crew.workspace.text import READ_CHARACTERS, TEXT_BYTES
from crew.workspace.workspace import WRITE_BYTES


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    return Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))


OUTSIDE = [
    "../secret.txt",
    "a/../../secret.txt",
    "./../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "link/secret.txt",
    "secret-link",
    "chain/secret.txt",
    "loop/x",
]
GIT = [
    ".git",
    ".git/config",
    "shop/.git",
    "shop/.GIT/hooks/post-checkout",
    ".Git",
    ".git.",
    ".git ./config",
    ".git. . /config",
    ".git::$INDEX_ALLOCATION/config",
    "git~1/config",
    "GIT~2",
    ".g\u200cit/config",
    "\ufeff.git",
    ".git\\config",
    "a\\.GIT\\config",
    "x/../.git/config",
    "to-git/config",
]
NO_PATH = [
    "a\0b",
    "a\ud800b",
    "\udcff",
    "x" * 256,
    "é" * 200,
    "a/" + "x" * 300,
    "x" * 5_000,
    "d/" * 600,
]


def _links(workspace: Workspace, tmp_path: Path) -> None:
    """What a task's own process could have made since the run began."""
    (workspace.root / "link").symlink_to(tmp_path)
    (workspace.root / "secret-link").symlink_to(tmp_path / "secret.txt")
    (workspace.root / "chain").symlink_to("link")
    (workspace.root / "loop").symlink_to("loop")
    (workspace.root / ".git").mkdir()
    (workspace.root / ".git" / "config").write_text("[core]\n", encoding="utf-8")
    (workspace.root / "to-git").symlink_to(".git")


@pytest.mark.parametrize("path", [*OUTSIDE, *GIT, *NO_PATH])
def test_no_path_leads_to_what_is_out_of_bounds(
    workspace: Workspace, tmp_path: Path, path: str
) -> None:
    _links(workspace, tmp_path)
    before = sorted(tmp_path.rglob("*"))

    for act in (
        lambda: workspace.read(path),
        lambda: workspace.write(path, "mine"),
        lambda: workspace.files(path),
        lambda: workspace.search("secret", path),
        lambda: workspace.content(path),
    ):
        with pytest.raises(WorkspaceError) as raised:
            act()
        str(raised.value).encode("utf-8")
        assert str(tmp_path) not in str(raised.value)
        assert len(str(raised.value)) < 2_000
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "secret.txt").read_text(encoding="utf-8") == "secret"


def test_lists_and_searches_follow_no_link_and_tell_nothing_of_git(
    workspace: Workspace, tmp_path: Path
) -> None:
    _links(workspace, tmp_path)
    workspace.write("mine.txt", "no secret\n")

    assert workspace.files() == ["mine.txt"]
    assert workspace.search("secret|core") == ["mine.txt:1: no secret"]


def test_a_link_inside_may_be_followed(workspace: Workspace) -> None:
    workspace.write("real/a.txt", "hello")
    (workspace.root / "alias").symlink_to("real")

    workspace.write("alias/b.txt", "there")

    assert workspace.read("alias/a.txt") == "hello"
    assert workspace.files() == ["real/a.txt", "real/b.txt"]
    assert workspace.touched() == ["real/a.txt", "real/b.txt"]


def test_a_directory_swapped_for_a_link_after_the_check_is_not_followed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write("a/secret.txt", "mine")
    checked = Workspace.resolve

    def swapping(self: Workspace, path: str) -> Path:
        target = checked(self, path)
        (workspace.root / "a").rename(workspace.root / "old")
        (workspace.root / "a").symlink_to(tmp_path)
        return target

    monkeypatch.setattr(Workspace, "resolve", swapping)

    with pytest.raises(WorkspaceError):
        workspace.read("a/secret.txt")
    (workspace.root / "a").unlink()
    (workspace.root / "old").rename(workspace.root / "a")
    with pytest.raises(WorkspaceError):
        workspace.write("a/secret.txt", "changed")
    assert (tmp_path / "secret.txt").read_text(encoding="utf-8") == "secret"


def test_a_file_swapped_for_a_link_after_the_check_is_not_followed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = workspace.root / "a.txt"
    target.symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr(Workspace, "resolve", lambda self, path: target)

    with pytest.raises(WorkspaceError):
        workspace.read("a.txt")
    with pytest.raises(WorkspaceError):
        workspace.write("a.txt", "changed")
    assert (tmp_path / "secret.txt").read_text(encoding="utf-8") == "secret"


def test_what_is_no_file_is_neither_read_nor_written(workspace: Workspace) -> None:
    workspace.write("directory/a.txt", "a")
    os.mkfifo(workspace.root / "pipe")

    for path in ("directory", "pipe", ".", "", "directory/a.txt/b"):
        with pytest.raises(WorkspaceError):
            workspace.read(path)
        with pytest.raises(WorkspaceError):
            workspace.write(path, "x")
    assert workspace.files() == ["directory/a.txt"]
    assert workspace.search("a") == ["directory/a.txt:1: a"]
    with pytest.raises(WorkspaceError, match="not a directory"):
        workspace.files("directory/a.txt")


def test_a_write_replaces_the_whole_file_and_keeps_its_mode(
    workspace: Workspace,
) -> None:
    workspace.write("bin/tool", "a longer text")
    (workspace.root / "bin/tool").chmod(0o755)

    size = workspace.write("bin/tool", "ä")

    assert size == 2
    assert (workspace.root / "bin/tool").read_bytes() == b"\xc3\xa4"
    assert stat.S_IMODE((workspace.root / "bin/tool").stat().st_mode) == 0o755
    assert workspace.files() == ["bin/tool"]


@pytest.mark.parametrize("content", ["a\ud800b", "x" * (WRITE_BYTES + 1)])
def test_content_that_cannot_be_written_changes_nothing(
    workspace: Workspace, content: str
) -> None:
    workspace.write("a.txt", "before")

    with pytest.raises(WorkspaceError):
        workspace.write("a.txt", content)
    assert workspace.read("a.txt") == "before"
    assert workspace.files() == ["a.txt"]


@pytest.mark.parametrize(
    ("content", "start", "count", "shown"),
    [
        ("", 1, 400, ""),
        ("a\nb\nc\n", 1, 400, "a\nb\nc\n"),
        ("a\nb\nc", 1, 400, "a\nb\nc"),
        ("a\nb\nc\n", 1, 2, "a\nb\n... 1 more line; ask with start_line=3"),
        ("a\nb\nc", 1, 2, "a\nb\n... 1 more line; ask with start_line=3"),
        ("a\nb\nc\n", 1, 1, "a\n... 2 more lines; ask with start_line=2"),
        ("a\nb\nc", 2, 1, "b\n... 1 more line; ask with start_line=3"),
        ("a\nb\nc", 3, 1, "c"),
        ("a\nb\nc", 4, 1, ""),
        ("a\nb\n", -7, 1, "a\n... 1 more line; ask with start_line=2"),
        ("a\nb\n", 1, -7, "a\n... 1 more line; ask with start_line=2"),
        ("a\nb\n", 10**30, 10**30, ""),
        ("a\nb\n", -(10**30), 10**30, "a\nb\n"),
        # One line to an editor, though not to `splitlines`.
        ("a\fb\u2028c\nd\n", 2, 1, "d\n"),
        ("a\r\nb\r\n", 2, 1, "b\r\n"),
    ],
)
def test_a_read_tells_exactly_how_many_lines_follow(
    workspace: Workspace, content: str, start: int, count: int, shown: str
) -> None:
    workspace.write("a.txt", content)

    assert workspace.read("a.txt", start_line=start, line_count=count) == shown


def test_a_read_that_is_too_long_ends_with_a_whole_line(workspace: Workspace) -> None:
    line = "x" * 999 + "\n"
    workspace.write("a.txt", line * 250)

    shown = workspace.read("a.txt")

    fitting = READ_CHARACTERS // 1_000
    more = f"... {250 - fitting} more lines; ask with start_line={fitting + 1}"
    assert shown == line * fitting + more
    assert workspace.read("a.txt", start_line=201) == line * 50


def test_one_endless_line_is_cut_and_the_rest_can_be_asked_for(
    workspace: Workspace,
) -> None:
    workspace.write("a.txt", "x" * (READ_CHARACTERS + 5) + "\nlast")

    shown = workspace.read("a.txt")

    assert shown.startswith("x" * READ_CHARACTERS + "\n... this line is cut")
    assert shown.endswith("\n... 1 more line; ask with start_line=2")
    assert workspace.read("a.txt", start_line=2) == "last"


def test_a_character_cut_at_the_byte_limit_is_still_text(workspace: Workspace) -> None:
    raw = b"first\n" + "€".encode() * (TEXT_BYTES // 3 + 10)
    (workspace.root / "big.txt").write_bytes(raw)

    shown = workspace.read("big.txt", line_count=1)

    assert shown.startswith("first\n... 1 more line; ask with start_line=2\n")
    assert "cannot be read" in shown


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a\0b", b"ok \xc3"])
def test_what_is_not_text_is_refused(workspace: Workspace, raw: bytes) -> None:
    (workspace.root / "a.bin").write_bytes(raw)

    with pytest.raises(WorkspaceError, match="not text"):
        workspace.read("a.bin")


def test_names_that_are_not_unicode_are_shown_so_that_they_can_be_sent(
    workspace: Workspace,
) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    try:
        (workspace.root / name).write_text("hello", encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes Unicode names only")

    assert workspace.files() == ["caf?.txt"]
    assert workspace.search("hell") == ["caf?.txt:1: hello"]


BROKEN_PATTERNS = [
    "(",
    "[",
    "*a",
    "(" * 490 + ")" * 490,
    "[[" * 400,
    "x" * 100_000,
    "(?:a{60000}){60000}",
    "(?:" * 30 + "a" + "){9}" * 30,
    "a{999999999999}",
    r"\w{4000000000}",
    "(?x)(?:a{60 000}){6#\n0000}",
    "(?:a{1000})(?#note){1000}",
    "(?:" + "(a)" * 300 + "){1000}",
    "(?R",
    "(?P<n>a(?&n))",
    "(?P<n>a(?P>n))",
    "(a(?1)?b)",
    "(?:x){e<=99999999999999999999}",
    r"\g<99999999999>",
    r"\p{nothing}",
    "\ud800",
    "\0",
    "(?=lookahead)",
    r"(back)\1",
]


@pytest.mark.parametrize("pattern", BROKEN_PATTERNS, ids=range(len(BROKEN_PATTERNS)))
def test_a_pattern_that_cannot_be_searched_for_is_refused_at_once(
    workspace: Workspace, pattern: str
) -> None:
    workspace.write("a.txt", "aaa")

    with pytest.raises(WorkspaceError) as raised:
        workspace.search(pattern)
    assert len(str(raised.value)) < 2_000


UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.mark.parametrize(
    "pattern", [r"\d{4}-\d{2}", ".{0,200}x.{0,200}y.{0,200}", UUID]
)
def test_an_odd_pattern_may_simply_find_nothing(
    workspace: Workspace, pattern: str
) -> None:
    workspace.write("a.txt", "aaa\n")

    assert workspace.search(pattern) == []


def test_a_search_shows_a_bounded_number_of_lines(workspace: Workspace) -> None:
    workspace.write("a.txt", "hit\n" * FOUND)
    exact = workspace.search("^hit$")
    workspace.write("b.txt", "hit")

    assert len(exact) == FOUND
    assert workspace.search("hit") == [*exact, f"... only the first {FOUND} are shown"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("https://example.org/a.png", True),
        ("http://example.org", True),
        ("http://", False),
        ("http://[", False),
        ("file:///etc/passwd", False),
        ("ftp://example.org/a.png", False),
        ("a.png", False),
    ],
)
def test_only_http_addresses_are_addresses(image: str, expected: bool) -> None:
    assert is_address(image) is expected


def test_every_wrong_input_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    inputs = Inputs(
        request="work",
        repositories=(str(tmp_path / "none"), str(tmp_path / "a.txt"), str(tmp_path)),
        images=(
            str(tmp_path / "none.png"),
            str(tmp_path),
            str(tmp_path / "a.txt"),
            "ftp://example.org/a.png",
            "http://[",
            "https://example.org/a.png",
        ),
    )

    reported = [str(mistake) for mistake in check_inputs(inputs)]

    assert [line.rpartition(": ")[2] for line in reported] == [
        "no such directory",
        "it is not a directory",
        "no such file",
        "it is not a file",
        "it is not an image; PNG, JPEG, WebP and GIF are allowed",
        "only http:// and https:// addresses are allowed",
        "only http:// and https:// addresses are allowed",
    ]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_directory_that_is_no_repository_is_copied_without_what_leads_out(
    tmp_path: Path,
) -> None:
    source = tmp_path / "with space ü"
    (source / "node_modules").mkdir(parents=True)
    (source / "node_modules/x.js").write_text("x", encoding="utf-8")
    (source / "a.txt").write_text("mine", encoding="utf-8")
    (source / "in").symlink_to("a.txt")
    (source / "out").symlink_to("/etc/passwd")
    (source / "loop").symlink_to("loop")
    os.mkfifo(source / "pipe")
    inputs = Inputs(request="work", repositories=(str(source), str(source)))

    workspace = Workspace.prepare(tmp_path / "run", "r1", inputs)
    workspace.write("with space ü/a.txt", "theirs")
    workspace.finish()

    assert workspace.names == ("with space ü", "with space ü-2")
    assert workspace.files("with space ü") == ["with space ü/a.txt"]
    assert workspace.read("with space ü/in") == "theirs"
    assert not (workspace.root / "with space ü/out").is_symlink()
    assert (source / "a.txt").read_text(encoding="utf-8") == "mine"
    assert [change.branch for change in workspace.changes()] == [None, None]


@pytest.mark.parametrize("name", ["git~1", "images"])
def test_a_repository_never_gets_a_name_that_is_taken(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.txt").write_text("a", encoding="utf-8")
    inputs = Inputs(request="work", repositories=(str(tmp_path / name),))

    workspace = Workspace.prepare(tmp_path / "run", "r1", inputs)

    assert workspace.names[0] != name
    assert workspace.read(f"{workspace.names[0]}/a.txt") == "a"


def test_a_workspace_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(WorkspaceError, match="cannot be made"):
        Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))
    gone = Inputs(request="work", images=(str(tmp_path / "gone.png"),))

    with pytest.raises(WorkspaceError, match="cannot be copied"):
        Workspace.prepare(tmp_path / "runs" / "w", "r1", gone)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("record", [None, "", "[]", "{}", '{"repositories": [1]}'])
def test_a_workspace_that_is_gone_cannot_be_reopened(
    tmp_path: Path, record: str | None
) -> None:
    if record is not None:
        (tmp_path / "w.json").write_text(record, encoding="utf-8")

    with pytest.raises(WorkspaceError, match="is gone"):
        Workspace.reopen(tmp_path / "w", "r1")


def test_content_that_is_no_text_is_not_written(tmp_path: Path) -> None:
    workspace = Workspace.prepare(tmp_path / "w", "r1", Inputs(request="x"))

    with pytest.raises(WorkspaceError, match="not text"):
        workspace.write("a.py", "x = 1\0")
    assert workspace.files() == []
