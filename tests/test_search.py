"""`search_files` by ripgrep: what git ignores and what is secret is not in it."""

import os
import subprocess
from pathlib import Path

import pytest

from crew.errors import WorkspaceError
from crew.settings import Inputs
from crew.workspace import Workspace, ripgrep

KEY = "-----BEGIN PRIVATE KEY-----\nneedle\n"


def git(path: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *arguments], cwd=path, check=True)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace with a git repository, below a directory that git ignores."""
    source = tmp_path / "shop"
    files = {
        ".gitignore": "built/\n",
        "src/a.py": "needle = 1\n",
        "src/.gitignore": "made.py\n",
        ".github/ci.yml": "run: needle\n",
        ".env": "KEY=needle\n",
        "deploy": KEY,
    }
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    git(source, "init", "-q")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "start")
    outside = tmp_path / "outside"
    outside.mkdir()
    git(outside, "init", "-q")
    (outside / ".gitignore").write_text("*\n")
    (outside / ".ignore").write_text("*\n")
    inputs = Inputs(request="work", repositories=(str(source),))
    made = Workspace.prepare(outside / "run", "r1", inputs)
    for name in ("built/out.js", "src/made.py", "node_modules/a.js"):
        (made.root / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (made.root / "shop" / name).write_text("needle\n")
    return made


FOUND = ["shop/.github/ci.yml:1: run: needle", "shop/src/a.py:1: needle = 1"]


def test_a_search_finds_what_git_would_not_ignore_and_no_secret(
    shop: Workspace,
) -> None:
    assert shop.search("needle") == FOUND
    assert shop.search("needle", "shop") == FOUND
    assert shop.search("needle", "shop/src") == FOUND[1:]
    assert shop.search("gitdir") == []


def test_the_environment_and_configuration_of_the_user_do_not_count(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rc").write_text("--ignore-case\n--no-ignore\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(tmp_path / "rc"))
    fake = tmp_path / "bin" / "rg"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho stolen\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")

    assert shop.search("needle") == FOUND


def test_no_link_is_followed_out_of_the_workspace(
    shop: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "a.txt").write_text("needle\n")
    (shop.root / "shop" / "link").symlink_to(tmp_path / "else")
    (shop.root / "shop" / "one.txt").symlink_to(tmp_path / "else" / "a.txt")

    assert shop.search("needle") == FOUND


def test_a_copy_honours_its_own_gitignore(tmp_path: Path) -> None:
    source = tmp_path / "notes"
    source.mkdir()
    (source / ".gitignore").write_text("*.log\n")
    (source / "a.log").write_text("needle\n")
    (source / "a.txt").write_text("needle\n")
    inputs = Inputs(request="work", repositories=(str(source),))
    made = Workspace.prepare(tmp_path / "run", "r1", inputs)

    assert made.search("needle") == ["notes/a.txt:1: needle"]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+b", "(.*a){20}", "(?i)É"])
def test_a_pattern_that_is_slow_elsewhere_takes_linear_time(
    tmp_path: Path, pattern: str
) -> None:
    made = Workspace.prepare(tmp_path / "run", "r1", Inputs(request="work"))
    made.write("a.txt", "a" * 30_000 + "!\n")

    assert len(made.search(pattern)) <= 1


def test_a_search_that_runs_out_of_time_says_so(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ripgrep, "SEARCH_SECONDS", 0.0)

    assert shop.search("needle") == ["... the search takes too long; name a directory"]


def test_what_is_wrong_with_a_pattern_is_said_in_a_line(shop: Workspace) -> None:
    with pytest.raises(WorkspaceError) as raised:
        shop.search("def f(")

    assert str(raised.value) == "'def f(' is no regular expression: unclosed group"
    assert shop.search("--files") == []
    assert shop.search("-e") == []


def test_a_long_line_is_cut(shop: Workspace) -> None:
    shop.write("shop/min.js", "needle" + "x" * 100_000 + "\n")

    (line,) = shop.search("needlex")

    assert len(line) < 300
