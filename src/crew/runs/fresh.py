"""The crew of a script, in a run of its own: each kickoff begins and ends."""

import atexit
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crew.calls.filled import FilledCrew
from crew.calls.run import Run
from crew.clock import SystemClock
from crew.crew import assemble, placeholders
from crew.errors import CrewError, Interrupted, RunFailed, StoreUnavailable
from crew.journal import new_run_id
from crew.ladder.work import decided
from crew.notices import Listener
from crew.own import gather
from crew.progress.events import RunEnded
from crew.progress.log import EventLog
from crew.progress.progress import Progress
from crew.runs.announcing import kickoff_begun
from crew.runs.directory import RUNNING, RunDirectory, hide_from_git
from crew.runs.ending import status_of
from crew.runs.observing import observe
from crew.runs.rehearsal import needed, playing
from crew.settings import Inputs, Settings
from crew.workspace import Workspace

if TYPE_CHECKING:
    from crewai import Crew


@contextmanager
def opened_crew(
    settings: Settings, output: Path, listener: Listener = lambda line: None
) -> Iterator["Crew"]:
    """A fresh crew; without any key it rehearses."""
    with playing(settings, needed(settings), listener) as settings:
        yield fresh_crew(settings, output)


def fresh_crew(
    settings: Settings, output: Path, listener: Listener = lambda line: None
) -> "Crew":
    """A crew in a run of its own, with an empty workspace, for scripts. Without any
    key it rehearses, until the process ends."""
    own = gather(settings)
    # What a kickoff asks for is not known yet.
    settings = decided(settings, settings.inputs or Inputs(request=""))
    run_id = new_run_id(SystemClock())
    directory = RunDirectory(output / run_id, settings.secrets)
    workspace = Workspace.prepare(directory.workspace, run_id, Inputs(request=""))
    hide_from_git(output)
    progress = Progress(run_id, secrets=settings.secrets, notices=listener)
    progress.join(EventLog(directory.events))
    played = ExitStack()
    settings = played.enter_context(
        playing(settings, needed(settings), progress.notice)
    )
    run = Run.open(
        settings, output=directory.path.absolute(), run_id=run_id, progress=progress
    )
    observe(run)
    kickoffs = _Kickoffs(run=weakref.ref(run), settings=settings, workspace=workspace)
    crew = assemble(run, workspace, own=own)
    assert isinstance(crew, FilledCrew)
    # A script says nothing when it is done with its crew: each kickoff does.
    crew.before_kickoff_callbacks.append(kickoffs.begin)
    crew.after_kickoff_callbacks.append(kickoffs.finish)
    atexit.register(kickoffs.close, played)
    return crew.failing_to(kickoffs.fail)


@dataclass(slots=True, kw_only=True)
class _Kickoffs:
    """The kickoffs of one crew; `open` counts those that are not over."""

    run: "weakref.ref[Run]"
    settings: Settings
    workspace: Workspace
    open: int = 0

    def begin(self, given: dict[str, Any]) -> dict[str, Any]:
        """Complete what a script gives by what the YAML says."""
        if given or self.settings.inputs is not None:
            given = {**self._standing(), **given}
        if (run := self.run()) is not None:
            self.open += 1
            request = str(given.get("request", ""))
            run.guard.progress.publish(
                kickoff_begun(self.settings, self.workspace, request)
            )
        return given

    def finish(self, result: Any) -> Any:
        """A kickoff is done."""
        if (run := self.run()) is not None:
            run.failure = None
            self._end(run, None)
        return result

    def fail(self, error: BaseException) -> None:
        """A kickoff failed; what failed stays noted in the run."""
        run = self.run()
        if run is None or not self.open:
            return
        if isinstance(error, KeyboardInterrupt):
            ended: CrewError = Interrupted("interrupted")
        elif isinstance(error, CrewError):
            ended = error
        else:
            ended = RunFailed(f"{type(error).__name__}: {error}")
        with suppress(StoreUnavailable):  # the error that is on its way says more
            self._end(run, run.failure or ended)

    def close(self, played: ExitStack) -> None:
        """The process ends; a run that is gone ended before."""
        with played:
            run = self.run()
            record = run.journal.run(run.id) if run is not None else None
            if run is None or record is None:
                return
            if run.failure is not None or record.status == RUNNING:
                run.journal.finish_run(run.id, status_of(run.failure))
            if self.open:
                self._publish(run, Interrupted("the process ended"))

    def _end(self, run: Run, error: CrewError | None) -> None:
        self._publish(run, error)
        run.journal.finish_run(run.id, status_of(error))

    def _publish(self, run: Run, error: CrewError | None) -> None:
        self.open = max(0, self.open - 1)
        lines = (str(error),) if error is not None else ()
        run.guard.progress.publish(RunEnded(status=status_of(error), error=lines))

    def _standing(self) -> dict[str, Any]:
        """What a crew of a script works on, where the script does not say."""
        given = self.settings.inputs
        request = given.request if given else ""
        placed = placeholders(self.settings, self.workspace, request)
        if given is None:
            del placed["request"]
        return {**placed, **(given.values if given else {})}
