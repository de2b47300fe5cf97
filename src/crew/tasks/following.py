"""Following the work on tasks: its events, for those who follow the run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from crewai.tasks.task_output import TaskOutput
from crewai.tools import BaseTool
from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
from pydantic import PrivateAttr

from crew.calls.current_task import Execution, current_task
from crew.calls.run import Run
from crew.checks import CheckResult
from crew.clock import SystemClock
from crew.errors import WorkspaceError
from crew.progress.events import (
    CHANGES,
    CheckRan,
    FileChanged,
    GateJudged,
    TaskBegun,
    TaskEnded,
    ToolUsed,
)
from crew.settings import TaskSpec
from crew.tasks.attempt import Attempt
from crew.tasks.named_task import NamedTask
from crew.tools.coworkers import find
from crew.tools.watched import Use, seen_by, watched
from crew.workspace import Workspace

Status = Literal["proved", "passed", "unproved", "failed"]
_PLACES = ("path", "directory", "image")
"""The arguments of our tools that name a place in the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Publishes what happens in the tasks of one run."""

    run: Run
    workspace: Workspace

    @contextmanager
    def task(
        self, name: str | None, status: Callable[[], Status], *agents: Any
    ) -> Iterator[None]:
        """The work on a task, from its begin to its end, where its `status` is asked
        for; the first of the `agents` that has a role is who it is meant for."""
        role = next(filter(None, map(role_of, agents)), None)
        clock = SystemClock()
        began = clock.monotonic()
        publish = self.run.guard.progress.publish
        publish(TaskBegun(task=name, role=role))

        def end(status: Status) -> None:
            seconds = round(clock.monotonic() - began, 3)
            ended = TaskEnded(task=name, role=role, status=status, seconds=seconds)
            publish(ended, notice=f"{name} {status}" if status != "failed" else "")

        try:
            yield
        except BaseException:
            end("failed")
            raise
        end(status() if self.run.failure is None else "failed")

    def check(self, result: CheckResult) -> None:
        """A check ran for the present task."""
        name, run = current_task.get(), self.run
        spec = run.settings.tasks.get(name or "")
        run.guard.progress.publish(
            CheckRan(
                task=name,
                role=spec.agent if spec is not None else None,
                check=result.name,
                passed=result.passed,
                failed_before=not result.passed and not result.blames_run,
                seconds=round(result.seconds, 3),
            )
        )

    def tools(self, tools: Sequence[BaseTool], agent: Any) -> None:
        """Make each use of an agent's tools an event. CrewAI gives a manager the tools
        of a coworker, too: they stay the coworker's."""
        uses = _Uses(following=self, role=role_of(agent))
        watched([tool for tool in tools if not self._has(tool)], uses)

    def _has(self, tool: BaseTool) -> bool:
        seen = seen_by(tool)
        return isinstance(seen, _Uses) and seen.following.run is self.run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uses:
    """Publishes the uses of one role's tools."""

    following: Following
    role: str | None

    def __call__(self, use: Use) -> None:
        role = self.role
        task, name = current_task.get(), "_".join(use.tool.name.casefold().split())
        target = self._target(use)
        publish = self.following.run.guard.progress.publish
        publish(
            ToolUsed(
                task=task,
                role=role,
                tool=name,
                target=target,
                seconds=round(use.seconds, 3),
                ok=use.ok,
            )
        )
        change = CHANGES.get(name)
        if change and use.ok and target:
            publish(FileChanged(task=task, role=role, path=target, change=change))

    def _target(self, use: Use) -> str | None:
        """What a tool was used on, by a name that is no model's word for it."""
        if isinstance(use.tool, BaseAgentTool):
            roles = {role_of(one) or "": one.role for one in use.tool.agents}
            return find(str(use.arguments.get("coworker") or ""), roles)
        given = next((use.arguments[n] for n in _PLACES if n in use.arguments), None)
        if not isinstance(given, str) or not _is_ours(use.tool):
            return None
        workspace = self.following.workspace
        if given in workspace.images:
            return given
        try:
            found = workspace.resolve(given)
            return str(found.relative_to(workspace.root.resolve()))
        except (WorkspaceError, OSError, ValueError):
            return None


def publish_verdict(run: Run, spec: TaskSpec, gate: str, found: str) -> None:
    """Publish what a gate found: `passed`, that there was nothing, or a problem."""
    verdict: Literal["passed", "failed", "nothing"] = "failed"
    if found == "passed":
        verdict = "passed"
    elif found.startswith("nothing"):
        verdict = "nothing"
    why = found.removeprefix("nothing")
    line = f"{spec.name}: the gate {gate} gave no verdict{why}"
    event = GateJudged(task=spec.name, role=spec.agent, gate=gate, verdict=verdict)
    run.guard.progress.publish(event, notice=line if verdict == "nothing" else "")


def _is_ours(tool: BaseTool) -> bool:
    return type(tool).__module__.startswith("crew.tools.")


class FollowedTask(NamedTask):
    """A task whose work is followed."""

    _following: Following | None = PrivateAttr(default=None)
    _execution: Execution | None = PrivateAttr(default=None)

    def followed_by(self, following: Following) -> "FollowedTask":
        """The same task; what happens in it is published."""
        self._following = following
        return self

    def copy(self, *args: Any, **kwargs: Any) -> "FollowedTask":
        copied = super().copy(*args, **kwargs)
        assert isinstance(copied, FollowedTask)
        copied._following = self._following
        return copied

    def _execute_core(self, agent: Any, context: Any, tools: Any) -> TaskOutput:
        with self._followed(agent, tools):
            return super()._execute_core(agent, context, tools)

    async def _aexecute_core(self, agent: Any, context: Any, tools: Any) -> TaskOutput:
        with self._followed(agent, tools):
            return await super()._aexecute_core(agent, context, tools)

    def _begin(self, execution: Execution, *given: Any) -> tuple[list[Any], Any]:
        self._execution = execution
        return super()._begin(execution, *given)

    def _status(self) -> Status:
        """What the gates proved of the task that just ended."""
        outcome = self._execution.outcome if self._execution is not None else None
        return outcome.status if isinstance(outcome, Attempt) else "unproved"

    @contextmanager
    def _followed(self, agent: Any, tools: Sequence[BaseTool] | None) -> Iterator[None]:
        if self._following is None:
            yield
            return
        self._following.tools(tools or (), agent)
        with self._following.task(self.name, self._status, self.agent, agent):
            yield


def role_of(agent: Any) -> str | None:
    """The role of an agent, by its name in agents.yaml."""
    role = getattr(getattr(agent, "llm", None), "role", None)
    return role if isinstance(role, str) else None
