"""The timeline of a run: a row for each role, a bar for each call, marks between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crew.journal import CallRecord
from crew.progress.events import (
    CheckRan,
    Event,
    FileChanged,
    GateJudged,
    StepBegun,
    Swapped,
    ToolUsed,
    Waiting,
)

NARROWEST = 0.35
"""Percent of the width that the shortest call still takes: a finger must hit it."""
_SIGNS = {
    "swap": "S",
    "wait": "W",
    "tool": "t",
    "file": "f",
    "check": "C",
    "gate": "G",
    "escalation": "E",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One call. `index` is its place in the list of calls; `left` and `width` are in
    percent of the timeline; `colour` is the number of its deployment."""

    index: int
    left: float
    width: float
    colour: int
    ok: bool
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened between the calls, at `left` percent."""

    left: float
    kind: str
    sign: str
    text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One role."""

    role: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`begin` and `end` are in seconds since the epoch; `deployments` are in the order
    of their colours."""

    begin: float
    end: float
    deployments: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def marks(self) -> list[tuple[str, Mark]]:
        """All marks with their role, in the order of time."""
        found = [(row.role, mark) for row in self.rows for mark in row.marks]
        return sorted(found, key=lambda one: one[1].at)


def timeline(calls: Sequence[CallRecord], events: Sequence[Event]) -> Timeline | None:
    """The calls of a run and what happened between them; None where nothing did."""
    moments = [call.at for call in calls] + [call.at - call.seconds for call in calls]
    happened = [one for event in events for one in _happened(event)]
    moments += [at for at, _, _, _ in happened]
    if not moments:
        return None
    begin, end = min(moments), max(moments)
    scale = 100.0 / max(end - begin, 0.001)
    names = tuple(dict.fromkeys(call.deployment for call in calls))
    roles = dict.fromkeys([call.role for call in calls] + [one[1] for one in happened])
    rows = tuple(
        Row(
            role=role,
            bars=tuple(
                _bar(index, call, begin, scale, names)
                for index, call in enumerate(calls)
                if call.role == role
            ),
            marks=tuple(
                Mark(
                    left=min(99.2, max(0.8, (at - begin) * scale)),
                    kind=kind,
                    sign=_SIGNS[kind],
                    text=text,
                    at=at,
                )
                for at, who, kind, text in happened
                if who == role
            ),
        )
        for role in roles
    )
    return Timeline(begin=begin, end=end, deployments=names, rows=rows)


def _bar(
    index: int, call: CallRecord, begin: float, scale: float, names: Sequence[str]
) -> Bar:
    width = min(100.0, max(NARROWEST, call.seconds * scale))
    left = max(0.0, (call.at - call.seconds - begin) * scale)
    outcome = "answered" if call.ok else call.outcome
    return Bar(
        index=index,
        left=min(left, 100.0 - width),
        width=width,
        colour=names.index(call.deployment),
        ok=call.ok,
        label=f"{call.role}: {call.deployment}, {outcome}, {call.seconds:.1f} s",
    )


def _happened(event: Event) -> Iterator[tuple[float, str, str, str]]:
    """When, who, of which kind, and in words."""
    match event:
        case Swapped():
            kind, text = "swap", f"{event.deployment} serves: {event.reason}"
        case Waiting():
            kind = "wait"
            text = f"waits {event.seconds:.0f} s for {event.deployment}: {event.reason}"
        case ToolUsed():
            target = f" {event.target}" if event.target else ""
            failed = "" if event.ok else " (an error)"
            kind, text = "tool", f"{event.tool}{target}{failed}"
        case FileChanged():
            kind, text = "file", f"{event.change} {event.path}"
        case CheckRan():
            kind = "check"
            text = f"check {event.check} {'passed' if event.passed else 'failed'}"
        case GateJudged():
            kind, text = "gate", f"gate {event.gate}: {event.verdict}"
        case StepBegun() if event.attempt > 1:
            kind = "escalation"
            text = f"attempt {event.attempt}, step {event.step}: {event.why}"
        case _:
            return
    yield event.at.timestamp(), event.role or "crew", kind, text
