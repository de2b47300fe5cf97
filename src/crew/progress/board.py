"""The board of a run: how each task stands now, from the events so far."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from crew.progress.events import (
    CallBegun,
    CallEnded,
    CheckRan,
    Event,
    FileChanged,
    GateJudged,
    OfTask,
    RunAnnounced,
    RunBegun,
    RunEnded,
    SoFar,
    StepBegun,
    TaskBegun,
    TaskEnded,
    ToolUsed,
    Waiting,
)

TO_COME, AT_WORK, KEPT = "to come", "at work", "kept"
"""How a task stands that has not ended; one that has ended says how."""


@dataclass(slots=True, kw_only=True)
class TaskRow:
    """One task. `began` counts as the run's seconds do, and `seconds` is how long it
    took once it has ended. `deployment` served its latest call, and `why` says why not
    a better one. `doing` is what its role does now. `checks` has the last result of
    each check. Money is in US dollars; None: the cost of a call is unknown."""

    name: str
    role: str
    state: str = TO_COME
    began: float | None = None
    seconds: float | None = None
    deployment: str = ""
    why: str = ""
    doing: str = ""
    attempt: int = 1
    step: str = ""
    tokens: int = 0
    usd: Decimal | None = Decimal(0)
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def is_at_work(self) -> bool:
        return self.state == AT_WORK


@dataclass(frozen=True, slots=True)
class Wait:
    """A role that waits for a deployment, until a time of day."""

    role: str
    deployment: str
    until: datetime
    reason: str


@dataclass(slots=True, kw_only=True)
class Board:
    """The state of a run. `senior_usd` is what its answers so far would have cost on
    the senior tier; None where nobody knows it. `ended` is how the run ended."""

    run: str = ""
    request: str = ""
    tasks: dict[str, TaskRow] = field(default_factory=dict)
    so_far: SoFar = field(default_factory=SoFar)
    senior_usd: Decimal | None = Decimal(0)
    waits: dict[str, Wait] = field(default_factory=dict)
    ended: str | None = None

    def take(self, event: Event) -> None:
        """Bring the board up to an event."""
        self.run, self.so_far = event.run or self.run, event.so_far
        match event:
            case RunAnnounced():
                self.request = event.request
            case RunBegun():
                self.request = event.request or self.request
                self.tasks = {
                    task.name: TaskRow(name=task.name, role=task.role or "")
                    for task in event.tasks
                }
                for name in event.finished:
                    self.tasks[name] = TaskRow(name=name, role="", state=KEPT)
            case RunEnded():
                self.ended = event.status
            case _:
                self._take_of_task(event)

    def _take_of_task(self, event: Event) -> None:
        if not isinstance(event, OfTask):
            return
        if isinstance(event, Waiting):
            role = event.role or ""
            self.waits[role] = Wait(
                role, event.deployment or "", event.until, event.reason
            )
        elif isinstance(event, CallBegun | CallEnded):
            self.waits.pop(event.role or "", None)
        if isinstance(event, CallEnded) and event.outcome == "ok":
            sums = (self.senior_usd, event.senior_usd)
            known = [one for one in sums if one is not None]
            self.senior_usd = sum(known, Decimal(0)) if len(known) == 2 else None
        if event.task is None:
            return
        row = self.tasks.setdefault(
            event.task, TaskRow(name=event.task, role=event.role or "")
        )
        _advance(row, event)


def _advance(row: TaskRow, event: OfTask) -> None:
    match event:
        case TaskBegun():
            row.state, row.role = AT_WORK, event.role or row.role
            row.began = event.so_far.seconds
        case StepBegun():
            row.attempt, row.step = event.attempt, event.step
        case TaskEnded():
            row.state, row.seconds, row.doing = event.status, event.seconds, ""
        case CallBegun():
            row.deployment = event.deployment or row.deployment
            row.doing = f"{event.role} asks {row.deployment}"
        case CallEnded():
            _add_call(row, event)
        case _:
            row.doing = _doing(event) or row.doing
            if isinstance(event, CheckRan):
                row.checks[event.check] = event.passed


def _add_call(row: TaskRow, event: CallEnded) -> None:
    row.deployment, row.why, row.doing = event.deployment or "", event.reason, ""
    row.tokens += event.input_tokens + event.output_tokens
    if row.usd is not None:
        cost = event.cost_usd
        row.usd = None if cost is None else row.usd + cost


def _doing(event: OfTask) -> str:
    """What a role does, or what is done with its work."""
    match event:
        case ToolUsed():
            return f"{event.role}: {event.tool} {event.target or ''}".rstrip()
        case FileChanged():
            return f"{event.role}: {event.change} {event.path}"
        case CheckRan():
            return f"check {event.check}"
        case GateJudged():
            return f"gate {event.gate}"
        case _:
            return ""
