"""Submodules of a worktree: filled from the user's own checkout of them, for reading.

Nothing is fetched: the addresses in `.gitmodules` are the repository's words. What the
user's checkout does not have stays empty here.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from crew.errors import WorkspaceError
from crew.workspace.git import git

_LINK = "160000"


def fill(source: Path, directory: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fill the submodules of the worktree `directory` of `source`. Returns the names
    of all at the top, and of those at any depth that stay empty."""
    every: list[str] = []
    empty: list[str] = []
    for name, commit in _links(directory):
        every.append(name)
        if _filled(source / name, directory, name, commit):
            _, deeper = fill(source / name, directory / name)
            empty += [f"{name}/{one}" for one in deeper]
        else:
            empty.append(name)
    return tuple(every), tuple(empty)


def _links(directory: Path) -> Iterator[tuple[str, str]]:
    """The name and the commit of each submodule."""
    for line in git(directory, "ls-files", "--stage", "-z").split("\0"):
        facts, _, name = line.partition("\t")
        if facts.startswith(_LINK):
            yield name, facts.split()[1]


def _filled(checkout: Path, directory: Path, name: str, commit: str) -> bool:
    """Whether the user's checkout holds the commit, which is then there."""
    # Without a `.git` of its own, git would take the repository around it.
    if not (checkout / ".git").exists():
        return False
    with suppress(WorkspaceError):
        git(checkout, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        objects = git(checkout, "rev-parse", "--git-path", "objects").strip()
        # Not by a clone: every transport of git's is off.
        git(directory, "init", "--quiet", "--", name)
        borrowed = directory / name / ".git/objects/info/alternates"
        borrowed.write_text(f"{(checkout / objects).resolve()}\n", encoding="utf-8")
        git(directory / name, "checkout", "--quiet", "--detach", commit)
        return True
    return False
