"""What decides that a task is done: its role worked on it, and its gates passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from crew.calls.asking import ask
from crew.calls.current_task import Execution
from crew.calls.run import Run
from crew.gates import Found, Gate, Means, Trust, Verdict, Work, build_gates, trust_of
from crew.gates.checks import Checks
from crew.gates.gate import Look
from crew.guard.openings import seconds_until_open
from crew.ladder import Ladder, is_audited, plan
from crew.own import OwnGate
from crew.routing import Request
from crew.settings import GateSpec, TaskSpec
from crew.tasks.own import own_look
from crew.tasks.trial import Trial, trial_of, with_arm
from crew.tasks.watch import Watch
from crew.workspace import Workspace
from crew.workspace.changes import changed_since

WRITING = frozenset({"write_file", "edit_file"})
"""The tools that change files."""
CHANGED = GateSpec(name="changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Decides about one task: by its `gates`, in the order of what they cost."""

    run: Run
    spec: TaskSpec
    workspace: Workspace
    watch: Watch
    checks: Checks | None = None
    own: Mapping[str, OwnGate] = field(default_factory=dict)
    gates: tuple[Gate, ...] = field(init=False)
    ladder: Ladder = field(init=False)
    trial: Trial | None = field(init=False)

    def __post_init__(self) -> None:
        means = Means(checks=self.checks, ask=partial(ask, self.run), own=self._own)
        gates = tuple(build_gates(self._specs(), means))
        object.__setattr__(self, "gates", gates)
        trial = trial_of(self.run.settings, self.spec, self.run.id)
        object.__setattr__(self, "trial", trial)
        object.__setattr__(self, "ladder", with_arm(self._plan(), trial))

    def _own(self, dotted: str) -> Look:
        """A gate of the user's."""
        return own_look(self.own[dotted])

    def verdicts(self, text: str, asked: str, execution: Execution) -> list[Verdict]:
        """What the gates make of an attempt, up to the first that refuses it."""
        if reason := execution.stalls.reason:
            return [_refusal("progress", f"The attempt was stopped: {reason}.")]
        changed = None
        if execution.mark is not None:
            changed = changed_since(self.workspace, execution.mark)
        work = Work(
            text=text,
            asked=asked,
            workspace=self.workspace,
            changed=changed,
            cut_off=execution.cut_off,
        )
        found: list[Verdict] = []
        for gate in self.gates:
            found.append(gate.judge(work))
            if found[-1].failed:
                return found
        if execution.cut_off:
            reason = "The answer was cut off at the bound of its length."
            found.append(_refusal("not_truncated", reason))
        return found

    def opens(self, step: int) -> float:
        """Seconds until a deployment of a step can serve the task: 0 within the role's
        patience, infinity where waiting does not help."""
        role = self.run.settings.roles.get(self.spec.agent or "")
        request = Request(
            tier="",
            input_tokens=0,
            output_tokens=0,
            role=self.spec.agent or "",
            run=self.run.id,
            tools=bool(role and role.tools),
        )
        names = self.ladder.steps[step].deployments
        seconds = seconds_until_open(self.run.guard, names, request)
        patience = role.patience if role is not None else 0.0
        return 0.0 if seconds <= patience else seconds

    def worked(self, text: str, execution: Execution) -> str:
        """The text, once the task's own role made a call: else the manager is sent
        back once, and then the role gets the task directly. A task without a role is
        whoever's the manager chooses, and the record says whose."""
        if execution.manage is None or execution.stalls.reason:
            return text
        if self._has_worked(execution):
            return text
        text = execution.manage(self._who())
        if self._has_worked(execution) or execution.role is None:
            return text
        return execution.again(execution.context) if execution.again else text

    def _has_worked(self, execution: Execution) -> bool:
        if self.spec.agent is not None:
            return execution.answers[self.spec.agent] > 0
        manager = self.run.settings.manager
        return any(role != manager for role in execution.answers)

    def _who(self) -> str:
        # By its key: a role's text may hold placeholders.
        to = (
            f"to the coworker {self.spec.agent!r}"
            if self.spec.agent
            else "to a coworker"
        )
        return (
            "Nobody but you has worked on this, and you have no tools for it. Delegate "
            f"it {to} with delegate_work_to_coworker, then answer with the result."
        )

    def _specs(self) -> list[GateSpec]:
        named = list(self.spec.gates)
        if self._writes() and CHANGED not in named:
            named.insert(0, CHANGED)
        return named

    def _writes(self) -> bool:
        role = self.run.settings.roles.get(self.spec.agent or "")
        return self.spec.changed and role is not None and bool(WRITING & {*role.tools})

    def _plan(self) -> Ladder:
        settings = self.run.settings
        checks = self.checks.names if self.checks is not None else ()
        return plan(
            settings,
            self.spec,
            trust=str(trust_of(self._specs(), checks)),
            rates=self.watch.rates,
            audited=is_audited(self.run.id, self.spec.name, settings.ladder),
        )


def _refusal(gate: str, reason: str) -> Verdict:
    """A refusal that no gate of the YAML gives."""
    return Verdict(gate=gate, trust=Trust.SHAPE, found=Found.FAILED, reason=reason)
