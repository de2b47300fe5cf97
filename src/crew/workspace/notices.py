"""What a person may want to know about the repositories that a run works on."""

from crew.workspace.secrets import listed
from crew.workspace.worktrees import Repository


def notices(repository: Repository) -> list[str]:
    """What is left out here, or does not run, one line each."""
    lines = []
    if repository.secrets:
        what = "left out" if repository.branch is None else "read by no tool"
        names = listed(repository.secrets)
        lines.append(f"{repository.name}: {what}, as secrets: {names}")
    if repository.empty:
        names = ", ".join(repository.empty)
        lines.append(
            f"{repository.name}: these submodules are empty here: {names}; to have "
            f"them: git -C {repository.source} submodule update --init --recursive"
        )
    if repository.filters:
        names = ", ".join(repository.filters)
        lines.append(
            f"{repository.name}: git's filter {names} does not run here: its files "
            "are as git stores them, large files as pointers"
        )
    return lines
