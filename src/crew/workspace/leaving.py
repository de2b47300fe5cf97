"""Whether the work of a run is somewhere else too, so that it may be removed."""

import filecmp
from collections.abc import Iterable
from pathlib import Path

import crew.workspace.apart as apart
from crew.errors import WorkspaceError
from crew.workspace.difference import change, head_of
from crew.workspace.git import git
from crew.workspace.worktrees import Repository


def losses(repository: Repository, written: Iterable[str] = ()) -> list[str]:
    """What would be lost with the branch and the files of a run, one line each."""
    if repository.apart:
        return []
    if repository.branch is None and not repository.path.is_dir():
        return []
    try:
        if repository.branch is None:
            return _of_copy(repository)
        return [*_of_branch(repository), *_of_files(repository, written)]
    except WorkspaceError as exc:
        return [str(exc)]


def _of_copy(repository: Repository) -> list[str]:
    if repository.base is None:
        return [f"{repository.path}: nobody knows what changed in this copy"]
    changed = change(repository).changed
    return _missing(repository, [one.path for one in changed], "is not in")


def _of_branch(repository: Repository) -> list[str]:
    source, branch = repository.source, str(repository.branch)
    if not source.is_dir():
        return []
    ref = f"refs/heads/{branch}"
    tip = git(source, "rev-parse", "--verify", "--quiet", ref, check=False).strip()
    if not tip or tip == repository.base:
        return []
    for line in git(source, "worktree", "list", "--porcelain", "-z").split("\0\0"):
        if f"branch {ref}" in line.split("\0"):
            where = line.split("\0")[0].removeprefix("worktree ")
            if Path(where) != repository.path.resolve():
                return [f"{branch} is checked out in {where}"]
    holding = git(
        source, "for-each-ref", "--contains", tip, "--format=%(refname)", "refs"
    ).splitlines()
    ours = ("refs/heads/crew/", "refs/heads/crew-", "refs/crew/")
    if any(not name.startswith(ours) for name in holding):
        return []
    if git(source, "merge-base", "HEAD", tip, check=False).strip() == tip:
        return []
    # It may have been taken over without its commits.
    names = ("diff", "--name-only", "-z", "--no-renames")
    changed = set(git(source, *names, str(repository.base), tip).split("\0"))
    other = set(git(source, *names, tip, "HEAD").split("\0"))
    if not (changed & other) - {""}:
        return []
    return [f"{branch} is not merged in {source}"]


def _of_files(repository: Repository, written: Iterable[str]) -> list[str]:
    if not repository.path.is_dir():
        return []
    status = ("status", "--porcelain", "-z", "-unormal", "--ignore-submodules=dirty")
    left = git(repository.path, *status, check=False)
    lines = [f"{repository.path} holds work that is not committed"] if left else []
    if not left and repository.source.is_dir():
        ignored = change(repository, written).ignored if _has_branch(repository) else ()
        lines += _missing(repository, ignored, "is ignored by git, and not in")
    return lines


def _has_branch(repository: Repository) -> bool:
    ref = f"refs/heads/{repository.branch}"
    found = git(repository.source, "rev-parse", "--verify", "--quiet", ref, check=False)
    return bool(found)


def _missing(repository: Repository, names: Iterable[str], what: str) -> list[str]:
    return [
        f"{repository.path / name} {what} {repository.source}"
        for name in names
        if not _same(repository.path / name, repository.source / name)
    ]


def _same(one: Path, other: Path) -> bool:
    try:
        if not one.exists():
            return not other.exists()
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def remove(repository: Repository, run: str) -> None:
    """Take away the worktree, the branch and the refs of a run. Raises
    WorkspaceError."""
    source, branch = repository.source, repository.branch
    if branch is None or repository.apart or not source.is_dir():
        return
    path = str(repository.path)
    git(source, "worktree", "remove", "--force", "--force", path, check=False)
    below = (f"refs/crew/{run}", f"refs/crew/{run}/**")
    names = git(source, "for-each-ref", "--format=%(refname)", *below).splitlines()
    for name in (f"refs/heads/{branch}", *names):
        git(source, "update-ref", "-d", name)


def apply_copy(repository: Repository, patch: Path, *options: str) -> None:
    """Bring the change of a copy, as written to `patch`, into the directory that was
    copied: all of it, or nothing. Raises WorkspaceError."""
    where = apart.beside(repository.source, repository.began)
    if "--reverse" not in options:
        base, head = str(repository.base), str(head_of(repository))
        form = ("--binary", "--full-index", "--no-renames", "--no-color")
        prefix = ("--src-prefix=a/", "--dst-prefix=b/", "--no-ext-diff")
        span = (f"--output={patch}", base, head)
        git(repository.path, *where, "diff", *form, *prefix, *span, "--")
    if patch.stat().st_size:
        apply = ("apply", "--whitespace=nowarn", "-p1", *options, str(patch))
        git(repository.source, *where, *apply)
