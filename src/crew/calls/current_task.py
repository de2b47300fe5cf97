"""The task of tasks.yaml that calls work for, carried along by the context."""

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager

# The task of the crew that a delegated call works for: CrewAI gives a coworker a
# task without a name.
current_task: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "crew_current_task", default=None
)


@contextmanager
def working_on(task: str | None) -> Iterator[None]:
    """Every call made in here works for this task of tasks.yaml."""
    token = current_task.set(task)
    try:
        yield
    finally:
        current_task.reset(token)
