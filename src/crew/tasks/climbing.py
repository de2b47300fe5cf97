"""The attempts at one task: what fails goes back with the reason, or up the ladder.

One CrewAI guardrail of ours does it all: CrewAI's own execution returns the first
text, and the others are made here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from crewai.tasks.task_output import TaskOutput

from crew.calls.current_task import Execution, current_execution
from crew.calls.stalls import MOST_CALLS
from crew.errors import TaskFailed
from crew.ladder import Climb, End, Move, Place, Retry, after
from crew.progress.events import StepBegun
from crew.settings.ladder import START
from crew.tasks.attempt import Attempt
from crew.tasks.done import Done
from crew.tasks.feedback import afresh, feedback
from crew.tasks.naming import named

_SHOWN = 1_500
"""Characters of a reason in the error that ends a run."""


def guardrail(done: Done) -> Callable[[TaskOutput], tuple[bool, Any]]:
    """What CrewAI calls with the first text of a task: it returns the text of the
    attempt that is accepted. Raises TaskFailed."""

    def gate(output: TaskOutput) -> tuple[bool, Any]:
        execution = current_execution.get() or Execution()
        raw = _Climb(done=done, execution=execution, asked=output.description).text(
            output.raw
        )
        # A form that CrewAI has read already need not be read again.
        is_read = output.pydantic is not None or output.json_dict is not None
        return True, output if is_read and raw == output.raw else raw

    return gate


def begin(done: Done, execution: Execution, asked: str) -> str:
    """Begin the first attempt at what is `asked`. Returns what it needs to know beside
    CrewAI's context: how those of an earlier part of the run ended."""
    climb = _Climb(done=done, execution=execution, asked=asked)
    if not climb.history:
        if climb.begins_afresh:
            done.watch.keep(done.spec, 0)
        climb.start(())
        return ""
    climb.why = "the run goes on"
    done.watch.restore(climb.best.commits)
    known = climb.handed_over("")
    climb.start(())
    return known


@dataclass(slots=True, kw_only=True)
class _Climb:
    """One execution of a task. `place` is where the next attempt is made; it knows the
    reason of the one before where it is `told`, and is made for the reason `why`."""

    done: Done
    execution: Execution
    asked: str
    history: list[Attempt] = field(init=False)
    place: Place = field(init=False)
    told: bool = field(init=False)
    why: str = ""

    def __post_init__(self) -> None:
        self.history = list(self.done.watch.earlier(self.done.spec))
        self.told = bool(self.history)
        self.place = self._resumed()

    @property
    def best(self) -> Attempt:
        return max(self.history, key=lambda one: one.score)

    def text(self, text: str) -> str:
        """The text of the attempt that is accepted, the first one's or a later's."""
        done, execution = self.done, self.execution
        text = done.worked(text, execution)
        while True:
            attempt = self._judged(text)
            self.history.append(attempt)
            self.place = Place(step=self.place.step, tries=self.place.tries + 1)
            done.watch.attempted(done.spec, self.history, done.ladder)
            if attempt.passed:
                execution.outcome = attempt
                return text
            move = self._move()
            if execution.again is None or isinstance(move, End):
                self._fail(move.why)
            text = execution.again(self._next(move))

    def start(self, pinned: Sequence[str], notice: str = "") -> None:
        """Begin an attempt at this place, at the pinned deployments first."""
        done, steps = self.done, self.done.ladder.steps
        done.run.guard.progress.publish(self._begun(), notice=notice)
        at = self.place.step
        chain, tried = self._chains()
        if self.execution.role not in (None, done.spec.agent):
            chain, tried = (), frozenset()  # an LLM of another tier, set on the agent
        self.execution.escalated = bool(chain) and not self._is_home(steps[at].name)
        trial = done.trial if at == 0 else None
        self.execution.prompt = trial.prompt if trial is not None else None
        self.execution.pattern = trial.pattern if trial is not None else None
        limit = done.run.settings.ladder.attempt_calls or done.watch.limit(done.spec)
        self.execution.named = named(done.workspace, self.asked)
        self.execution.begin(
            (*filter(None, pinned), *chain),
            limit or MOST_CALLS,
            now=done.run.clock.now(),
            without=tried,
        )

    def _chains(self) -> tuple[tuple[str, ...], frozenset[str]]:
        """The deployments that serve this step, and those that failed the task below
        it. Where a step closes in the middle of its attempt, those above go on."""
        steps, at = self.done.ladder.steps, self.place.step
        if not 0 < at < len(steps):
            return (steps[at].deployments if steps else ()), frozenset()
        own = [name for step in steps[at:] for name in step.deployments]
        below = {name for step in steps[:at] for name in step.deployments}
        return tuple(dict.fromkeys(own)), frozenset(below - {*own})

    def _is_home(self, step: str) -> bool:
        """Whether a step is the tier of the task's own role."""
        role = self.done.run.settings.roles.get(self.done.spec.agent or "")
        return role is None or role.tier == step

    def _begun(self) -> StepBegun:
        spec, steps = self.done.spec, self.done.ladder.steps
        return StepBegun(
            task=spec.name,
            role=spec.agent,
            attempt=len(self.history) + 1,
            step=steps[self.place.step].name if steps else "",
            why=self.why,
        )

    def _next(self, move: "Retry | Climb") -> str:
        """Make ready for the next attempt; returns its context."""
        done, last = self.done, self.history[-1]
        if isinstance(move, Climb):
            self.place = Place(step=move.step)
        self.told, self.why = True, move.why
        assert last.refused is not None
        known = self.handed_over(self.execution.context)
        # The same model tries again; a step has its own order.
        self.start(
            (last.deployment,) if isinstance(move, Retry) else (),
            f"{done.spec.name}: {last.refused.gate} refused attempt {last.number}; "
            f"{move.why}",
        )
        return done.run.settings.secrets.masked_answer(known)

    @property
    def begins_afresh(self) -> bool:
        """Whether a further step begins where the task did."""
        spec, steps = self.done.run.settings.ladder, self.done.ladder.steps
        return spec.handover == START and len(steps) > 1 and bool(self.done.gates)

    def handed_over(self, context: str) -> str:
        """Put the files in the state in which the next attempt begins; returns what it
        needs to know beside the task."""
        last, best, watch = self.history[-1], self.best, self.done.watch
        climbs = self.begins_afresh and last.place != self.place.step
        # Where nobody kept how the task began, the best state is what there is.
        if climbs and (start := watch.start(self.done.spec)):
            watch.restore(start)
            return afresh(last, context=context)
        if best is not last:
            watch.restore(best.commits)
        return feedback(self.history, context=context, best=best)

    def _move(self) -> Move:
        done, place = self.done, self.place
        above = range(place.step + 1, len(done.ladder.steps))
        opens = {step: done.opens(step) for step in above}
        return after(
            done.ladder,
            place,
            closed=[step for step in above if opens[step] > 0],
            gone=[step for step in above if math.isinf(opens[step])],
            bound=done.watch.bound(done.spec, place.step == 0),
        )

    def _resumed(self) -> Place:
        """Where the next attempt is made: for a resumed run, where it goes on."""
        if not self.history:
            return Place()
        step = min(self.history[-1].place, max(0, len(self.done.ladder.steps) - 1))
        tries = sum(one.place == step for one in self.history)
        self.place = Place(step=step, tries=tries)
        match self._move():
            case Climb(step=further):
                return Place(step=further)
            case End():
                # Somebody asks for more: the last step tries once again.
                return Place(step=step, tries=max(0, tries - 1))
        return self.place

    def _judged(self, text: str) -> Attempt:
        done, execution, steps = self.done, self.execution, self.done.ladder.steps
        number = len(self.history) + 1
        return Attempt(
            number=number,
            step=steps[self.place.step].name if steps else "",
            place=self.place.step,
            deployment=execution.served,
            text=text,
            verdicts=tuple(done.verdicts(text, self.asked, execution)),
            told=self.told,
            why=self.why,
            cut_off=execution.cut_off,
            stalled=bool(execution.stalls.reason),
            # Where nothing judges the files, no state of theirs is better.
            commits=done.watch.keep(done.spec, number) if done.gates else {},
            began=execution.began,
            ended=done.run.clock.now(),
            style=execution.worded,
            role=execution.did,
        )

    def _fail(self, why: str) -> NoReturn:
        done, best = self.done, self.best
        if best is not self.history[-1]:
            done.watch.restore(best.commits)
        kept = done.watch.failed(done.spec, best)
        assert best.refused is not None
        tried = len(self.history)
        times = "once" if tried == 1 else f"{tried} times"
        reason = best.refused.reason[:_SHOWN].rstrip()
        gap = "\n" if "\n" in reason else " "  # never at the end of a test's output
        raise TaskFailed(
            f"{done.spec.name} is not done: {best.refused.gate}: "
            f"{reason}{gap}It was tried {times}, and {why}."
            + (f" Its best answer is in {kept}" if kept else "")
        )


def accepted() -> Attempt | None:
    """The attempt that was accepted of the task that just ended."""
    execution = current_execution.get()
    found = execution.outcome if execution is not None else None
    return found if isinstance(found, Attempt) else None
