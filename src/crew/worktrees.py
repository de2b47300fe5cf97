"""Git worktrees for a run: the crew works on a branch of its own, and the user's
checkout is never touched."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crew.errors import WorkspaceError

SKIPPED = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})
COPY_BYTES = 200 * 1024 * 1024
_SECONDS = 120
# No hooks, no signing, no identity needed: what the user configured for commits of
# his own must neither run nor stop this.
_OPTIONS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "commit.gpgsign=false",
    "-c", "user.name=crew",
    "-c", "user.email=crew@localhost",
    "-c", "core.fsmonitor=false",
    "-c", "gc.auto=0",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One repository of a run.

    `source` is the user's directory, `path` the crew's. `branch` and `base` (a
    commit) are None for a copy of what is no git repository.
    """

    name: str
    source: Path
    path: Path
    branch: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a run changed in one repository."""

    name: str
    source: Path
    path: Path
    branch: str | None
    base: str | None
    files: int
    insertions: int
    deletions: int


def add(source: Path, directory: Path, name: str, run: str) -> Repository:
    """Make a worktree of a git repository, or a copy of any other directory.

    Raises WorkspaceError when git refuses, or when a copy would be too large.
    """
    source = source.resolve()
    top = _top_level(source)
    if top is None:
        _copy(source, directory)
        return Repository(name=name, source=source, path=directory)
    branch = f"crew/{run}"
    base = _git(top, "rev-parse", "HEAD").strip()
    _git(top, "worktree", "add", "--quiet", "-b", branch, str(directory), "HEAD")
    return Repository(name=name, source=top, path=directory, branch=branch, base=base)


def remove(repository: Repository) -> None:
    """Take a worktree and its branch, or a copy, away again."""
    if repository.branch is not None:
        path = str(repository.path)
        _git(repository.source, "worktree", "remove", "--force", path, check=False)
        _git(repository.source, "branch", "-D", repository.branch, check=False)
    shutil.rmtree(repository.path, ignore_errors=True)


def commit(repository: Repository, message: str) -> None:
    """Commit everything that changed, if anything did."""
    if repository.branch is None:
        return
    _git(repository.path, "add", "--all")
    if _git(repository.path, "status", "--porcelain"):
        _git(repository.path, "commit", "--quiet", "--no-verify", "-m", message)


def release(repository: Repository) -> None:
    """Let go of the branch, so that the user can check it out; the files stay."""
    if repository.branch is not None:
        _git(repository.path, "checkout", "--quiet", "--detach")


def take(repository: Repository) -> None:
    """Go back to the branch, to go on with a run."""
    if repository.branch is not None:
        _git(repository.path, "checkout", "--quiet", repository.branch)


def change(repository: Repository) -> Change:
    """What the branch holds beyond its base; nothing is known of a copy."""
    rows: list[list[str]] = []
    if repository.branch is not None and repository.base is not None:
        span = f"{repository.base}..{repository.branch}"
        told = _git(repository.source, "diff", "--numstat", span)
        rows = [line.split("\t") for line in told.splitlines()]
    return Change(
        name=repository.name,
        source=repository.source,
        path=repository.path,
        branch=repository.branch,
        base=repository.base,
        files=len(rows),
        insertions=sum(int(row[0]) for row in rows if row[0].isdigit()),
        deletions=sum(int(row[1]) for row in rows if row[1].isdigit()),
    )


def is_dirty(source: Path) -> bool:
    """Whether a repository has changes that no commit holds: the crew will not see
    them."""
    top = _top_level(source.resolve())
    return top is not None and bool(_git(top, "status", "--porcelain"))


def _top_level(source: Path) -> Path | None:
    """The top of the git repository that `source` is, if it has a commit."""
    told = _git(source, "rev-parse", "--show-toplevel", check=False).strip()
    if not told or Path(told).resolve() != source:
        return None
    if not _git(source, "rev-parse", "--verify", "--quiet", "HEAD", check=False):
        return None
    return source


def _git(directory: Path, *arguments: str, check: bool = True) -> str:
    """Run git; returns what it printed, and nothing when it failed unchecked."""
    try:
        done = subprocess.run(
            ["git", *_OPTIONS, *arguments],
            cwd=directory,
            env=_environment(os.environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        if check:
            raise WorkspaceError("git is not installed") from None
        return ""
    except subprocess.TimeoutExpired:
        raise WorkspaceError(f"git {arguments[0]} took over {_SECONDS} s") from None
    if done.returncode == 0:
        return done.stdout
    if check:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise WorkspaceError(f"{directory}: git {arguments[0]}: {said[-1]}")
    return ""


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment without what points git at another repository."""
    kept = {name: value for name, value in ours.items() if name[:4] != "GIT_"}
    # Reading the user's status must not rewrite his index.
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def _copy(source: Path, directory: Path) -> None:
    size = 0

    def ignore(where: str, names: Sequence[str]) -> set[str]:
        nonlocal size
        left_out = set(SKIPPED & set(names))
        for name in set(names) - left_out:
            path = Path(where) / name
            if path.is_symlink() and not path.resolve().is_relative_to(source):
                left_out.add(name)
            elif path.is_file():
                size += path.stat().st_size
            elif not path.is_dir():
                left_out.add(name)
        if size > COPY_BYTES:
            raise WorkspaceError(
                f"{source} is no git repository and larger than "
                f"{COPY_BYTES // 2**20} MB: too large to copy"
            )
        return left_out

    try:
        shutil.copytree(source, directory, symlinks=True, ignore=ignore)
    except OSError as exc:
        raise WorkspaceError(f"{source} cannot be copied: {exc}") from exc
