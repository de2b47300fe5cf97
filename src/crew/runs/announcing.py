"""The events with which a run begins and ends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crew.calls.run import Run
from crew.progress.events import PlannedTask, RunBegun, RunEnded
from crew.settings import Inputs, Settings
from crew.workspace import Workspace

if TYPE_CHECKING:
    from crew.runs.ending import Outcome, Underway


def run_begun(
    underway: "Underway", inputs: Inputs, finished: Mapping[str, str]
) -> RunBegun:
    """What the run is about to do; `finished` are the results that there are."""
    settings = underway.run.settings
    return _begun(settings, underway.workspace, inputs.request, finished)


def kickoff_begun(settings: Settings, workspace: Workspace, request: str) -> RunBegun:
    """What a script's kickoff of its crew is about to do."""
    return _begun(settings, workspace, request, {})


def _begun(
    settings: Settings, workspace: Workspace, request: str, finished: Mapping[str, str]
) -> RunBegun:
    return RunBegun(
        request=request,
        repositories=tuple(workspace.names),
        tasks=tuple(
            PlannedTask(name=spec.name, role=spec.agent)
            for spec in settings.tasks.values()
            if spec.name not in finished and (spec.when != "images" or workspace.images)
        ),
        finished=tuple(finished),
        rehearsal=settings.rehearsal,
    )


def announce_end(run: Run, outcome: "Outcome") -> "Outcome":
    """Publish how a run ended; returns the same outcome."""
    error = (str(outcome.error),) if outcome.error is not None else ()
    run.guard.progress.publish(RunEnded(status=outcome.status, error=error))
    return outcome
