"""What a run keeps of how its tasks were judged: texts that were paid for, verdicts."""

from typing import TYPE_CHECKING

from crew.runs.ending import Underway
from crew.settings import TaskSpec
from crew.tasks.done import Watch
from crew.tasks.following import publish_verdict

if TYPE_CHECKING:
    from crewai.tasks.task_output import TaskOutput


def watching(underway: Underway) -> Watch:
    """The watch of a run: each result, and what a gate refuses, is kept in the run's
    directory, and what a gate finds goes into the record."""
    run, directory = underway.run, underway.directory

    def done(spec: TaskSpec, output: "TaskOutput") -> None:
        if run.failure is None and underway.keeping.keep(
            spec.name, spec.agent or output.agent, output.raw
        ):
            underway.commit(f"crew: {spec.name}")

    def refused(spec: TaskSpec, text: str) -> None:
        directory.write_refused(spec.name, text)

    def failed(spec: TaskSpec, text: str) -> str:
        run.journal.finish_task(run.id, spec.name, spec.agent or "", "failed")
        return str(directory.write_refused(spec.name, text))

    def verdict(spec: TaskSpec, gate: str, found: str) -> None:
        underway.verdicts.setdefault(spec.name, {})[gate] = found
        publish_verdict(run, spec, gate, found)

    def sent_back(spec: TaskSpec, gate: str) -> None:
        publish_verdict(run, spec, gate, "sent back")

    return Watch(
        done=done,
        refused=refused,
        failed=failed,
        verdict=verdict,
        sent_back=sent_back,
    )
