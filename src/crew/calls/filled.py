"""CrewAI's agents, tasks and crews, with placeholders that are filled by our rule.

CrewAI replaces one name after another: a value that holds braces is filled again, no
brace can be escaped, and the manager is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from crewai import Agent, Crew, Task
from crewai.agents.agent_builder.base_agent import BaseAgent
from crewai.events.event_bus import crewai_event_bus
from crewai.llms.base_llm import BaseLLM
from crewai.tasks.llm_guardrail import LLMGuardrail
from crewai.tools.tool_failure import ToolExecutionFailedError, ToolFailureReason
from pydantic import PrivateAttr

from crew.calls import settable
from crew.calls.current_task import current_execution
from crew.calls.event_loop import in_a_loop, in_a_thread
from crew.calls.llm import TieredLLM
from crew.calls.person import check_answerable
from crew.calls.stalls import Stalled
from crew.settings.placeholders import fill, names
from crew.texts.stream import SharedSafety

_DESCRIPTION, _EXPECTED = "crew_filled_description", "crew_filled_expected_output"


class FilledAgent(Agent):
    """An agent whose role, goal and backstory may hold placeholders, and before whose
    tasks a text may stand. Where it gets nowhere it answers with nothing: what follows
    is for the task to decide."""

    _preface: str = PrivateAttr(default="")

    def prefaced(self, text: str) -> "FilledAgent":
        """The same agent, with a text before each of its tasks, delegated ones too. Not
        in its system prompt: the text may be anybody's."""
        self._preface = text
        return self

    def _prepare_task_execution(self, task: Task, context: str | None) -> str:
        return self._preface + super()._prepare_task_execution(task, context)

    def execute_task(self, *args: Any, **kwargs: Any) -> Any:
        """As CrewAI's."""
        try:
            return super().execute_task(*args, **kwargs)
        except Stalled:
            return ""
        except ToolExecutionFailedError as exc:
            if _goes_round(exc):
                return ""
            raise

    async def aexecute_task(self, *args: Any, **kwargs: Any) -> Any:
        """As CrewAI's."""
        try:
            return await super().aexecute_task(*args, **kwargs)
        except Stalled:
            return ""
        except ToolExecutionFailedError as exc:
            if _goes_round(exc):
                return ""
            raise

    _built: bool = PrivateAttr(default=False)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._built = True

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_built", False) and not isinstance(value, TieredLLM):
            settable.check("agent", settable.AGENT, name, value)
        super().__setattr__(name, value)

    def interpolate_inputs(self, inputs: dict[str, Any]) -> None:
        """Fill the texts, from the start each time."""
        if self._original_role is None:
            self._original_role = self.role
            self._original_goal = self.goal
            self._original_backstory = self.backstory
        self.role = _filled(self._original_role, inputs)
        self.goal = _filled(self._original_goal or "", inputs)
        self.backstory = _filled(self._original_backstory or "", inputs)

    def copy(self) -> "FilledAgent":  # type: ignore[override]
        """The agent again; what was filled before can be filled anew."""
        made = super().copy()
        made._original_role = self._original_role
        made._original_goal = self._original_goal
        made._original_backstory = self._original_backstory
        made._preface = self._preface
        return made


class FilledTask(Task):
    """A task whose texts may hold placeholders, and whose guardrail may be set at any
    time: CrewAI passes over one that is set after the task was made."""

    _wanted: Any = PrivateAttr(default=None)

    def interpolate_inputs_and_add_conversation_history(
        self, inputs: dict[str, Any]
    ) -> None:
        """Fill the texts, from the start each time."""
        if self._original_description is None:
            self._original_description = self.description
            self._original_expected_output = self.expected_output
        description = self._original_description
        expected = self._original_expected_output or ""
        # CrewAI fills two names of ours, once, and does the rest of its work.
        self._original_description = f"{{{_DESCRIPTION}}}"
        self._original_expected_output = f"{{{_EXPECTED}}}"
        filled = {
            _DESCRIPTION: _filled(description, inputs),
            _EXPECTED: _filled(expected, inputs),
        }
        try:
            super().interpolate_inputs_and_add_conversation_history(
                {**(inputs or {}), **filled}
            )
        finally:
            self._original_description = description
            self._original_expected_output = expected

    def copy(  # type: ignore[override]
        self, agents: Sequence[BaseAgent], task_mapping: dict[str, Task]
    ) -> Task:
        """The task again; what was filled before can be filled anew."""
        made = super().copy(list(agents), task_mapping)
        made._original_description = self._original_description
        made._original_expected_output = self._original_expected_output
        assert isinstance(made, FilledTask)
        made._wanted = self._wanted
        return made

    def keep_guardrail(self) -> None:
        """Have the guardrail that was set: CrewAI leaves it out beside others when it
        validates the task anew."""
        if self._wanted is not None and self._guardrail is None:
            self._guardrail = self._callable(self._wanted)

    def __setattr__(self, name: str, value: Any) -> None:
        built = self.__pydantic_private__ is not None
        if built:
            settable.check("task", settable.TASK, name, value)
        super().__setattr__(name, value)
        if value is None or not built:
            return
        if name == "guardrail":
            self._wanted, self._guardrail = value, self._callable(value)
        elif name == "guardrails":
            given = value if isinstance(value, list | tuple) else [value]
            self._guardrails = [self._callable(one) for one in given]

    def _callable(self, guardrail: Any) -> Any:
        """A guardrail as CrewAI calls it; a text is judged by the agent's LLM."""
        if not isinstance(guardrail, str):
            return guardrail
        llm = self.agent.llm if self.agent is not None else None
        if not isinstance(llm, BaseLLM):
            raise ValueError(f"task {self.name!r}: a guardrail in words needs an agent")
        return LLMGuardrail(description=guardrail, llm=llm)


class FilledCrew(Crew):
    """A crew whose manager's texts are filled, too, and that works in a notebook."""

    _built: bool = PrivateAttr(default=False)
    _safety: SharedSafety | None = PrivateAttr(default=None)
    # No function by default: pydantic would bind it.
    _failed: Callable[[BaseException], None] | None = PrivateAttr(default=None)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._built = True

    def __setattr__(self, name: str, value: Any) -> None:
        tiered = isinstance(value, TieredLLM) and name == "planning_llm"
        planned = name == "planning" and isinstance(self.planning_llm, TieredLLM)
        if getattr(self, "_built", False) and not (tiered or planned):
            settable.check("crew", settable.CREW, name, value)
        super().__setattr__(name, value)

    def shown_by(self, safety: SharedSafety) -> "FilledCrew":
        """The same crew, of which nothing is shown as a model wrote it."""
        self._safety = safety
        return self

    def failing_to(self, failed: Callable[[BaseException], None]) -> "FilledCrew":
        """The same crew; `failed` gets what ends a kickoff of it."""
        self._failed = failed
        return self

    def kickoff(self, *args: Any, **kwargs: Any) -> Any:
        """As CrewAI's. Where a loop is running, it works in a thread, and blocks."""
        with self._attended(), self._noted():
            if in_a_loop():
                return in_a_thread(partial(super().kickoff, *args, **kwargs)).result()
            return super().kickoff(*args, **kwargs)

    async def akickoff(self, *args: Any, **kwargs: Any) -> Any:
        """As CrewAI's."""
        with self._attended(), self._noted():
            return await super().akickoff(*args, **kwargs)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except BaseException as exc:
            if self._failed is not None:
                self._failed(exc)
            raise

    @contextmanager
    def _attended(self) -> Iterator[None]:
        """What is shown is safe, and who is asked can answer. Raises CrewError."""
        check_answerable(self.tasks)
        agents = [*self.agents, self.manager_agent]
        verbose = self.verbose or any(one is not None and one.verbose for one in agents)
        if not verbose or self._safety is None:
            yield
            return
        with self._safety.block():
            try:
                yield
            finally:
                crewai_event_bus.flush()  # it shows things in threads of its own

    def _interpolate_inputs(self, inputs: dict[str, Any]) -> None:
        super()._interpolate_inputs(inputs)
        if self.manager_agent is not None:
            self.manager_agent.interpolate_inputs(inputs)

    def copy(self) -> "FilledCrew":  # type: ignore[override]
        """The crew again, for `kickoff_for_each` and its like."""
        made: Any = super().copy()
        # CrewAI's copy is always a plain Crew; this class adds no field to it.
        made.__class__ = FilledCrew
        made._built, made._safety = True, self._safety
        made._failed = self._failed
        made.before_kickoff_callbacks = list(self.before_kickoff_callbacks)
        made.after_kickoff_callbacks = list(self.after_kickoff_callbacks)
        assert isinstance(made, FilledCrew)
        return made


def _goes_round(error: ToolExecutionFailedError) -> bool:
    """Note that CrewAI stopped a role that makes the same call again and again. False
    where the tool failed, or where nobody waits for the note."""
    record, execution = error.record, current_execution.get()
    if record.failure.reason is not ToolFailureReason.REPEATED_CALL:
        return False
    if execution is None:
        return False
    execution.stalls.reason = (
        f"it called {record.tool_name} again and again, with the same input and the "
        "same result"
    )
    return True


def _filled(text: str, inputs: Mapping[str, Any] | None) -> str:
    """The text; without any input, its placeholders stay as they are (as in CrewAI).

    Raises ValueError for a name that no input gives.
    """
    missing = [name for name in names(text) if name not in (inputs or {})]
    if inputs and missing:
        raise ValueError(
            f"no input gives {{{missing[0]}}}; pass it in `inputs`, or write "
            f"{{{{{missing[0]}}}}} for the text itself"
        )
    return fill(text, inputs or {})
