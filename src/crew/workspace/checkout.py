"""A repository as it was at the base of a run, for a while."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crew.workspace.git import git
from crew.workspace.submodules import fill
from crew.workspace.worktrees import Repository


@contextmanager
def at_base(repository: Repository, directory: Path) -> Iterator[Path]:
    """A worktree of the base commit in `directory`, which is gone afterwards. Raises
    WorkspaceError."""
    top, path = repository.source, str(directory)
    add = ("worktree", "add", "--quiet", "--no-checkout", "--detach")
    try:
        git(top, *add, path, str(repository.base))
        git(directory, "reset", "--quiet", "--hard")
        fill(top, directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        git(top, "worktree", "remove", "--force", path, check=False)
