"""The life of a run: prepare, kick off, keep each result, report. One way in for
`crew run`, `crewai run` and scripts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from crew.calls.run import Run
from crew.clock import SystemClock
from crew.crew import assemble, placeholders
from crew.errors import CrewError, RunFailed
from crew.journal import new_run_id
from crew.notices import Listener
from crew.runs.directory import Beginning, RunDirectory, hide_from_git, refused
from crew.runs.ending import Outcome, Underway
from crew.runs.judging import watching
from crew.runs.rehearsal import NOTICE, needed, rehearsing
from crew.settings import Inputs, Settings
from crew.settings.unasked import put_to_first
from crew.settings.values import at_home
from crew.workspace import Workspace
from crew.workspace.worktrees import is_dirty

if TYPE_CHECKING:
    from crewai import Crew


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watchers:
    """Those who follow a run: `listener` gets its notices, `started` the run itself
    before its first call."""

    listener: Listener
    started: Callable[[Underway], None]


def execute(
    settings: Settings,
    inputs: Inputs,
    *,
    run_id: str | None = None,
    output: Path,
    listener: Listener = lambda line: None,
    started: Callable[[Underway], None] = lambda underway: None,
) -> Outcome:
    """Run the crew on checked inputs, under a new id or the one given. An error
    that ends the run is in the outcome. `started` gets the run before its first call.

    Raises WorkspaceError or StoreUnavailable when the run cannot start.
    """
    inputs, run_id = at_home(inputs), run_id or new_run_id(SystemClock())
    directory = RunDirectory(output / run_id)
    beginning = Beginning(inputs=inputs, rehearsal=needed(settings))
    workspace = Workspace.prepare(directory.workspace, run_id, inputs)
    hide_from_git(output)
    for repository in workspace.repositories:
        if is_dirty(repository.source):
            listener(f"{repository.name}: what is not committed is not seen")
    directory.begin(beginning)
    watchers = _Watchers(listener=listener, started=started)
    with directory.hold():
        return _carry_out(settings, beginning, workspace, directory, watchers)


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
    directory = RunDirectory(output / run_id)
    beginning = directory.beginning()
    if beginning.rehearsal != needed(settings):
        was = (
            "a rehearsal, and a key is set now"
            if beginning.rehearsal
            else "no rehearsal, and no key is set now"
        )
        raise refused(f"run {run_id} was {was}: start a new run")
    with directory.hold():
        workspace = Workspace.reopen(directory.workspace, run_id)
        watchers = _Watchers(listener=listener, started=started)
        return _carry_out(settings, beginning, workspace, directory, watchers)


@contextmanager
def opened_crew(
    settings: Settings, output: Path, listener: Listener = lambda line: None
) -> Iterator["Crew"]:
    """A fresh crew; without any key it rehearses."""
    with _providers(settings, needed(settings), listener) as settings:
        yield fresh_crew(settings, output)


def fresh_crew(settings: Settings, output: Path) -> "Crew":
    """A crew in a run of its own, with an empty workspace, for scripts."""
    run_id = new_run_id(SystemClock())
    directory = RunDirectory(output / run_id)
    workspace = Workspace.prepare(directory.workspace, run_id, Inputs(request=""))
    hide_from_git(output)
    run = Run.open(settings, output=directory.path.absolute(), run_id=run_id)
    crew = assemble(run, workspace)

    def finish(result: Any) -> Any:
        run.journal.finish_run(run_id, "done")
        return result

    # A script says nothing when it is done with its crew: each kickoff does.
    crew.after_kickoff_callbacks.append(finish)
    return crew


def _carry_out(
    settings: Settings,
    beginning: Beginning,
    workspace: Workspace,
    directory: RunDirectory,
    watchers: _Watchers,
) -> Outcome:
    settings, lines = put_to_first(settings, beginning.inputs)
    for line in lines:
        watchers.listener(line)
    with _providers(settings, beginning.rehearsal, watchers.listener) as settings:
        run = Run.open(
            settings,
            output=directory.path.absolute(),
            run_id=directory.run,
            listener=watchers.listener,
        )
        underway = Underway(run=run, workspace=workspace, directory=directory)
        watchers.started(underway)
        hide_from_git(settings.state_dir)
        try:
            return _kick_off(underway, beginning.inputs)
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


def _kick_off(underway: Underway, inputs: Inputs) -> Outcome:
    run, workspace, finished = underway.run, underway.workspace, underway.results()
    run.guard.listener(f"run {run.id}: results go to {underway.directory.path}/")

    crew = assemble(run, workspace, finished=finished, watch=watching(underway))
    values = {**inputs.values, **placeholders(run.settings, workspace, inputs.request)}
    raw, error = "", None
    try:
        raw = _result(crew, values) if crew.tasks else list(finished.values())[-1]
    except CrewError as exc:
        error = exc
    except KeyboardInterrupt:
        underway.interrupt("interrupted")
        raise
    except Exception as exc:  # CrewAI raises bare Exceptions, e.g. for a failed gate
        error = RunFailed(f"{type(exc).__name__}: {exc}")
        error.__cause__ = exc
    if not run.end():
        # Another thread ends the run, with all that is open here, and the process.
        Event().wait()
    return underway.finish(raw, error)


def _result(crew: "Crew", values: Mapping[str, str]) -> str:
    result: Any = crew.kickoff(inputs=dict(values))
    return str(result.raw)
