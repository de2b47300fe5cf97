"""`crew clean`: what runs leave behind, removed; never work that is nowhere else."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crew.errors import CrewError, WorkspaceError
from crew.runs.directory import RUNNING, RunDirectory
from crew.runs.listing import ListedRun
from crew.workspace import Workspace
from crew.workspace.leaving import losses, remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What one run left. `kept_for` says why it must stay, one line each; `bytes` is
    what it takes on the disk."""

    run: ListedRun
    bytes: int
    kept_for: tuple[str, ...]
    running: bool = False


def leftover(run: ListedRun) -> Leftover:
    """What a run left, and whether it may go."""
    if run.status == RUNNING:
        reason = (f"run {run.run} is still running",)
        return Leftover(run=run, bytes=0, kept_for=reason, running=True)
    size = sum(_sizes(run.directory.path))
    lost = () if run.rehearsal else tuple(work_left(run.directory))
    return Leftover(run=run, bytes=size, kept_for=lost)


def clean(found: Leftover, state: Path) -> None:
    """Remove the worktrees, branches, refs and files of a run; its row in the journal
    stays, with what it cost. Raises CrewError; a run that runs is not touched."""
    directory = found.run.directory
    with directory.hold():
        with suppress(WorkspaceError):
            workspace = Workspace.recorded(directory.workspace, found.run.run)
            for repository in workspace.repositories:
                remove(repository, found.run.run)
        for path in (directory.path, state / "results" / found.run.run):
            try:
                shutil.rmtree(path)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise CrewError(f"{path} cannot be removed: {exc.strerror}") from exc


def work_left(directory: RunDirectory) -> Iterator[str]:
    """What of a run's work is nowhere else, one line each."""
    try:
        workspace = Workspace.recorded(directory.workspace, directory.run)
    except WorkspaceError as exc:
        if directory.workspace.is_dir():
            yield str(exc)
        return
    written = workspace.touched()
    held = {repository.path.name for repository in workspace.repositories}
    for repository in workspace.repositories:
        yield from losses(repository, written)
    for name in written:
        path = workspace.root / name
        if Path(name).parts[0] not in held and path.is_file():
            yield f"{path} is in no repository"


def _sizes(path: Path) -> Iterator[int]:
    for one in path.rglob("*"):
        with suppress(OSError):
            yield one.lstat().st_blocks * 512
