"""A repository that came from anywhere: its configuration runs nothing, and git's
children see no key."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crew.errors import WorkspaceError
from crew.workspace import Workspace, worktrees
from test_worktrees import git, prepare, repository

Vector = Callable[[Path, str], None]
"""Arms a repository so that a command of the attacker's runs."""


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def configured(attributes: str, *pairs: tuple[str, str]) -> Vector:
    def arm(shop: Path, command: str) -> None:
        (shop / ".git/info").mkdir(exist_ok=True)
        (shop / ".git/info/attributes").write_text(attributes, encoding="utf-8")
        for key, value in pairs:
            git(shop, "config", "--add", key, value.replace("{}", command))

    return arm


def hooked(*names: str) -> Vector:
    def arm(shop: Path, command: str) -> None:
        own = shop / "own-hooks"
        for directory in (shop / ".git/hooks", own):
            directory.mkdir(exist_ok=True)
            for name in names:
                (directory / name).write_text(f"#!/bin/sh\n{command}\n")
                (directory / name).chmod(0o755)
        git(shop, "config", "core.hooksPath", str(own))

    return arm


def included(condition: str) -> Vector:
    def arm(shop: Path, command: str) -> None:
        (shop / ".git/info").mkdir(exist_ok=True)
        (shop / ".git/info/attributes").write_text("* filter=evil\n")
        more = shop / ".git/more"
        section = '[filter "evil"]\n'
        text = f'{section}\tsmudge = "{command}; cat"\n\tclean = "{command}; cat"\n'
        more.write_text(text, encoding="utf-8")
        git(shop, "config", condition, str(more))

    return arm


def lacking_an_object(*pairs: tuple[str, str]) -> Vector:
    """A partial clone, which would fetch what it lacks."""

    def arm(shop: Path, command: str) -> None:
        blob = git(shop, "rev-parse", "HEAD:a.txt").strip()
        (shop / ".git/objects" / blob[:2] / blob[2:]).unlink()
        for key, value in (
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("protocol.ext.allow", "always"),
            ("protocol.allow", "always"),
            *pairs,
        ):
            git(shop, "config", key, value.replace("{}", command))

    return arm


def in_a_submodule(shop: Path, command: str) -> None:
    inner = repository(shop / "part")
    git(shop, "add", "part")
    git(shop, "commit", "--quiet", "-m", "a submodule")
    (inner / "a.txt").write_text("changed\n")
    configured(
        "* filter=evil\n",
        ("filter.evil.clean", "{}; cat"),
        ("filter.evil.smudge", "{}; cat"),
        ("core.fsmonitor", "{}; false"),
    )(inner, command)


def beside_the_files(shop: Path, command: str) -> None:
    (shop / "git").write_text(f"#!/bin/sh\n{command}\n")
    (shop / "git").chmod(0o755)
    os.environ["PATH"] = f".:{os.environ['PATH']}"


VECTORS: dict[str, Vector] = {
    "filter": configured(
        "* filter=evil\n",
        ("filter.evil.smudge", "{}; cat"),
        ("filter.evil.clean", "{}; cat"),
        ("filter.evil.required", "true"),
    ),
    "filter process": configured(
        "* filter=evil\n",
        ("filter.evil.process", "{}"),
        ("filter.evil.required", "true"),
    ),
    "filter with a point": configured(
        "* filter=a.b.c\n", ("filter.a.b.c.smudge", "{}; cat")
    ),
    "filter with an equals sign": configured(
        "* filter=a=b\n", ("filter.a=b.smudge", "{}; cat")
    ),
    "filter named lfs": configured(
        "* filter=lfs\n",
        ("filter.lfs.smudge", "{}; cat"),
        ("filter.lfs.clean", "{}; cat"),
    ),
    "include": included("include.path"),
    "include on the run's branch": included("includeIf.onbranch:crew/**.path"),
    "include in a worktree": included("includeIf.gitdir:worktrees/**.path"),
    "hooks": hooked(
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "prepare-commit-msg",
        "post-commit",
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
        "pre-auto-gc",
        "post-rewrite",
    ),
    "fsmonitor": configured("", ("core.fsmonitor", "{}; false")),
    "external diff": configured("", ("diff.external", "{}; true")),
    "text conversion": configured(
        "* diff=evil\n",
        ("diff.evil.textconv", "{}; cat"),
        ("diff.evil.command", "{}; true"),
    ),
    "pager and editor": configured(
        "",
        ("core.pager", "{}"),
        ("pager.diff", "{}"),
        ("pager.status", "{}"),
        ("core.editor", "{}"),
        ("sequence.editor", "{}"),
    ),
    "signing": configured(
        "",
        ("commit.gpgSign", "true"),
        ("gpg.program", "{}"),
        ("gpg.format", "ssh"),
        ("gpg.ssh.program", "{}"),
        ("gpg.ssh.defaultKeyCommand", "{}"),
    ),
    "trailers": configured(
        "", ("trailer.evil.command", "{}"), ("trailer.evil.cmd", "{}")
    ),
    "merge driver": configured("* merge=evil\n", ("merge.evil.driver", "{}")),
    "upload pack": lacking_an_object(
        ("remote.origin.url", "."), ("remote.origin.uploadpack", "{}; false")
    ),
    "ssh command": lacking_an_object(
        ("remote.origin.url", "ssh://127.0.0.1:1/x"), ("core.sshCommand", "{}; false")
    ),
    "external transport": lacking_an_object(("remote.origin.url", "ext::sh -c {}")),
    "proxy command": lacking_an_object(
        ("remote.origin.url", "git://127.0.0.1:1/x"), ("core.gitProxy", "{}")
    ),
    "credential helper": lacking_an_object(
        ("remote.origin.url", "http://127.0.0.1:1/x"),
        ("credential.helper", "!{}"),
        ("core.askPass", "{}"),
    ),
    "submodule": in_a_submodule,
    "a git beside the files": beside_the_files,
}


@pytest.fixture
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])


@pytest.mark.usefixtures("_own_path")
@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_that_a_repository_names_is_executed(
    tmp_path: Path, vector: str
) -> None:
    shop = repository(tmp_path / "shop", files=("a.txt", "b.txt"))
    marker = tmp_path / "marker"
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n", encoding="utf-8")
    program.chmod(0o755)
    VECTORS[vector](shop, str(program))
    for name in ("a.txt", "b.txt"):
        (shop / name).touch()  # status looks into what seems to have changed
    (shop / "b.txt").write_text("mine\n", encoding="utf-8")
    marker.unlink(missing_ok=True)

    done = work(tmp_path, shop)

    assert not marker.exists()
    assert (done == "two files") == (vector not in REFUSED)
    if vector in REFUSED:
        assert REFUSED[vector] in done
        assert git(shop, "branch", "--list", "crew*") == ""
        assert len(git(shop, "worktree", "list").splitlines()) == 1


REFUSED = {
    "filter with an equals sign": "a filter named 'a=b'",
    "upload pack": "git reset",
    "ssh command": "git reset",
    "external transport": "git reset",
    "proxy command": "git reset",
    "credential helper": "git reset",
}


def work(tmp_path: Path, shop: Path) -> str:
    """All that a run does with a repository."""
    try:
        worktrees.is_dirty(shop)
        workspace = prepare(tmp_path, shop)
        workspace.write("shop/a.txt", "changed\n")
        workspace.write("shop/new.txt", "new\n")
        workspace.commit("crew: code")
        workspace.finish()
        again = Workspace.reopen(workspace.root, "r1")
        again.write("shop/new.txt", "newer\n")
        again.finish()
        (change,) = again.changes()
    except WorkspaceError as exc:
        return str(exc)
    return "two files" if change.files == 2 else f"{change.files} files"


def test_a_configuration_that_leads_elsewhere_is_one_line(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    repository(tmp_path / "other")
    git(shop, "config", "core.worktree", str(tmp_path / "other"))

    with pytest.raises(WorkspaceError, match="leads to"):
        prepare(tmp_path, shop)


def test_git_and_its_children_see_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    tools = tmp_path / "tools"
    tools.mkdir()
    real = next(
        path / "git"
        for path in map(Path, os.environ["PATH"].split(":"))
        if (path / "git").exists()
    )
    (tools / "git").write_text(f'#!/bin/sh\nenv >> {seen}\nexec {real} "$@"\n')
    (tools / "git").chmod(0o755)
    shop = repository(tmp_path / "shop")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    for name in ("OPENAI_API_KEY", "MY_TOKEN", "DATABASE_URL", "GIT_SSH_COMMAND"):
        monkeypatch.setenv(name, "of-no-concern")

    prepare(tmp_path, shop).finish()

    assert "HOME=" in seen.read_text(encoding="utf-8")
    assert "of-no-concern" not in seen.read_text(encoding="utf-8")
