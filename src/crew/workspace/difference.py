"""What a run changed in each repository: in figures, and as text."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import crew.workspace.apart as apart
from crew.errors import WorkspaceError
from crew.workspace.git import git
from crew.workspace.worktrees import DIFF, Repository
from crew.workspace.written import ignored

FORM = ("--src-prefix=a/", "--dst-prefix=b/", "--no-color", "--find-renames")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One changed file. The lines are None for a file that is not text."""

    path: str
    insertions: int | None
    deletions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a run changed in one repository.

    `branch` is None where the user's repository has none: after a rehearsal, and for a
    copy. `head` is the commit with the changes, None without git. `ignored` are files
    that the crew wrote and git ignores: they are in no commit, but kept in `path`.
    `compared` is false for a copy that was made without git: nobody knows its changes.
    """

    name: str
    source: Path
    path: Path
    branch: str | None
    base: str | None
    head: str | None
    files: int
    insertions: int
    deletions: int
    changed: tuple[FileChange, ...] = ()
    ignored: tuple[str, ...] = ()
    compared: bool = True


def change(repository: Repository, written: Iterable[str] = ()) -> Change:
    """What the run changed; `written` are the files that the crew wrote, as it names
    them. Raises WorkspaceError."""
    head = head_of(repository)
    rows = _rows(repository, head)
    left_out: list[str] = []
    if repository.branch is not None:
        left_out = ignored(repository.path, repository.path.name, written)
    return Change(
        name=repository.name,
        source=repository.source,
        path=repository.path,
        branch=None if repository.apart else repository.branch,
        base=repository.base if repository.branch is not None else None,
        head=head if repository.branch is not None else None,
        files=len(rows),
        insertions=sum(row.insertions or 0 for row in rows),
        deletions=sum(row.deletions or 0 for row in rows),
        changed=tuple(rows),
        ignored=tuple(left_out),
        compared=head is not None,
    )


def text(
    repository: Repository, written: Iterable[str] = (), *, stat: bool = False
) -> str:
    """The change as git shows it, or the figures of each file; new files that git
    ignores stand at its end. Raises WorkspaceError."""
    where, options = _where(repository)
    if repository.base is None:
        raise WorkspaceError(f"{repository.source}: its beginning was not recorded")
    kind = ("--stat=80",) if stat else ("--patch", "--binary")
    span = (repository.base, head_of(repository) or repository.base)
    shown = git(where, *options, *DIFF, *FORM, *kind, *span, "--")
    names: list[str] = []
    if repository.branch is not None:
        names = ignored(repository.path, repository.path.name, written)
    for name in names:
        # It says by its exit code that the two differ.
        new = ("--no-index", "--", "/dev/null", name)
        shown += git(repository.path, *DIFF, *FORM, *kind, *new, differs=True)
    return shown


def _where(repository: Repository) -> tuple[Path, tuple[str, ...]]:
    """Where git looks at the commits of a run: in the user's repository, if they are
    there, so that the worktree may be gone."""
    if repository.branch is None:
        return repository.path, apart.beside(repository.path, repository.began)
    return repository.path if repository.apart else repository.source, ()


def head_of(repository: Repository) -> str | None:
    """The commit with what the run changed, None where nothing was recorded. Raises
    WorkspaceError."""
    where, options = _where(repository)
    if repository.base is None:
        return None
    if repository.branch is None:
        return apart.snapshot(where, repository.began, repository.base)
    ref = f"refs/heads/{repository.branch}"
    return git(where, *options, "rev-parse", "--verify", f"{ref}^{{commit}}").strip()


def _rows(repository: Repository, head: str | None) -> list[FileChange]:
    if repository.base is None or head is None:
        return []
    where, options = _where(repository)
    kind = ("--numstat", "-z", "--find-renames")
    reported = git(where, *options, *DIFF, *kind, repository.base, head, "--")
    rows, parts = [], iter(reported.split("\0"))
    for part in filter(None, parts):
        added, removed, path = part.split("\t", 2)
        if not path:  # renamed: the old and the new name follow
            _, path = next(parts), next(parts)
        rows.append(
            FileChange(
                path=_sayable(path),
                insertions=int(added) if added.isdigit() else None,
                deletions=int(removed) if removed.isdigit() else None,
            )
        )
    return rows


def _sayable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
