"""The life of a run: prepare, kick off, keep each result, report. One way in for
`crew run`, `crewai run` and scripts."""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from crewai import Crew
from crewai.events import event_context
from crewai.tasks.task_output import TaskOutput

from crew.calls.run import Run
from crew.clock import SystemClock
from crew.crew import assemble, placeholders
from crew.errors import (
    BadRequest,
    CrewError,
    Mistake,
    ProviderError,
    QuotaExceeded,
    RunFailed,
    SettingsError,
    WorkspaceError,
)
from crew.journal import new_run_id
from crew.notices import Listener
from crew.reports.document import run_document
from crew.reports.report import RunReport, build_report, write_document
from crew.runs.rehearsal import NOTICE, needed, rehearsing
from crew.settings import Inputs, Settings, TaskSpec
from crew.settings.values import at_home
from crew.workspace import Workspace, worktrees
from crew.workspace.workspace import hide_from_git

LET_GO_SECONDS = 10.0
"""How long an interrupted run takes at most to commit its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. `raw` is the crew's final text, empty when there is none;
    `document` is what `output/<run>/run.json` holds."""

    run_id: str
    status: str
    raw: str
    error: CrewError | None
    report: RunReport
    document: Mapping[str, Any]
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """A run that another thread works on, for the one that is told to stop it."""

    run: Run
    workspace: Workspace
    directory: Path

    def interrupt(self, why: str) -> Outcome | None:
        """End the run from outside; None when it has come to its end by itself. The
        thread that works on it never comes back, so the process has to end."""
        if not self.run.end():
            return None
        return _interrupted(self.run, self.workspace, self.directory, why)


def execute(
    settings: Settings,
    inputs: Inputs,
    *,
    run_id: str | None = None,
    output: Path,
    listener: Listener = lambda line: None,
    started: Callable[[Underway], None] = lambda underway: None,
) -> Outcome:
    """Run the crew on checked inputs, under a new id or the one given. What ends a
    run early is in the outcome. `started` is given the run before its first call.

    Raises WorkspaceError or StoreUnavailable when the run cannot start.
    """
    inputs, run_id = at_home(inputs), run_id or new_run_id(SystemClock())
    directory = output / run_id
    rehearsal = needed(settings)
    workspace = Workspace.prepare(directory / "workspace", run_id, inputs)
    hide_from_git(output)
    for repository in workspace.repositories:
        if worktrees.is_dirty(repository.source):
            listener(f"{repository.name}: what is not committed is not seen")
    record = {"inputs": asdict(inputs), "rehearsal": rehearsal}
    _write(directory / "inputs.json", json.dumps(record, indent=2))
    tell = _Watchers(listener=listener, started=started)
    with _held(directory):
        return _carry_out(settings, inputs, workspace, directory, rehearsal, tell)


def resumed(
    settings: Settings,
    run_id: str,
    *,
    output: Path,
    listener: Listener = lambda line: None,
    started: Callable[[Underway], None] = lambda underway: None,
) -> Outcome:
    """Take a run up again where it stopped: no finished task runs twice.

    Raises SettingsError when there is no such run, when it is still running, or when
    it was a rehearsal and a key is set now.
    """
    directory = output / run_id
    try:
        record = json.loads((directory / "inputs.json").read_text(encoding="utf-8"))
        inputs = Inputs(**record["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        known = sorted(path.parent.name for path in output.glob("*/inputs.json"))
        latest = f"; the latest is {known[-1]}" if known else "; there are none"
        raise _refused(f"no run {run_id!r} in {output}/{latest}") from None
    rehearsal = needed(settings)
    if record["rehearsal"] != rehearsal:
        was = (
            "a rehearsal, and a key is set now"
            if record["rehearsal"]
            else ("no rehearsal, and no key is set now")
        )
        raise _refused(f"run {run_id} was {was}: start a new run")
    with _held(directory):
        workspace = Workspace.reopen(directory / "workspace", run_id)
        tell = _Watchers(listener=listener, started=started)
        return _carry_out(settings, inputs, workspace, directory, rehearsal, tell)


def quiet() -> None:
    """Keep off the terminal what CrewAI says to those who develop CrewAI. For a
    command line: what ends a run is in its outcome, and told once."""
    logging.getLogger("crewai").setLevel(logging.CRITICAL)
    silent = event_context.MismatchBehavior.SILENT
    event_context._default_config.mismatch_behavior = silent
    event_context._default_config.empty_pop_behavior = silent


@contextmanager
def opened_crew(
    settings: Settings, output: Path, listener: Listener = lambda line: None
) -> Iterator[Crew]:
    """A fresh crew; without any key it rehearses."""
    with _providers(settings, needed(settings), listener) as settings:
        yield fresh_crew(settings, output)


def fresh_crew(settings: Settings, output: Path) -> Crew:
    """A crew in a run of its own, with an empty workspace, for scripts."""
    run_id = new_run_id(SystemClock())
    directory = output / run_id
    workspace = Workspace.prepare(directory / "workspace", run_id, Inputs(request=""))
    hide_from_git(output)
    run = Run.open(settings, output=directory.absolute(), run_id=run_id)
    crew = assemble(run, workspace)

    def finish(result: Any) -> Any:
        run.journal.finish_run(run_id, "done")
        return result

    # A script says nothing when it is done with its crew: each kickoff does.
    crew.after_kickoff_callbacks.append(finish)
    return crew


def _refused(message: str) -> SettingsError:
    return SettingsError(
        [Mistake(file="arguments", line=None, key="--resume", message=message)]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watchers:
    """Who is told what of a run."""

    listener: Listener
    started: Callable[[Underway], None]


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Lock a run while this process works on it. The lock ends with the process,
    however that ends; `crew report` tells by it which runs were killed."""
    with (directory / "inputs.json").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refused(f"run {directory.name} is still running") from None
        yield


def _carry_out(
    settings: Settings,
    inputs: Inputs,
    workspace: Workspace,
    directory: Path,
    rehearsal: bool,
    tell: _Watchers,
) -> Outcome:
    with _providers(settings, rehearsal, tell.listener) as settings:
        run = Run.open(
            settings,
            output=directory.absolute(),
            run_id=directory.name,
            listener=tell.listener,
        )
        tell.started(Underway(run=run, workspace=workspace, directory=directory))
        hide_from_git(settings.state_dir)
        try:
            return _kick_off(run, inputs, workspace, directory)
        finally:
            run.close()


@contextmanager
def _providers(
    settings: Settings, rehearsal: bool, listener: Listener
) -> Iterator[Settings]:
    if not rehearsal:
        yield settings
        return
    listener(NOTICE)
    with rehearsing(settings) as played:
        yield played


def _kick_off(
    run: Run, inputs: Inputs, workspace: Workspace, directory: Path
) -> Outcome:
    finished = _finished(run, directory)
    run.guard.listener(f"run {run.id}: results go to {directory}/")

    def keep(spec: TaskSpec, output: TaskOutput) -> None:
        # The file first: a task counts as finished only when its result is there.
        if run.failure is None:
            _write(directory / f"{spec.name}.md", output.raw)
            run.journal.finish_task(run.id, spec.name, spec.agent or output.agent)
            workspace.commit(f"crew: {spec.name}")
            run.guard.listener(f"{spec.name} is done")

    crew = assemble(run, workspace, finished=finished, on_result=keep)
    values = {**inputs.values, **placeholders(run.settings, workspace, inputs.request)}
    raw, error = "", None
    try:
        if crew.tasks:
            result: Any = crew.kickoff(inputs=values)
            raw = str(result.raw)
        else:
            raw = list(finished.values())[-1]
    except CrewError as exc:
        error = exc
    except KeyboardInterrupt:
        if run.end():
            _interrupted(run, workspace, directory, "interrupted")
        raise
    except Exception as exc:  # CrewAI raises bare Exceptions, e.g. for a failed gate
        error = RunFailed(f"{type(exc).__name__}: {exc}")
        error.__cause__ = exc
    if not run.end():
        # Another thread ends the run, with all that is open here, and the process.
        Event().wait()
    # A coworker's failure is the run's, even where the manager wrote around it.
    error = run.failure or error
    if isinstance(error, ProviderError):
        # What a provider says to a bad request is often all there is to act on.
        said = f": {error.raw}" if isinstance(error, BadRequest) and error.raw else ""
        error = RunFailed(f"{type(error).__name__}: {error}{said}")
    workspace.finish()
    raw = raw if error is None else ""
    return _conclude(run, directory, raw, error, _pointer(workspace))


def _interrupted(run: Run, workspace: Workspace, directory: Path, why: str) -> Outcome:
    """End a run in the middle, in bounded time: git may be waiting for a lock, or
    for a disk."""
    run.interrupt()
    pointer: dict[str, Any] = {"path": str(workspace.root), "repositories": []}

    def let_go() -> None:
        # What cannot be committed stays in the worktree, and a resumed run takes it.
        with suppress(WorkspaceError):
            workspace.finish()
            pointer.update(_pointer(workspace))

    thread = Thread(target=let_go, daemon=True)
    thread.start()
    thread.join(LET_GO_SECONDS)
    return _conclude(run, directory, "", RunFailed(why), pointer)


def _conclude(
    run: Run,
    directory: Path,
    raw: str,
    error: CrewError | None,
    workspace: Mapping[str, Any],
) -> Outcome:
    match error:
        case None:
            status = "done"
        case QuotaExceeded():
            status = "closed"
        case _:
            status = "failed"
    run.journal.finish_run(run.id, status)
    report = build_report(run.journal, run.id)
    record = run.journal.run(run.id)
    assert record is not None
    document = run_document(
        report,
        record,
        run.journal.tasks(run.id),
        _finished(run, directory),
        raw or None,
        workspace,
        error=str(error) if error is not None else None,
        closed=error.closed if isinstance(error, QuotaExceeded) else (),
    )
    write_document(directory / "run.json", document)
    return Outcome(
        run_id=run.id,
        status=status,
        raw=raw,
        error=error,
        report=report,
        document=document,
        output=directory,
    )


def _finished(run: Run, directory: Path) -> dict[str, str]:
    """The results of the tasks that ended, in the order of tasks.yaml."""
    done = {task.name for task in run.journal.tasks(run.id) if task.status == "done"}
    return {
        name: path.read_text(encoding="utf-8")
        for name in run.settings.tasks
        if name in done and (path := directory / f"{name}.md").exists()
    }


def _pointer(workspace: Workspace) -> dict[str, Any]:
    return {
        "path": str(workspace.root),
        "repositories": [
            {
                name: str(value) if isinstance(value, Path) else value
                for name, value in asdict(change).items()
            }
            for change in workspace.changes()
        ],
        "files": _outside(workspace),
    }


def _outside(workspace: Workspace) -> list[str]:
    """The files of the workspace that are in no repository, and were not given."""
    held = {repository.path.name for repository in workspace.repositories}
    return [
        name
        for name in workspace.files()
        if Path(name).parts[0] not in held and name not in workspace.images
    ]


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    # Models write lone surrogates, which UTF-8 cannot say.
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(path)
