"""The life of a run: prepare, kick off, keep each result, report. One way in for
`crew run`, `crewai run` and scripts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from crew.calls.run import Run
from crew.checks import Checks
from crew.clock import SystemClock
from crew.crew import assemble, placeholders
from crew.errors import CrewError, RunFailed
from crew.journal import new_run_id
from crew.ladder.work import decided, decided_lines, defaults
from crew.notices import Listener
from crew.own import Own, gather
from crew.progress.events import Noticed
from crew.progress.log import EventLog
from crew.progress.progress import Progress
from crew.runs.announcing import run_begun
from crew.runs.comparing import compared
from crew.runs.current import with_current
from crew.runs.directory import (
    Beginning,
    RunDirectory,
    hide_from_git,
    refused,
)
from crew.runs.ending import Outcome, Underway
from crew.runs.judging import watching
from crew.runs.keeping import Keeping
from crew.runs.observing import observe
from crew.runs.rehearsal import needed, playing
from crew.runs.retention import retain
from crew.runs.standing import standing
from crew.settings import Inputs, Settings
from crew.settings.inputs import at_home
from crew.settings.placeholders import fill
from crew.settings.unasked import put_to_first
from crew.texts.stream import safe_streams
from crew.workspace import Workspace
from crew.workspace.worktrees import is_dirty

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watchers:
    """Those who follow a run: `progress` has its events and notices, `started` gets the
    run itself before its first call. `own` is what the crew gets of its user's."""

    own: Own
    progress: Progress
    started: Callable[[Underway], None]


def execute(
    settings: Settings,
    inputs: Inputs,
    *,
    run_id: str | None = None,
    output: Path,
    listener: Listener = lambda line: None,
    started: Callable[[Underway], None] = lambda underway: None,
    progress: Progress | None = None,
) -> Outcome:
    """Run the crew on checked inputs, under a new id or the one given. An error
    that ends the run is in the outcome. `started` gets the run before its first call,
    `progress` its events; a `listener` gets its notices where there is no `progress`.

    Raises SettingsError, WorkspaceError or StoreUnavailable when it cannot start.
    """
    own = gather(settings)
    inputs, current = with_current(settings, at_home(inputs))
    run_id = run_id or new_run_id(SystemClock())
    progress = progress or _progress(settings, run_id, listener)
    directory = RunDirectory(output / run_id, settings.secrets)
    beginning = _beginning(settings, inputs)
    workspace = Workspace.prepare(
        directory.workspace,
        run_id,
        inputs,
        own=(output, settings.state_dir),
        rehearsal=beginning.rehearsal,
    )
    hide_from_git(output)
    for line in (*current, *workspace.notices):
        # Where it works is no loose end; that it works nowhere is.
        progress.notice(line, lasting=line not in current or not inputs.repositories)
    for repository in workspace.repositories:
        if is_dirty(repository.source):
            progress.notice(f"{repository.name}: what is not committed is not seen")
    directory.begin(beginning)
    watchers = _Watchers(progress=progress, started=started, own=own)
    with directory.hold():
        return _carry_out(settings, beginning, workspace, directory, watchers)


def _beginning(settings: Settings, inputs: Inputs) -> Beginning:
    asked, _ = put_to_first(settings, inputs)
    return Beginning(
        inputs=inputs,
        rehearsal=needed(settings),
        comparison=compared(settings),
        complexities=defaults(decided(asked, inputs)),
    )


def resumed(
    settings: Settings,
    run_id: str,
    *,
    output: Path,
    listener: Listener = lambda line: None,
    started: Callable[[Underway], None] = lambda underway: None,
    progress: Progress | None = None,
) -> Outcome:
    """Take a run up again where it stopped: no finished task runs twice.

    Raises SettingsError when there is no such run, when it is still running, or when
    it was a rehearsal and a key is set now.
    """
    directory = RunDirectory(output / run_id, settings.secrets)
    beginning = directory.beginning()
    if beginning.comparison:
        raise refused(
            f"run {run_id} is a part of {beginning.comparison}: compare again"
        )
    if beginning.rehearsal != needed(settings):
        was = (
            "a rehearsal, and a key is set now"
            if beginning.rehearsal
            else "no rehearsal, and no key is set now"
        )
        raise refused(f"run {run_id} was {was}: start a new run")
    with directory.hold():
        own = gather(settings)
        workspace = Workspace.reopen(directory.workspace, run_id)
        progress = progress or _progress(settings, run_id, listener)
        watchers = _Watchers(progress=progress, started=started, own=own)
        return _carry_out(settings, beginning, workspace, directory, watchers)


def _progress(settings: Settings, run_id: str, listener: Listener) -> Progress:
    return Progress(run_id, secrets=settings.secrets, notices=listener)


def _carry_out(
    settings: Settings,
    beginning: Beginning,
    workspace: Workspace,
    directory: RunDirectory,
    watchers: _Watchers,
) -> Outcome:
    settings, lines = put_to_first(settings, beginning.inputs)
    progress = watchers.progress
    progress.join(EventLog(directory.events))
    settings = decided(settings, beginning.inputs, beginning.complexities)
    for line in lines:
        progress.notice(line)
    _say_decided(settings, beginning.inputs, progress)
    with (
        _shown_safely(settings),
        playing(settings, beginning.rehearsal, progress.notice) as settings,
    ):
        run = Run.open(
            settings,
            output=directory.path.absolute(),
            run_id=directory.run,
            progress=progress,
        )
        observe(run)
        underway = Underway(
            run=run,
            workspace=workspace,
            directory=directory,
            keeping=Keeping(run=run, directory=directory),
            request=settings.secrets.masked(beginning.inputs.request),
            began=run.clock.monotonic(),
        )
        watchers.started(underway)
        hide_from_git(settings.state_dir)
        try:
            return _kick_off(underway, beginning.inputs, watchers.own)
        finally:
            run.close()


def _say_decided(settings: Settings, inputs: Inputs, progress: Progress) -> None:
    """Said at the beginning; at the end run.json has it."""
    for line in decided_lines(settings, inputs):
        progress.publish(Noticed(text=line), notice=line)


def _shown_safely(settings: Settings) -> AbstractContextManager[None]:
    """What CrewAI prints of a verbose role is what a model wrote."""
    verbose = any(role.options.get("verbose") for role in settings.roles.values())
    return safe_streams(settings.secrets) if verbose else nullcontext()


def _kick_off(underway: Underway, inputs: Inputs, own: Own) -> Outcome:
    run = underway.run
    raw, error = "", None
    try:
        raw = _result(underway, inputs, own)
    except CrewError as exc:
        underway.note_failed(exc)
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
    ended = underway.finish(raw, error)
    retain(run.journal, run.settings, run.clock)
    return ended


def _result(underway: Underway, inputs: Inputs, own: Own) -> str:
    """The crew's final text."""
    run, workspace = underway.run, underway.workspace
    secrets, watch = run.settings.secrets, watching(underway)
    checks = Checks.of(run.settings, workspace, stopped=lambda: run.is_interrupted)
    values = {
        name: secrets.masked_answer(text)
        for name, text in (
            *inputs.values.items(),
            *placeholders(run.settings, workspace, inputs.request).items(),
        )
    }
    finished: Mapping[str, str] = underway.keeping.results()
    if finished:
        asked = {
            name: fill(spec.description, values)
            for name, spec in run.settings.tasks.items()
        }
        finished = standing(
            underway, finished, watch=watch, own=own, checks=checks, asked=asked
        )
    run.guard.progress.publish(
        run_begun(underway, inputs, finished),
        notice=f"run {run.id}: results go to {underway.directory.path}/",
    )
    crew = assemble(
        run, workspace, finished=finished, watch=watch, own=own, checks=checks
    )
    if not crew.tasks:
        return list(finished.values())[-1]
    result: Any = crew.kickoff(inputs=values)
    return str(result.raw)
