"""An event as one line for a person: short enough for 80 columns, if that is all."""

from dataclasses import dataclass
from decimal import Decimal

from rich.cells import cell_len, set_cell_size

from crew.progress.events import (
    CHANGES,
    AlertRaised,
    CheckRan,
    Event,
    FileChanged,
    GateJudged,
    Noticed,
    OfTask,
    RunAnnounced,
    RunBegun,
    StepBegun,
    Swapped,
    TaskBegun,
    TaskEnded,
    ToolUsed,
    Waiting,
)
from crew.texts.escapes import escape_control

NARROWEST = 80
_PLACE = 16
"""Columns of a deployment's name, at most."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says. `tone` is what a terminal may show by a colour: `plain`,
    `good`, `bad`, `notable` or `faint`."""

    text: str
    tone: str


def line_of(event: Event, *, width: int = NARROWEST) -> Line | None:
    """The line of an event in fewer columns than `width`; None for one that a person
    does not read one by one."""
    if isinstance(event, Noticed):
        return Line(f"· {event.text}", _tone(event))
    if isinstance(event, AlertRaised):
        return Line(f"· ALERT: {event.text}", _tone(event))
    if isinstance(event, RunAnnounced):
        return Line(cut(_announced(event), max(width, NARROWEST) - 1), "plain")
    what = _what(event)
    if what is None:
        return None
    left = f"· {short_time(event.so_far.seconds)} {what}"
    place = event.deployment if isinstance(event, OfTask) else None
    if isinstance(event, Swapped | Waiting | StepBegun):
        place = None  # its text names it, or it served the attempt before
    return Line(_laid_out(left, _tail(event, place), width), _tone(event))


def _announced(event: RunAnnounced) -> str:
    where = f" ({', '.join(event.repositories)})" if event.repositories else ""
    again = ", resumed" if event.resumed else ""
    # The repositories stay when a long request is cut.
    text = f"· run {event.run}{again}{where}: {event.request or 'no request'}"
    return escape_control(" ".join(text.split()))


def _what(event: Event) -> str | None:
    """What happened, with who did it; None for what has no line."""
    match event:
        case RunBegun(tasks=tasks):
            names = ", ".join(task.name for task in tasks)
            kept = f"; kept: {', '.join(event.finished)}" if event.finished else ""
            return f"{len(tasks)} task{'s' * (len(tasks) != 1)}: {names or '-'}{kept}"
        case TaskBegun(task=task, role=role):
            return f"{task} begins: {role or 'nobody'}"
        case TaskEnded(task=task, seconds=seconds):
            word = "FAILED" if event.status == "failed" else event.status
            return f"{task} {word} after {_seconds(seconds)}"
        case StepBegun(why=why) if why:  # else the line of the task says it
            on = f" on {event.step}" if event.step else ""
            return f"{event.task}: attempt {event.attempt}{on}: {why}"
        case _:
            return _what_role(event)


def _what_role(event: Event) -> str | None:
    """What a role, a check or a gate did."""
    match event:
        case Swapped(role=role, reason=reason):
            return f"{role} swaps to {event.deployment}: {reason}"
        case Waiting(seconds=seconds):
            most = "at most " if event.at_most else ""
            until = event.until.astimezone().strftime("%H:%M:%S")
            return (
                f"{event.role} waits {most}{_seconds(seconds)}, until {until}: "
                f"{event.reason}"
            )
        case ToolUsed() | FileChanged():
            return _used(event)
        case CheckRan() | GateJudged():
            return _judged(event)
        case _:
            return None


def _judged(event: CheckRan | GateJudged) -> str | None:
    task = f"{event.task}: " if event.task else ""
    if isinstance(event, CheckRan):
        word = "passed" if event.passed else "FAILED"
        if event.failed_before:
            word = "fails as before the run,"
        return f"{task}check {event.check} {word} after {_seconds(event.seconds)}"
    if event.verdict == "nothing":
        return f"{task}gate {event.gate} gave no verdict"
    if event.gate.split(":")[0] in ("checks", "check"):
        return None  # the lines of the checks say it
    word = "passed" if event.verdict == "passed" else "FAILED"
    return f"{task}gate {event.gate} {word}"


def _used(event: ToolUsed | FileChanged) -> str | None:
    if isinstance(event, FileChanged):
        verb = "wrote" if event.change == "written" else "edited"
        return f"{event.role} {verb} {event.path}"
    if event.ok and (event.tool in CHANGES or event.tool == "run_checks"):
        return None  # the line of the file, or of each check, says it
    failed = "" if event.ok else " failed"
    long = f" ({_seconds(event.seconds)})" if event.seconds >= 1 else ""
    tool = _DELEGATING.get(event.tool, event.tool)
    return f"{event.role} {tool}{failed} {event.target or ''}".rstrip() + long


_DELEGATING = {
    "delegate_work_to_coworker": "delegated to",
    "ask_question_to_coworker": "asked",
}


def _tone(event: Event) -> str:
    match event:
        case (
            TaskEnded(status="failed")
            | CheckRan(passed=False, failed_before=False)
            | GateJudged(verdict="failed")
        ):
            return "bad"
        case TaskEnded(status="unproved") | CheckRan(passed=False):
            return "notable"
        case TaskEnded() | CheckRan():
            return "good"
        case Swapped() | Waiting() | StepBegun() | AlertRaised():
            return "notable"
        case ToolUsed() | GateJudged():
            return "faint"
        case Noticed(text=text) if text.startswith("WARNING"):
            return "notable"
        case _:
            return "plain"


def _tail(event: Event, place: str | None) -> str:
    """The deployment, and the tokens and the money so far."""
    so_far = event.so_far
    tokens = short_count(so_far.input_tokens + so_far.output_tokens)
    cost = short_money(so_far.cost_usd, so_far.known_cost_usd)
    name = cut(place, _PLACE) if place else ""
    return f"{name} {tokens:>5} {cost:>8}".strip()


def _laid_out(left: str, right: str, width: int) -> str:
    """Both sides in one line of fewer columns than `width`; the left is cut."""
    room = max(width, NARROWEST) - 1
    left, right = escape_control(left), escape_control(right)
    left = cut(left, room - cell_len(right) - 2)
    gap = room - cell_len(left) - cell_len(right)
    return f"{left}{' ' * gap}{right}"


def cut(text: str, columns: int) -> str:
    """A text in at most so many columns."""
    if cell_len(text) <= columns:
        return text
    return f"{set_cell_size(text, columns - 3).rstrip()}..."


def short_time(seconds: float) -> str:
    """Since the begin, such as `1:05` or `1:02:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _seconds(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def short_count(number: int) -> str:
    """A number in at most five characters, such as `9.4k`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            whole = number >= 100 * size
            return f"{number / size:.{0 if whole else 1}f}{unit}"
    return str(number)


def short_money(cost: Decimal | None, known: Decimal) -> str:
    """Dollars; with a `+` where some calls have no known price."""
    amount = known if cost is None else cost
    decimals = 2 if amount >= 100 else 4
    return f"${amount:,.{decimals}f}{'+' if cost is None else ''}"
