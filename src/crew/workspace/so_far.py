"""What a run changed so far, while it works: the files as they are now."""

from collections.abc import Iterator

from crew.workspace.git import git
from crew.workspace.workspace import Workspace
from crew.workspace.worktrees import DIFF


def changed_so_far(workspace: Workspace) -> str:
    """The difference of each repository to the beginning of the run, then the names of
    its new files. Changes nothing, not even git's index. Raises WorkspaceError."""
    return "\n".join(_lines(workspace))


def _lines(workspace: Workspace) -> Iterator[str]:
    for repository in workspace.repositories:
        if repository.branch is None or repository.base is None:
            yield f"{repository.name}: see {repository.path}"
            continue
        shown = git(repository.path, *DIFF, "--no-color", repository.base, "--")
        new = git(
            repository.path, "ls-files", "--others", "--exclude-standard", "-z"
        ).split("\0")
        yield from shown.splitlines()
        yield from (f"new file: {name}" for name in new if name)
