"""Git worktrees: hard repositories, and the user's checkout left as it was."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crew.clock import ManualClock
from crew.errors import WorkspaceError
from crew.settings import Inputs
from crew.workspace import Workspace, worktrees
from crew.workspace import git as git_commands


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def git(where: Path, *arguments: str, check: bool = True) -> str:
    names = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    options = (*names, "-c", "protocol.file.allow=always", "-c", "core.hooksPath=")
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=where,
        check=check,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
    )
    return done.stdout


def repository(where: Path, *, files: tuple[str, ...] = ("a.txt",)) -> Path:
    where.mkdir(parents=True)
    git(where, "init", "--quiet", "--initial-branch=main")
    for name in files:
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text("one\ntwo\n", encoding="utf-8")
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "-m", "start")
    return where


def prepare(tmp_path: Path, *sources: Path, run: str = "r1") -> Workspace:
    inputs = Inputs(request="work", repositories=tuple(str(one) for one in sources))
    return Workspace.prepare(tmp_path / "output" / run / "workspace", run, inputs)


def test_the_users_checkout_is_untouched_and_git_shows_the_result(
    tmp_path: Path,
) -> None:
    shop = repository(tmp_path / "shop")
    (shop / "a.txt").write_text("mine, not committed\n", encoding="utf-8")
    (shop / "new.txt").write_text("mine\n", encoding="utf-8")
    index = (shop / ".git/index").stat().st_mtime_ns
    before = (git(shop, "rev-parse", "HEAD"), (shop / ".git/HEAD").read_text("utf-8"))

    workspace = prepare(tmp_path, shop)
    dirty = worktrees.is_dirty(shop)
    seen = workspace.read("shop/a.txt")
    workspace.write("shop/a.txt", "one\ntwo\nthree\n")
    workspace.commit("crew: first")
    workspace.commit("crew: nothing new")
    workspace.write("shop/sub/b.txt", "new\n")
    workspace.finish()

    assert dirty
    assert seen == "one\ntwo\n"
    assert (shop / ".git/index").stat().st_mtime_ns == index
    assert before == (
        git(shop, "rev-parse", "HEAD"),
        (shop / ".git/HEAD").read_text("utf-8"),
    )
    assert git(shop, "status", "--porcelain") == " M a.txt\n?? new.txt\n"
    change = workspace.changes()[0]
    assert (change.branch, change.files) == ("crew/r1", 2)
    assert (change.insertions, change.deletions) == (2, 0)
    assert "+three" in git(shop, "diff", f"{change.base}..{change.branch}")
    messages = git(shop, "log", "--format=%s", f"{change.base}..{change.branch}")
    assert messages == "crew: work in progress\ncrew: first\n"


def test_a_run_that_goes_on_commits_to_the_same_branch(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    first = prepare(tmp_path, shop)
    first.write("shop/a.txt", "first\n")
    first.finish()
    git(shop, "checkout", "--quiet", "crew/r1")  # the user may look at it
    git(shop, "checkout", "--quiet", "main")

    again = Workspace.reopen(first.root, "r1")
    again.write("shop/b.txt", "second\n")
    again.finish()

    assert again.names == ("shop",)
    assert again.changes()[0].files == 2


def test_what_is_discarded_leaves_no_branch_and_no_worktree(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    workspace = prepare(tmp_path, shop)

    workspace.discard()

    assert git(shop, "branch", "--format=%(refname:short)") == "main\n"
    assert len(git(shop, "worktree", "list").splitlines()) == 1
    assert not workspace.root.exists()


def test_runs_that_start_at_once_on_one_repository_all_succeed(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    runs = [f"r{number}" for number in range(8)]

    def work(run: str) -> Workspace:
        workspace = prepare(tmp_path, shop, run=run)
        workspace.write("shop/a.txt", run)
        workspace.finish()
        return workspace

    with ThreadPoolExecutor(len(runs)) as pool:
        made = list(pool.map(work, runs))

    changes = [workspace.changes()[0] for workspace in made]
    assert [change.branch for change in changes] == [f"crew/{run}" for run in runs]
    assert [change.files for change in changes] == [1] * len(runs)
    assert len(git(shop, "worktree", "list").splitlines()) == len(runs) + 1


def test_a_lock_of_another_git_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = repository(tmp_path / "shop")
    workspace = prepare(tmp_path, shop)
    lock = Path(git(workspace.root / "shop", "rev-parse", "--absolute-git-dir").strip())
    lock = lock / "index.lock"
    lock.touch()

    class Other(ManualClock):
        def sleep(self, seconds: float) -> None:
            lock.unlink(missing_ok=True)

    monkeypatch.setattr(git_commands, "SystemClock", Other)
    workspace.write("shop/a.txt", "new")
    workspace.commit("crew: work")

    assert workspace.changes()[0].files == 1


def test_a_lock_that_stays_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = repository(tmp_path / "shop")
    workspace = prepare(tmp_path, shop)
    where = git(workspace.root / "shop", "rev-parse", "--absolute-git-dir").strip()
    (Path(where) / "index.lock").touch()
    clock = ManualClock()
    monkeypatch.setattr(git_commands, "SystemClock", lambda: clock)
    workspace.write("shop/a.txt", "new")

    with pytest.raises(WorkspaceError, match=r"index\.lock': File exists"):
        workspace.commit("crew: work")
    assert 1 < sum(clock.slept) < 10


def test_a_directory_of_a_repository_stands_for_the_whole(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop", files=("api/a.txt", "web/b.txt"))

    workspace = prepare(tmp_path, shop / "api", shop / "web")
    workspace.write("shop/api/a.txt", "changed")
    workspace.finish()

    assert workspace.names == ("shop/api", "shop-2/web")
    assert workspace.read("shop/web/b.txt") == "one\ntwo\n"
    assert [change.branch for change in workspace.changes()] == ["crew/r1", "crew/r1-2"]
    assert [change.files for change in workspace.changes()] == [1, 0]
    assert git(shop, "status", "--porcelain") == ""


def test_a_directory_that_its_repository_does_not_know_is_copied(
    tmp_path: Path,
) -> None:
    home = repository(tmp_path / "home-in-git")
    (home / "project").mkdir()
    (home / "project/x.txt").write_text("x", encoding="utf-8")

    workspace = prepare(tmp_path, home / "project")

    assert workspace.names == ("project",)
    assert workspace.files() == ["project/x.txt"]
    assert workspace.changes()[0].branch is None


def test_a_repository_without_a_commit_is_copied(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    git(tmp_path / "shop", "init", "--quiet")
    (tmp_path / "shop/a.txt").write_text("a", encoding="utf-8")

    workspace = prepare(tmp_path, tmp_path / "shop")
    workspace.finish()

    assert workspace.files() == ["shop/a.txt"]
    assert not (workspace.root / "shop/.git").exists()
    assert not worktrees.is_dirty(tmp_path / "shop")


def _bare(tmp_path: Path) -> Path:
    shop = repository(tmp_path / "made")
    git(tmp_path, "clone", "--quiet", "--bare", str(shop), "shop.git")
    return tmp_path / "shop.git"


def _bare_beside(tmp_path: Path) -> Path:
    bare = _bare(tmp_path)
    project = tmp_path / "shop"
    project.mkdir()
    bare.rename(project / ".bare")
    (project / ".git").write_text("gitdir: ./.bare\n", encoding="utf-8")
    return project


def _merging(tmp_path: Path) -> Path:
    shop = repository(tmp_path / "shop")
    for branch in ("left", "right"):
        git(shop, "checkout", "--quiet", "-b", branch, "main")
        (shop / "a.txt").write_text(f"{branch}\n", encoding="utf-8")
        git(shop, "commit", "--quiet", "-am", branch)
    git(shop, "checkout", "--quiet", "main")
    git(shop, "merge", "--quiet", "left")
    git(shop, "merge", "--quiet", "right", check=False)
    assert (shop / ".git/MERGE_HEAD").exists()
    return shop


def _with_submodule(tmp_path: Path) -> Path:
    library = repository(tmp_path / "library")
    shop = repository(tmp_path / "shop")
    git(shop, "submodule", "--quiet", "add", str(library), "library")
    git(shop, "commit", "--quiet", "-m", "submodule")
    git(shop, "config", "submodule.recurse", "true")
    return shop


def _a_submodule(tmp_path: Path) -> Path:
    shop = _with_submodule(tmp_path)
    return (shop / "library").rename(shop / "library")


def _a_worktree(tmp_path: Path) -> Path:
    shop = repository(tmp_path / "made")
    git(shop, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "shop"))
    return tmp_path / "shop"


def _detached(tmp_path: Path) -> Path:
    shop = repository(tmp_path / "shop")
    git(shop, "checkout", "--quiet", "--detach")
    return shop


def _shallow(tmp_path: Path) -> Path:
    made = repository(tmp_path / "made")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{made}", "shop")
    return tmp_path / "shop"


def _named(name: str) -> Callable[[Path], Path]:
    return lambda tmp_path: repository(tmp_path / name)


def _configured(*settings: str) -> Callable[[Path], Path]:
    def make(tmp_path: Path) -> Path:
        shop = repository(tmp_path / "shop")
        for setting in settings:
            git(shop, "config", *setting.split("=", 1))
        return shop

    return make


def _with_branch(name: str) -> Callable[[Path], Path]:
    def make(tmp_path: Path) -> Path:
        shop = repository(tmp_path / "shop")
        git(shop, "branch", name)
        return shop

    return make


@pytest.mark.parametrize(
    "make",
    [
        _bare,
        _bare_beside,
        _merging,
        _with_submodule,
        _a_submodule,
        _a_worktree,
        _detached,
        _shallow,
        _named("with space"),
        _named("ünï-日本"),
        _named("-dash"),
        _named("trailing "),
        _named("'quoted\"\nline"),
        _configured("core.safecrlf=true", "core.autocrlf=input"),
        _configured("commit.gpgsign=true", "user.useConfigOnly=true"),
        _configured("status.showUntrackedFiles=no", "diff.noprefix=true"),
        _configured("core.fsmonitor=true", "core.untrackedCache=true"),
        _with_branch("crew"),
        _with_branch("crew/r1"),
        _with_branch("crew/r1-2"),
    ],
    ids=range(20),
)
def test_hard_repositories_are_worked_on_and_left_alone(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    source = make(tmp_path)
    head = git(source, "rev-parse", "HEAD")
    branches = git(source, "branch", "--format=%(refname)").splitlines()
    status = git(source, "status", "--porcelain", check=False)

    workspace = prepare(tmp_path, source)
    name = workspace.names[0]
    seen = workspace.read(f"{name}/a.txt")
    worktrees.is_dirty(source)
    workspace.write(f"{name}/new.txt", "new\r\nlines\n")
    workspace.finish()

    change = workspace.changes()[0]
    assert seen.startswith(("one", "left"))
    assert (change.files, change.insertions) == (1, 2)
    assert change.branch is not None
    assert git(source, "show", f"{change.branch}:new.txt").startswith("new")
    assert git(source, "rev-parse", "HEAD") == head
    assert git(source, "status", "--porcelain", check=False) == status
    workspace.discard()
    assert git(source, "branch", "--format=%(refname)").splitlines() == branches


def test_nothing_is_written_where_it_would_be_lost(tmp_path: Path) -> None:
    workspace = prepare(tmp_path, _with_submodule(tmp_path))
    again = Workspace.reopen(workspace.root, "r1")

    for one in (workspace, again):
        for path in ("shop/library/x.txt", "shop/library/a/b.txt", "shop/library"):
            with pytest.raises(WorkspaceError, match="submodule"):
                one.write(path, "lost")
    assert workspace.write("shop/library.txt", "kept") == 4


def test_the_inside_of_a_repository_is_refused(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(shop), str(bare))

    for inside in (shop / ".git", shop / ".git/hooks", bare / "objects"):
        with pytest.raises(WorkspaceError, match="inside of a git repository"):
            prepare(tmp_path, inside)


def test_a_broken_repository_is_refused_and_not_copied(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/.git").write_text("gitdir: /gone\n", encoding="utf-8")

    with pytest.raises(WorkspaceError, match="not a git repository"):
        prepare(tmp_path, tmp_path / "shop")


def test_a_second_repository_that_fails_takes_the_first_away(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/.git").write_text("gitdir: /gone\n", encoding="utf-8")

    with pytest.raises(WorkspaceError):
        prepare(tmp_path, shop, tmp_path / "broken")
    assert git(shop, "branch", "--format=%(refname:short)") == "main\n"
    assert len(git(shop, "worktree", "list").splitlines()) == 1


def test_a_worktree_that_cannot_be_made_leaves_no_branch(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/x").touch()

    with pytest.raises(WorkspaceError, match="already exists"):
        worktrees.add(shop, tmp_path / "taken", "shop", "r1")
    assert git(shop, "branch", "--format=%(refname:short)") == "main\n"


def test_without_git_a_plain_directory_is_copied_and_a_repository_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = repository(tmp_path / "shop")
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(WorkspaceError, match="git is not installed"):
        prepare(tmp_path, shop)
    assert prepare(tmp_path, tmp_path / "plain").names == ("plain",)


def test_renamed_and_binary_files_are_counted(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    workspace = prepare(tmp_path, shop)
    where = workspace.root / "shop"
    (where / "a.txt").rename(where / "b => c.txt")
    (where / "tab\tand\nline.bin").write_bytes(bytes(range(256)))

    workspace.finish()

    change = workspace.changes()[0]
    assert (change.files, change.insertions, change.deletions) == (2, 0, 0)


def test_the_environment_cannot_point_git_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, other = repository(tmp_path / "shop"), repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

    workspace = prepare(tmp_path, shop)
    workspace.write("shop/a.txt", "changed")
    workspace.finish()

    assert workspace.changes()[0].files == 1
    assert git(other, "branch", "--format=%(refname:short)") == "main\n"
    assert git(other, "status", "--porcelain") == ""


def test_nothing_that_a_repository_configures_to_run_is_run(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    marker = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho $0 >>'{marker}'\ncat\n", encoding="utf-8")
    script.chmod(0o755)
    for hook in (
        "post-checkout",
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
    ):
        (shop / ".git/hooks" / hook).unlink(missing_ok=True)
        (shop / ".git/hooks" / hook).symlink_to(script)
    for key in ("core.fsmonitor", "diff.external", "diff.shown.textconv"):
        git(shop, "config", key, str(script))
    git(shop, "config", "diff.shown.command", str(script))
    git(shop, "config", "gpg.program", str(script))
    git(shop, "config", "commit.gpgsign", "true")
    git(shop, "config", "core.editor", str(script))
    git(shop, "config", "core.pager", str(script))
    marker.unlink(missing_ok=True)

    workspace = prepare(tmp_path, shop)
    worktrees.is_dirty(shop)
    workspace.write("shop/.gitattributes", "* diff=shown\n")
    workspace.write("shop/a.txt", "changed\n")
    workspace.commit("crew: work")
    workspace.finish()
    changes = workspace.changes()
    Workspace.reopen(workspace.root, "r1").discard()

    assert changes[0].files == 2
    assert not marker.exists(), marker.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content"),
    [(".gitmodules", "garbage ["), (".gitattributes", "[[[ \n"), (".gitignore", "[")],
)
def test_a_broken_file_of_gits_does_not_stop_a_commit(
    tmp_path: Path, name: str, content: str
) -> None:
    workspace = prepare(tmp_path, repository(tmp_path / "shop"))

    workspace.write(f"shop/{name}", content)
    workspace.finish()

    assert workspace.changes()[0].files == 1
