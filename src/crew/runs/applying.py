"""`crew apply`: what a run changed comes into the user's checkouts, all or none."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from crew.errors import WorkspaceError
from crew.runs.directory import RUNNING
from crew.runs.listing import ListedRun
from crew.workspace import Workspace, merging
from crew.workspace.difference import Change
from crew.workspace.leaving import apply_copy
from crew.workspace.worktrees import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came into one directory. `files` is None where all was there already,
    `commit` where nothing was committed. `ignored` are files that git ignores: they
    stay where they are, at `path`."""

    source: Path
    files: int | None
    path: Path
    commit: str | None
    ignored: tuple[str, ...] = ()


class NotApplied(WorkspaceError):
    """Nothing was applied; every checkout is as it was. The text says how to go on."""


def apply(run: ListedRun, *, patch: bool) -> list[Applied]:
    """Merge the branches of a run into what is checked out, or, as a `patch`, leave the
    changes there without a commit. Raises NotApplied."""
    workspace = ready(run)
    try:
        changes = workspace.changes()
    except WorkspaceError as exc:
        raise NotApplied(str(exc)) from exc
    steps = _steps(run, workspace)
    note = f"crew apply {run.run}"
    with ExitStack() as undo:
        for step in steps.values():
            _carried_out(undo, _taking(step, note, not patch), _taking_back(step))
        for number, one in enumerate(workspace.repositories):
            if one.branch is None and one.base is not None:
                file = workspace.root.with_suffix(f".{number}.patch")
                undo_copy = _applying(one, file, "--reverse")
                undo.callback(file.unlink, missing_ok=True)
                _carried_out(undo, _applying(one, file), undo_copy)
        undo.pop_all()
    for file in workspace.root.parent.glob(f"{workspace.root.name}.*.patch"):
        file.unlink()
    return [_applied(change, steps.get(change.source), patch) for change in changes]


def ready(run: ListedRun) -> Workspace:
    """The workspace of a run whose work can be used. Raises NotApplied."""
    if run.status == RUNNING:
        raise NotApplied(f"run {run.run} is still running")
    if run.rehearsal:
        raise NotApplied(
            f"run {run.run} was a rehearsal: its text is scripted; see crew diff "
            f"{run.run}"
        )
    try:
        workspace = Workspace.recorded(run.directory.workspace, run.run)
    except WorkspaceError as exc:
        raise NotApplied(str(exc)) from exc
    if not workspace.repositories:
        raise NotApplied(
            f"run {run.run} had no repository; its files are in {workspace.root}"
        )
    return workspace


def _steps(run: ListedRun, workspace: Workspace) -> dict[Path, merging.Step]:
    """The step of each checkout, all of which are possible. Raises NotApplied."""
    steps: dict[Path, merging.Step] = {}
    again = f"then: crew apply {run.run}"
    try:
        for one in workspace.repositories:
            if one.branch is not None:
                step = steps.get(one.source) or merging.start(one.source)
                steps[one.source] = merging.with_branch(step, one.branch)
        for step in steps.values():
            merging.check(step)
    except merging.Conflict as exc:
        raise NotApplied(
            f"{exc}; nothing was applied. Merge it by hand: git -C {exc.source} merge "
            f"{exc.branch}"
        ) from exc
    except WorkspaceError as exc:
        raise NotApplied(f"{exc}; nothing was applied. {again}") from exc
    return steps


def _carried_out(
    undo: ExitStack, work: Callable[[], None], back: Callable[[], None]
) -> None:
    try:
        work()
    except WorkspaceError as exc:
        raise NotApplied(f"{exc}; nothing was applied") from exc
    undo.callback(back)


def _taking(step: merging.Step, note: str, commit: bool) -> Callable[[], None]:
    return lambda: merging.take(step, note=note, commit=commit)


def _taking_back(step: merging.Step) -> Callable[[], None]:
    return lambda: merging.take_back(step)


def _applying(one: Repository, file: Path, *options: str) -> Callable[[], None]:
    return lambda: apply_copy(one, file, *options)


def _applied(change: Change, step: merging.Step | None, patch: bool) -> Applied:
    there = step is not None and step.before == step.after
    return Applied(
        source=change.source,
        files=None if there else change.files,
        path=change.path,
        commit=None if step is None or patch else step.after,
        ignored=change.ignored,
    )
