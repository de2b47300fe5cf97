"""The task of tasks.yaml that calls work for, carried along by the context."""

import contextvars
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crew.workspace.changes import Mark


@dataclass(slots=True, kw_only=True, eq=False)
class Execution:
    """One execution of a task, from its start until it is done or fails.

    `answers` counts the answers of each role, by its name in agents.yaml; `cut_off` is
    whether the latest ended at the bound of its length. `sent_back` counts how often
    each gate refused the result. `mark` is how the files stood at the start, and
    `hand_over` lets the task's own role do it, where a manager has not delegated it.
    """

    answers: Counter[str] = field(default_factory=Counter)
    cut_off: bool = False
    sent_back: Counter[str] = field(default_factory=Counter)
    mark: Mark | None = None
    hand_over: Callable[[], str] | None = None


# The task of the crew that a delegated call works for: CrewAI gives a coworker a
# task without a name.
current_task: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "crew_current_task", default=None
)
current_execution: contextvars.ContextVar[Execution | None] = contextvars.ContextVar(
    "crew_current_execution", default=None
)


@contextmanager
def working_on(task: str | None) -> Iterator[Execution]:
    """Every call made in here works for this task of tasks.yaml."""
    execution = Execution()
    token = current_task.set(task)
    executing = current_execution.set(execution)
    try:
        yield execution
    finally:
        current_execution.reset(executing)
        current_task.reset(token)


def note_answer(role: str, *, cut_off: bool) -> None:
    """Count an answer of a role for the task that it works for."""
    execution = current_execution.get()
    if execution is not None:
        execution.answers[role] += 1
        execution.cut_off = cut_off
