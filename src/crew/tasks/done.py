"""What decides that a task is done: its role worked on it, and its gates passed.

Each is a CrewAI guardrail. What a result lacks goes back to its agent; past its
retries the task has failed, in our own words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crewai.tasks.task_output import TaskOutput

from crew.calls.current_task import Execution, current_execution
from crew.errors import TaskFailed
from crew.gates import Gate, Nothing, Verdict, judge
from crew.settings import Settings, TaskSpec
from crew.workspace import Workspace
from crew.workspace.changes import changed_since

RETRIES = 3
"""How often a gate of the YAML sends a result back, as CrewAI does by default."""
PASSED = "passed"
WRITING = frozenset({"write_file", "edit_file"})
"""The tools that change files."""

_CUT_OFF = (
    " Your answer was cut off at the bound of its length: answer in less, or in parts, "
    "a file at a time."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Those who follow how results are judged.

    `done` gets each task that is done with its result. `refused` gets each text that a
    gate sent back, `failed` the last one of a task, and returns where it is kept.
    `verdict` gets what a gate found in the end, `sent_back` each gate that sends a
    result back.
    """

    done: Callable[[TaskSpec, TaskOutput], None] = lambda spec, output: None
    refused: Callable[[TaskSpec, str], None] = lambda spec, text: None
    failed: Callable[[TaskSpec, str], str] = lambda spec, text: ""
    verdict: Callable[[TaskSpec, str, str], None] = lambda spec, gate, found: None
    sent_back: Callable[[TaskSpec, str], None] = lambda spec, gate: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Decides about one task."""

    spec: TaskSpec
    settings: Settings
    workspace: Workspace
    watch: Watch

    def guardrails(self) -> list[Gate]:
        """The gates, in the order in which they are asked."""
        gates: list[Gate] = []
        if self.settings.process == "hierarchical":
            gates.append(self._worked())
        if self._writes():
            gates.append(self._gate("changed", self._changed, most=1))
        for name in self.spec.gates:
            gates.append(self._gate(name, self._judged(name), most=self._most))
        return gates

    @property
    def retries(self) -> int:
        """CrewAI's own bound, which must not come before ours."""
        return max(self._most, 1) + 1

    @property
    def _most(self) -> int:
        most = self.spec.options.get("guardrail_max_retries", RETRIES)
        assert isinstance(most, int)
        return most

    def _writes(self) -> bool:
        role = self.settings.roles.get(self.spec.agent or "")
        return self.spec.changed and role is not None and bool(WRITING & {*role.tools})

    def _judged(self, name: str) -> Callable[[TaskOutput], Verdict]:
        return lambda output: judge(
            name, output.raw, self.workspace, asked=output.description
        )

    def _changed(self, output: TaskOutput) -> Verdict:
        execution = current_execution.get()
        if execution is None or execution.mark is None:
            return Nothing("the task was executed outside of its crew")
        if changed_since(self.workspace, execution.mark):
            return None
        role = self.settings.roles[self.spec.agent or ""]
        tools = " or ".join(name for name in role.tools if name in WRITING)
        return (
            "No file was changed. Text does not change files: write each file with "
            f"the tool {tools}, then answer."
        )

    def _gate(
        self, name: str, check: Callable[[TaskOutput], Verdict], *, most: int
    ) -> Gate:
        def gate(output: TaskOutput) -> tuple[bool, Any]:
            match check(output):
                case None:
                    self.watch.verdict(self.spec, name, PASSED)
                case Nothing(reason):
                    self.watch.verdict(self.spec, name, f"nothing to look at: {reason}")
                case problem:
                    return False, self._sent_back(name, problem, output.raw, most)
            return True, output.raw

        return gate

    def _sent_back(self, name: str, problem: str, text: str, most: int) -> str:
        """The reason for the model. Raises TaskFailed once it was sent back enough."""
        execution = current_execution.get() or Execution()
        self.watch.refused(self.spec, text)
        if execution.cut_off:
            problem += _CUT_OFF
        if execution.sent_back[name] < most:
            execution.sent_back[name] += 1
            self.watch.sent_back(self.spec, name)
            return problem
        self.watch.verdict(self.spec, name, problem)
        kept = self.watch.failed(self.spec, text)
        times = "once" if most == 1 else f"{most} times"
        raise TaskFailed(
            f"{self.spec.name} is not done: {name}: {problem}"
            + (f" It was sent back {times}." if most else "")
            + (f" Its last answer is in {kept}" if kept else "")
        )

    def _worked(self) -> Gate:
        """The task's own role made a call; else the manager is sent back once, and
        then the role gets the task directly. A task without a role is whoever's the
        manager chooses, and the record says whose."""

        def gate(output: TaskOutput) -> tuple[bool, Any]:
            execution = current_execution.get()
            if execution is None or self._has_worked(execution):
                return True, output.raw
            if execution.sent_back["worked"] < 1:
                execution.sent_back["worked"] += 1
                return False, self._who()
            if execution.hand_over is None:
                return True, output.raw
            return True, execution.hand_over()

        return gate

    def _has_worked(self, execution: Execution) -> bool:
        if self.spec.agent is not None:
            return execution.answers[self.spec.agent] > 0
        manager = self.settings.manager
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
