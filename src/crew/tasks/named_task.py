"""A CrewAI task that knows its name, its manager's place, and how the files stood."""

import contextvars
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from crewai.tasks.task_output import TaskOutput
from crewai.tools.tool_failure import ToolExecutionFailedError, ToolFailureReason
from pydantic import PrivateAttr

from crew.calls.current_task import Execution, working_on
from crew.calls.filled import FilledTask
from crew.errors import TaskFailed
from crew.tools.delegation import coworkers, delegating
from crew.workspace import Workspace
from crew.workspace.changes import begun


class NamedTask(FilledTask):
    """A task whose delegated calls know what they work for: CrewAI gives a coworker
    a task without a name. A manager gets the delegation tools alone: CrewAI hands it
    the coworker's as well, and then small models never delegate."""

    _workspace: Workspace | None = PrivateAttr(default=None)

    def in_workspace(self, workspace: Workspace) -> "NamedTask":
        """The same task, which notes how the files of the workspace stood."""
        self._workspace = workspace
        return self

    def copy(self, *args: Any, **kwargs: Any) -> "NamedTask":
        copied = super().copy(*args, **kwargs)
        assert isinstance(copied, NamedTask)
        copied._workspace = self._workspace
        return copied

    def _execute_core(self, agent: Any, context: Any, tools: Any) -> TaskOutput:
        with working_on(self.name) as execution, _in_our_words(self.name):
            own = self._begin(execution, agent, context, tools or [])
            return super()._execute_core(agent, context, own)

    async def _aexecute_core(self, agent: Any, context: Any, tools: Any) -> TaskOutput:
        with working_on(self.name) as execution, _in_our_words(self.name):
            own = self._begin(execution, agent, context, tools or [])
            if (directly := execution.hand_over) is not None:
                # A gate runs in the event loop, where CrewAI cannot work.
                execution.hand_over = lambda: _apart(directly)
            return await super()._aexecute_core(agent, context, own)

    def _begin(
        self, execution: Execution, agent: Any, context: Any, tools: Sequence[Any]
    ) -> list[Any]:
        """Note what the gates need; returns the tools of who executes the task."""
        if self._workspace is not None and self.name:
            execution.mark = begun(self._workspace, self.name)
        crew = getattr(agent, "crew", None)
        managed = crew is not None and crew.manager_agent is agent
        workers = coworkers(tools)
        if managed:
            self._check_tools(workers)
        if managed and len(workers) == 1:
            execution.hand_over = lambda: str(
                workers[0].execute_task(self, context, workers[0].tools)
            )
        return delegating(tools, alone=managed)

    def _check_tools(self, workers: Sequence[Any]) -> None:
        """A manager delegates without a tool of the task's. Raises TaskFailed for one
        that reaches nobody."""
        known = {id(tool) for worker in workers for tool in worker.tools or []}
        lost = [tool.name for tool in self.tools or [] if id(tool) not in known]
        if lost:
            raise TaskFailed(
                f"{self.name}: task.tools ({', '.join(lost)}) would reach nobody: the "
                "manager delegates; append them to the `tools` of an agent"
            )


@contextmanager
def _in_our_words(task: str | None) -> Iterator[None]:
    """CrewAI stops a role that makes the same call again and again, and calls it a
    failure of the tool."""
    try:
        yield
    except ToolExecutionFailedError as exc:
        record = exc.record
        found = record.failure
        why = (
            f"{record.agent_role} called {record.tool_name} again and again with the "
            "same arguments and the same result, and was stopped"
            if found.reason is ToolFailureReason.REPEATED_CALL
            else f"the tool {record.tool_name} failed: {found.message}"
        )
        raise TaskFailed(
            f"{task or 'the task'} is not done: {why}.", task=task or ""
        ) from exc


def _apart(work: Any) -> str:
    with ThreadPoolExecutor(1) as pool:
        return str(pool.submit(contextvars.copy_context().run, work).result())
