"""The events of a run: a closed union of frozen values.

None holds a prompt, an answer, the arguments of a tool, or what a gate said of a text.
docs/events.md explains each type; `docs/events.schema.json` is generated from them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

CHANGES: dict[str, Literal["written", "edited"]] = {
    "write_file": "written",
    "edit_file": "edited",
}
"""The tools that change files, and what they do to one."""
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """What the run took until now. `seconds` count from the begin of this part of it;
    calls, tokens and money count earlier parts of a resumed run, too.

    `cost_usd` is None when the cost of any call is unknown; `known_cost_usd` leaves
    those calls out.
    """

    seconds: float = 0.0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    known_cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What each event has. `number` counts the events of one process from 1; `at` is
    the time of day. Whoever publishes an event leaves these to the `Progress`."""

    run: str = ""
    number: int = 0
    at: datetime = EPOCH
    so_far: SoFar = SoFar()


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfTask(_Event):
    """What happened while a role worked on a task; names as in the YAML. `deployment`
    is the one that served the role's latest call for this task, if there was one."""

    task: str | None = None
    role: str | None = None
    deployment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnnounced(_Event):
    """What will be done, before anything is loaded. `request` is cut to one line;
    `repositories` are the names of their directories."""

    request: str = ""
    repositories: tuple[str, ...] = ()
    resumed: bool = False
    type: Literal["run_announced"] = "run_announced"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """A task that the run will do; `role` is None where the manager chooses."""

    name: str
    role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegun(_Event):
    """The crew begins. `finished` are the tasks that an earlier part of the run did."""

    request: str = ""
    repositories: tuple[str, ...] = ()
    tasks: tuple[PlannedTask, ...] = ()
    finished: tuple[str, ...] = ()
    rehearsal: bool = False
    type: Literal["run_begun"] = "run_begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(_Event):
    """The run, or this part of it, ended. `document` is the record of the run, as in
    run.json: with `crew run --json-stream` alone. `error` has a line for each thing
    that went wrong."""

    status: str
    error: tuple[str, ...] = ()
    document: dict[str, object] | None = None
    type: Literal["run_ended"] = "run_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBegun(_OfTask):
    """A role, or the manager, begins to work on a task."""

    type: Literal["task_begun"] = "task_begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(_OfTask):
    """A task ended: `proved` by a gate that ran tests, `passed` by weaker gates,
    `unproved` without any, or `failed`. `seconds` is how long it took. A task that an
    interrupted run left open has no such event."""

    status: Literal["proved", "passed", "unproved", "failed"]
    seconds: float
    type: Literal["task_ended"] = "task_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegun(_OfTask):
    """An attempt at a task begins: `attempt` counts from 1, `step` is the name of the
    ladder's step. `why` says why it is made; the first one of a run has no reason."""

    attempt: int
    step: str
    why: str
    type: Literal["step_begun"] = "step_begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBegun(_OfTask):
    """A model call leaves for `deployment`."""

    type: Literal["call_begun"] = "call_begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(_OfTask):
    """A model call ended. `outcome` is `ok`, the class of the failure, or
    `Interrupted`; an unknown cost is None. `senior_usd` is what an ok call would have
    cost on the senior tier. `reason` says why this deployment and not the first, and
    `model` which one the provider says answered. `first_seconds` is how long a streamed
    answer took to begin."""

    outcome: str
    seconds: float
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    cached_tokens: int = 0
    senior_usd: Decimal | None = None
    reason: str = ""
    model: str | None = None
    first_seconds: float | None = None
    type: Literal["call_ended"] = "call_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped(_OfTask):
    """`deployment` serves the role in place of a better one; `reason` says why. Once
    for each role and reason."""

    reason: str
    type: Literal["swapped"] = "swapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(_OfTask):
    """The role waits for `deployment`, `seconds` long and `until` then; with `at_most`
    it may be earlier."""

    until: datetime
    seconds: float
    at_most: bool
    reason: str
    type: Literal["waiting"] = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUsed(_OfTask):
    """A role used a tool. `target` is the file or directory as the workspace names it,
    or the coworker; None where there is none. `ok` is false when the tool answered
    with an error."""

    tool: str
    target: str | None
    seconds: float
    ok: bool
    type: Literal["tool_used"] = "tool_used"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanged(_OfTask):
    """A role wrote or edited a file of the workspace."""

    path: str
    change: Literal["written", "edited"]
    type: Literal["file_changed"] = "file_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRan(_OfTask):
    """A check, a command of the user's, ran for a gate or for a role. `failed_before`:
    all that fails now failed before the run, too."""

    check: str
    passed: bool
    failed_before: bool
    seconds: float
    type: Literal["check_ran"] = "check_ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateJudged(_OfTask):
    """A gate judged the result of a task; `nothing` means that it had nothing to look
    at."""

    gate: str
    verdict: Literal["passed", "failed", "nothing"]
    type: Literal["gate_judged"] = "gate_judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed(_Event):
    """Anything else that a person may want to read."""

    text: str
    type: Literal["noticed"] = "noticed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(_Event):
    """What a person must hear of: `kind` is a word such as `budget`, `key` names the
    event, which is reported once."""

    kind: str
    key: str
    text: str
    type: Literal["alert_raised"] = "alert_raised"


Event = (
    RunAnnounced
    | RunBegun
    | RunEnded
    | TaskBegun
    | TaskEnded
    | StepBegun
    | CallBegun
    | CallEnded
    | Swapped
    | Waiting
    | ToolUsed
    | FileChanged
    | CheckRan
    | GateJudged
    | AlertRaised
    | Noticed
)
OfTask = (
    TaskBegun
    | TaskEnded
    | StepBegun
    | CallBegun
    | CallEnded
    | Swapped
    | Waiting
    | ToolUsed
    | FileChanged
    | CheckRan
    | GateJudged
)
