"""What a run keeps of how its tasks were judged: attempts, verdicts, texts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import crew.workspace.attempts as states
from crew.calls.run import Run
from crew.errors import StoreUnavailable, WorkspaceError, file_problem
from crew.gates import Found
from crew.ladder import Ladder, Rates, Unmeasured, kind_of, planned_kind
from crew.runs.attempt_rows import escalation_bound, row
from crew.runs.ending import Underway
from crew.runs.measured import Measured
from crew.runs.messages import Trailers
from crew.runs.regressions import look
from crew.settings import TaskSpec
from crew.tasks.attempt import (
    Attempt,
    as_document,
    from_document,
    verdict_documents,
)
from crew.tasks.following import publish_verdict
from crew.tasks.watch import Watch

if TYPE_CHECKING:
    from crewai.tasks.task_output import TaskOutput

FEWEST_CALLS = 10
"""Answers that an attempt may take at least, however few the others took."""


def watching(underway: Underway) -> Watch:
    """The watch of a run."""
    judging = _Judging(underway)
    return Watch(
        done=judging.done,
        attempted=judging.attempted,
        failed=judging.failed,
        earlier=judging.earlier,
        keep=judging.keep,
        start=judging.start,
        restore=judging.restore,
        limit=judging.limit,
        bound=judging.bound,
        rates=_rates(underway.run),
    )


def _rates(run: Run) -> Rates:
    """What the journal knows; a rehearsal climbs as the YAML says."""
    if run.settings.rehearsal:
        return Unmeasured()
    return Measured(run.settings, run.journal.attempts, run.clock)


class _Judging:
    """Each result, and what a gate refuses, is kept in the run's directory; what the
    gates find goes into the record, each attempt into the journal."""

    def __init__(self, underway: Underway) -> None:
        self._underway = underway
        self._run, self._directory = underway.run, underway.directory
        known = self._run.journal.calls(self._run.id)
        self._counted = Counter(call.task for call in known)

    def done(
        self, spec: TaskSpec, output: "TaskOutput", attempt: Attempt | None
    ) -> None:
        status = attempt.status if attempt is not None else "unproved"
        agent = spec.agent or output.agent
        if self._run.failure is None and self._underway.keeping.keep(
            spec.name, agent, output.raw, status
        ):
            self._underway.commit(spec.name, _trailers(attempt, status))

    def attempted(
        self, spec: TaskSpec, history: Sequence[Attempt], ladder: Ladder
    ) -> None:
        last = history[-1]
        self._underway.verdicts[spec.name] = verdict_documents(last.verdicts)
        for one in last.verdicts:
            said = f"nothing: {one.reason}"
            found = said if one.found is Found.NOTHING else str(one.found)
            publish_verdict(self._run, spec, one.gate, found)
        if not last.passed:
            self._directory.write_refused(spec.name, last.text)
        self._directory.write_attempts(spec.name, [as_document(one) for one in history])
        calls = [
            call
            for call in self._run.journal.calls(self._run.id)
            if call.task == spec.name
        ]
        new = calls[self._counted[spec.name] :]
        self._counted[spec.name] = len(calls)
        try:
            self._run.journal.attempts.add(row(self._run, spec, last, ladder, new))
        except StoreUnavailable as exc:
            self._run.guard.listener(f"WARNING: {exc}; an attempt is not recorded")
        called = [call.deployment for call in new]
        look(self._run, called, kind_of(self._run.settings, spec, last.role))

    def failed(self, spec: TaskSpec, best: Attempt) -> str:
        self._underway.verdicts[spec.name] = verdict_documents(best.verdicts)
        kept = str(self._directory.write_refused(spec.name, best.text))
        self._underway.commit(spec.name, _trailers(best, "failed"))
        self._run.journal.finish_task(
            self._run.id, spec.name, spec.agent or "", "failed"
        )
        if set(best.commits) <= {states.OUTSIDE}:
            return kept
        return (
            f"{kept}, its files at {states.ref(self._run.id, spec.name, best.number)}"
        )

    def earlier(self, spec: TaskSpec) -> list[Attempt]:
        """The refused attempts of a part of the run that ended before."""
        known = self._directory.attempts(spec.name)
        refused = self._directory.refused(spec.name)
        text = ""
        with suppress(OSError):
            text = refused.read_text(encoding="utf-8")
        try:
            found = [from_document(one, text) for one in known]
        except (KeyError, TypeError, ValueError):
            return []
        return found if found and not found[-1].passed else []

    def keep(self, spec: TaskSpec, number: int) -> Mapping[str, str]:
        with self._warned():
            return states.keep(
                self._underway.workspace, self._run.id, spec.name, number
            )
        return {}

    def start(self, spec: TaskSpec) -> Mapping[str, str]:
        with self._warned():
            return states.start(self._underway.workspace, self._run.id, spec.name)
        return {}

    def restore(self, commits: Mapping[str, str]) -> None:
        with self._warned():
            states.restore(self._underway.workspace, commits)

    def limit(self, spec: TaskSpec) -> int | None:
        """Some times what an attempt at this kind of work takes that passes."""
        kind = planned_kind(self._run.settings, spec)
        try:
            found = self._run.journal.attempts.median_calls(kind)
        except StoreUnavailable:
            return None
        if found is None:
            return None
        return max(FEWEST_CALLS, round(self._run.settings.ladder.attempt_times * found))

    def bound(self, spec: TaskSpec, first: bool) -> str:
        try:
            return escalation_bound(self._run, first=first)
        except StoreUnavailable:
            return ""

    @contextmanager
    def _warned(self) -> Iterator[None]:
        """What cannot be kept is a warning: the work goes on without it."""
        try:
            yield
        except (WorkspaceError, OSError) as exc:
            problem = file_problem(exc) if isinstance(exc, OSError) else str(exc)
            self._run.guard.listener(f"WARNING: {problem}")


def _trailers(attempt: Attempt | None, status: str) -> Trailers:
    """What the gates found, for the commit of a task."""
    verdicts = attempt.verdicts if attempt is not None else ()
    found = ", ".join(f"{one.gate} {one.found}" for one in verdicts)
    return {"Crew-Checks": [f"{status} ({found})" if found else status]}
