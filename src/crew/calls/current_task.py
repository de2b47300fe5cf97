"""The task of tasks.yaml that calls work for, carried along by the context."""

import contextvars
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crew.calls.stalls import Stalls
from crew.calls.whole_files import NamedFile
from crew.settings.patterns import Pattern
from crew.workspace.changes import Mark


@dataclass(slots=True, kw_only=True, eq=False)
class Execution:
    """One execution of a task, from its start until it is done or fails.

    `answers` counts the answers of each role, by its name in agents.yaml; `cut_off` is
    whether the latest ended at the bound of its length. `mark` is how the files stood
    at the start, `context` what CrewAI gave the task of earlier ones. `again` lets the
    task's own role do it with another context, `manage` the manager; None: there is no
    one role, or no manager.

    One execution may hold several attempts: `role` is whose calls go to the deployments
    of `chain` first (None: everybody's but the manager's), and never to those in
    `without`, which failed the task before. The chain is `escalated` beyond the tier of
    the role, with the style of `prompt` (None: the deployment's own) and by the
    `pattern` of an experiment (None: the role's own). `served` is which
    of them answered last; `stalls` watches whether the attempt gets anywhere. `named`
    are the files that the task's text names, as the attempt found them. `outcome` is
    the accepted attempt, and `began` is in seconds since the epoch. `worded` is the
    style of the role's latest answer.
    """

    answers: Counter[str] = field(default_factory=Counter)
    cut_off: bool = False
    mark: Mark | None = None
    context: str = ""
    again: Callable[[str], str] | None = None
    manage: Callable[[str], str] | None = None
    role: str | None = None
    manager: str | None = None
    chain: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    escalated: bool = False
    prompt: str | None = None
    pattern: Pattern | None = None
    served: str = ""
    stalls: Stalls = field(default_factory=Stalls)
    named: tuple[NamedFile, ...] = ()
    outcome: Any = None
    began: float = 0.0
    worded: str = ""

    def begin(
        self,
        chain: Sequence[str],
        limit: int,
        *,
        now: float,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """Another attempt begins."""
        self.chain, self.without, self.began = tuple(chain), without, now
        self.cut_off, self.worded = False, ""
        self.stalls = Stalls(limit=limit)

    @property
    def did(self) -> str:
        """Who did most of the work itself; empty as long as nobody did any."""
        own = (role for role, _ in self.answers.most_common() if self.is_own(role))
        return next(own, "")

    def is_own(self, role: str) -> bool:
        """Whether a role does the work of the task itself."""
        return role == self.role if self.role is not None else role != self.manager


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


def chain_for(role: str) -> tuple[str, ...]:
    """The deployments that the present step of the ladder gives this role."""
    execution = current_execution.get()
    return execution.chain if execution and execution.is_own(role) else ()


def without_for(role: str) -> frozenset[str]:
    """The deployments that failed the present task before, for the role that made
    the attempts."""
    execution = current_execution.get()
    return execution.without if execution and execution.is_own(role) else frozenset()


def is_escalated(role: str) -> bool:
    """Whether a step of the ladder beyond its own tier is tried for this role."""
    execution = current_execution.get()
    return execution is not None and execution.escalated and execution.is_own(role)


def named_files(role: str) -> tuple[NamedFile, ...]:
    """The files that the present task's text names, for the role whose task it is."""
    execution = current_execution.get()
    return execution.named if execution and execution.is_own(role) else ()


def prompt_for(role: str) -> str | None:
    """The style that an experiment gives this role; None: the deployment's own."""
    execution = current_execution.get()
    return execution.prompt if execution and execution.is_own(role) else None


def pattern_for(role: str, own: Pattern | None) -> Pattern | None:
    """The pattern that a role works by: an experiment's, else its own."""
    execution = current_execution.get()
    if execution is None or execution.pattern is None or not execution.is_own(role):
        return own
    return execution.pattern if execution.pattern.parts else None


def stalled() -> str:
    """Why the present attempt gets nowhere; empty as long as it does not."""
    execution = current_execution.get()
    return execution.stalls.reason if execution is not None else ""


def give_up(role: str, why: str) -> bool:
    """End the present attempt, if this role makes it and somebody judges it; whether
    that is so."""
    execution = current_execution.get()
    if execution is None or execution.mark is None or not execution.is_own(role):
        return False
    execution.stalls.reason = why
    return True


def note_answer(
    role: str,
    *,
    cut_off: bool,
    deployment: str,
    calls: Sequence[Any],
    is_unread: bool = False,
    style: str = "",
) -> None:
    """Count an answer of a role for the task that it works for. `is_unread`: it holds
    a call that nobody can read. `style` is how its prompt was worded; empty for one
    that no style goes with."""
    execution = current_execution.get()
    if execution is None:
        return
    execution.answers[role] += 1
    execution.cut_off = cut_off
    if execution.is_own(role):
        execution.served = deployment
        execution.worded = style or execution.worded
        execution.stalls.note(calls, is_unread=is_unread)
