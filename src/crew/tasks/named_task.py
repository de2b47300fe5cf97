"""A CrewAI task that knows its name, its manager's place, and how the files stood."""

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from crewai.tasks.task_output import TaskOutput
from crewai.tools.tool_failure import ToolExecutionFailedError
from pydantic import BaseModel, PrivateAttr

from crew.calls.current_task import Execution, working_on
from crew.calls.filled import FilledTask
from crew.errors import TaskFailed
from crew.tasks.climbing import begin
from crew.tasks.done import Done
from crew.tools.delegation import coworkers, delegating
from crew.workspace.changes import begun


class NamedTask(FilledTask):
    """A task whose delegated calls know what they work for: CrewAI gives a coworker
    a task without a name. A manager gets the delegation tools alone: CrewAI hands it
    the coworker's as well, and then small models never delegate."""

    _done: Done | None = PrivateAttr(default=None)

    def decided_by(self, done: Done) -> "NamedTask":
        """The same task, whose attempts are judged by `done`."""
        self._done = done
        return self

    def copy(self, *args: Any, **kwargs: Any) -> "NamedTask":
        copied = super().copy(*args, **kwargs)
        assert isinstance(copied, NamedTask)
        copied._done = self._done
        return copied

    def _execute_core(self, agent: Any, context: Any, tools: Any) -> TaskOutput:
        with working_on(self.name) as execution, _in_our_words(self.name):
            own, known = self._begin(execution, agent, context, tools or [])
            return super()._execute_core(agent, known, own)

    async def _aexecute_core(self, agent: Any, context: Any, tools: Any) -> TaskOutput:
        with working_on(self.name) as execution, _in_our_words(self.name):
            own, known = self._begin(execution, agent, context, tools or [])
            # A gate runs in the event loop, where CrewAI cannot work.
            execution.again = _apart(execution.again)
            execution.manage = _apart(execution.manage)
            return await super()._aexecute_core(agent, known, own)

    def _begin(
        self, execution: Execution, agent: Any, context: Any, tools: Sequence[Any]
    ) -> tuple[list[Any], Any]:
        """Note what the gates need; returns the tools of who executes the task, and
        its context."""
        self.keep_guardrail()
        crew = getattr(agent, "crew", None)
        managed = crew is not None and crew.manager_agent is agent
        own = delegating(tools, alone=managed)
        execution.context = context or ""
        if managed:
            self._check_tools(coworkers(tools))
            self._under(execution, agent, own, coworkers(tools))
        else:
            execution.role = getattr(agent.llm, "role", None)
            execution.again = lambda known: _text(agent.execute_task(self, known, own))
        if self._done is None:
            return own, context
        execution.mark = begun(self._done.workspace, self._done.spec.name)
        earlier = begin(self._done, execution, self.description)
        return own, "\n\n".join(filter(None, (context, earlier)))

    def _under(
        self,
        execution: Execution,
        manager: Any,
        tools: Sequence[Any],
        workers: Sequence[Any],
    ) -> None:
        """Note who does what under a manager."""
        roles = {worker.llm.role: worker for worker in workers}
        execution.manager = manager.llm.role
        execution.role = next(iter(roles)) if len(roles) == 1 else None

        def again(known: str) -> str:
            """Who did most of it does it again, directly; where nobody did anything,
            the manager."""
            did = [role for role, _ in execution.answers.most_common() if role in roles]
            who = execution.role or (did[0] if did else None)
            if who is None:
                return _text(manager.execute_task(self, known, tools))
            return _text(roles[who].execute_task(self, known, roles[who].tools))

        execution.again = again
        execution.manage = lambda known: _text(manager.execute_task(self, known, tools))

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


def _text(result: Any) -> str:
    """A result as text; where a form was asked for it is JSON."""
    return result.model_dump_json() if isinstance(result, BaseModel) else str(result)


@contextmanager
def _in_our_words(task: str | None) -> Iterator[None]:
    """A tool that fails is a failure of the task."""
    try:
        yield
    except ToolExecutionFailedError as exc:
        record = exc.record
        raise TaskFailed(
            f"{task or 'the task'} is not done: the tool {record.tool_name} failed: "
            f"{record.failure.message}.",
            task=task or "",
        ) from exc


def _apart(work: Callable[[str], str] | None) -> Callable[[str], str] | None:
    """The work in a thread of its own."""
    if work is None:
        return None

    def in_a_thread(known: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(contextvars.copy_context().run, work, known).result()

    return in_a_thread
