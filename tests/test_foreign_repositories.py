"""Repositories that need more than git alone: submodules, filters, other owners."""

import os
import shutil
from pathlib import Path

import pytest

from crew.errors import WorkspaceError
from crew.workspace import Workspace
from crew.workspace.notices import notices
from test_worktrees import git, prepare, repository


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def with_submodules(tmp_path: Path) -> Path:
    """A repository with a submodule that has a submodule."""
    inner = repository(tmp_path / "inner", files=("inner.txt",))
    library = repository(tmp_path / "library", files=("library.txt",))
    shop = repository(tmp_path / "shop")
    for outer, module in ((library, inner), (shop, library)):
        git(outer, "submodule", "--quiet", "add", str(module), module.name)
        git(outer, "commit", "--quiet", "-m", "submodule")
    return shop


def test_a_submodule_is_filled_from_the_users_checkout(tmp_path: Path) -> None:
    shop = with_submodules(tmp_path)
    git(shop, "submodule", "--quiet", "update", "--init", "--recursive")

    workspace = prepare(tmp_path, shop)

    (made,) = workspace.repositories
    assert notices(made) == []
    assert "shop/library/inner/inner.txt" in workspace.files()
    assert workspace.read("shop/library/library.txt") == "one\ntwo\n"
    workspace.write("shop/new.txt", "new")
    workspace.finish()
    assert [change.files for change in workspace.changes()] == [1]
    workspace.discard()
    assert git(shop, "worktree", "list").count("\n") == 1
    assert git(shop, "status", "--porcelain") == ""


def test_what_the_users_checkout_does_not_have_is_named(tmp_path: Path) -> None:
    shop = with_submodules(tmp_path)

    (partly,) = prepare(tmp_path, shop).repositories
    git(shop, "submodule", "--quiet", "deinit", "--force", "--all")
    (empty,) = prepare(tmp_path, shop, run="r2").repositories

    (line,) = notices(partly)
    assert "empty here: library/inner; " in line
    (line,) = notices(empty)
    assert "empty here: library; " in line
    assert f"git -C {shop} submodule update --init --recursive" in line


def test_a_commit_that_the_checkout_lacks_leaves_it_empty(tmp_path: Path) -> None:
    shop = with_submodules(tmp_path)
    missing = f"160000,{'1' * 40},library"
    git(shop, "update-index", "--cacheinfo", missing)
    git(shop, "commit", "--quiet", "-m", "ahead")

    (made,) = prepare(tmp_path, shop).repositories

    assert made.empty == ("library",)


def filtered(tmp_path: Path, *, command: str = "no-such-filter") -> Path:
    """A repository with a large file, whose filter is required."""
    shop = repository(tmp_path / "shop", files=("a.txt", "big.bin", "big.raw"))
    lines = "*.bin filter=lfs\n*.raw filter=other.one\n"
    (shop / ".gitattributes").write_text(lines, encoding="utf-8")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "attributes")
    for name in ("lfs", "other.one"):
        git(shop, "config", f"filter.{name}.smudge", command)
        git(shop, "config", f"filter.{name}.clean", command)
        git(shop, "config", f"filter.{name}.required", "true")
    git(shop, "config", "filter.lfs.process", command)
    return shop


def test_a_filter_does_not_run_and_is_named(tmp_path: Path) -> None:
    shop = filtered(tmp_path)

    workspace = prepare(tmp_path, shop)

    assert workspace.read("shop/big.bin") == "one\ntwo\n"
    (line,) = notices(workspace.repositories[0])
    assert "filter lfs, other.one does not run here" in line
    workspace.write("shop/more.bin", "more")
    workspace.finish()
    again = Workspace.reopen(workspace.root, "r1")
    again.write("shop/b.txt", "b")
    again.finish()
    (change,) = again.changes()
    assert git(shop, "show", "--format=", "--name-only", f"{change.branch}~1") == (
        "more.bin\n"
    )
    assert change.files == 2


def test_a_filter_that_could_run_does_not(tmp_path: Path) -> None:
    shop = filtered(tmp_path, command="tr o 0")
    git(shop, "config", "--unset", "filter.lfs.process")

    (made,) = prepare(tmp_path, shop).repositories

    assert made.filters == ("lfs", "other.one")
    assert git(shop, "show", "HEAD:big.bin") == (made.path / "big.bin").read_text()


def test_gits_own_remedy_is_in_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = repository(tmp_path / "shop")
    real = shutil.which("git")
    script = tmp_path / "bin" / "git"
    script.parent.mkdir()
    # As if the repository belonged to another user.
    text = f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n'
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(WorkspaceError) as caught:
        prepare(tmp_path, shop)

    message = str(caught.value)
    assert "dubious ownership" in message
    assert f"git config --global --add safe.directory {shop}" in message
