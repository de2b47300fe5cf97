"""Whether the work that an earlier part of a run finished still stands: its gates judge
it again, with the files as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crew.checks import Checks
from crew.gates import Found, Gate, Trust, Verdict, Work
from crew.gates.checks import Ended, Result
from crew.own import Own
from crew.runs.ending import Underway
from crew.tasks.attempt import Attempt, as_document, from_document, verdict_documents
from crew.tasks.done import Done
from crew.tasks.following import publish_verdict
from crew.tasks.watch import Watch


def standing(
    underway: Underway,
    finished: Mapping[str, str],
    *,
    watch: Watch,
    own: Own,
    checks: Checks,
    asked: Mapping[str, str],
) -> dict[str, str]:
    """The results that still stand. `asked` are the texts of the tasks.

    Every gate that needs no model judges again; one that looks at the files of all
    tasks does so for the last task that has it, and waits for that one where it is
    open. A task that a gate refuses is to be done again, with the reason. Raises
    TaskFailed when a gate of the user's does not work.
    """
    run, once, seen = underway.run, _Once(checks=checks), set[str]()
    kept = dict(finished)
    for spec in reversed([*run.settings.tasks.values()]):
        if spec.when == "images" and not underway.workspace.images:
            continue
        done = Done(
            run=run,
            spec=spec,
            workspace=underway.workspace,
            watch=watch,
            own=own.gates,
            checks=once,
        )
        again = (one for one in done.gates if not one.needs_model)
        gates = [gate for gate in again if gate.name not in seen]
        seen |= {gate.name for gate in gates if _sees_all(gate)}
        if spec.name in kept and gates:
            text, to_do = kept[spec.name], asked.get(spec.name, "")
            work = Work(text=text, asked=to_do, workspace=underway.workspace)
            if (refused := _refused(gates, work)) is not None:
                _reopen(underway, done, kept.pop(spec.name), refused)
    return kept


def _sees_all(gate: Gate) -> bool:
    """Whether it looks at the files of all tasks alike."""
    return gate.trust is Trust.TESTS or gate.spec.name == "python_parses"


def _refused(gates: Sequence[Gate], work: Work) -> Verdict | None:
    verdicts = (gate.judge(work) for gate in gates)
    return next((verdict for verdict in verdicts if verdict.failed), None)


def _reopen(underway: Underway, done: Done, text: str, refused: Verdict) -> None:
    """Make a refused attempt of the one that was accepted."""
    run, spec, directory = underway.run, done.spec, underway.directory
    known = _known(directory.attempts(spec.name))
    first = Attempt(number=1, step="", place=0, deployment="", text=text)
    last = known.pop() if known else first
    commits = done.watch.keep(spec, last.number)
    passed = [one for one in last.verdicts if one.gate != refused.gate]
    again = replace(last, verdicts=(*passed, refused), commits=commits)
    # The files as they are now are where the work goes on: others followed.
    history = [*(replace(one, commits=commits) for one in known), again]
    underway.verdicts[spec.name] = verdict_documents(again.verdicts)
    directory.write_attempts(spec.name, [as_document(one) for one in history])
    directory.write_refused(spec.name, text)
    run.journal.finish_task(run.id, spec.name, spec.agent or "", "failed")
    publish_verdict(run, spec, refused.gate, str(Found.FAILED))
    run.guard.listener(f"{spec.name} is done again: {refused.gate} refuses it now")


def _known(documents: Sequence[Any]) -> list[Attempt]:
    try:
        return [from_document(one) for one in documents]
    except (KeyError, TypeError, ValueError):  # somebody changed the file
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Once:
    """Checks of which each runs once."""

    checks: Checks
    results: dict[str, Result] = field(default_factory=dict)

    @property
    def names(self) -> Sequence[str]:
        return self.checks.names

    def run(self, name: str) -> Result:
        if name not in self.results:
            self.results[name] = self.checks.run(name)
        return self.results[name]

    def command(self, argv: Sequence[str], repository: str = "") -> Ended:
        return self.checks.command(argv, repository)
