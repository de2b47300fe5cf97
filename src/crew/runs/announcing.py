"""The event with which a run begins."""

from collections.abc import Mapping

from crew.progress.events import PlannedTask, RunBegun
from crew.runs.ending import Underway
from crew.settings import Inputs


def run_begun(
    underway: Underway, inputs: Inputs, finished: Mapping[str, str]
) -> RunBegun:
    """What the run is about to do; `finished` are the results that there are."""
    workspace, settings = underway.workspace, underway.run.settings
    return RunBegun(
        request=inputs.request,
        repositories=tuple(workspace.names),
        tasks=tuple(
            PlannedTask(name=spec.name, role=spec.agent)
            for spec in settings.tasks.values()
            if spec.name not in finished and (spec.when != "images" or workspace.images)
        ),
        finished=tuple(finished),
        rehearsal=settings.rehearsal,
    )
