"""From the events of a run to spans (run > task > attempt > call) and metrics."""

from collections.abc import Callable, Sequence
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from crew.progress.events import (
    CallEnded,
    Event,
    GateJudged,
    RunBegun,
    RunEnded,
    StepBegun,
    Swapped,
    TaskBegun,
    TaskEnded,
    ToolUsed,
    Waiting,
)
from crew.quota.store import PoolState
from crew.settings import Settings
from crew.telemetry import names
from crew.telemetry.attributes import Attributing
from crew.telemetry.metrics import Metrics

FLUSH_MILLIS = 5_000
"""How long the end of a run waits until what is left is delivered."""


class Telemetry:
    """A listener of a run's events. Spans have the times of the events; what has no end
    when the run ends, ends with it."""

    def __init__(
        self, settings: Settings, tracers: TracerProvider, meters: MeterProvider
    ) -> None:
        self._tracers = tracers
        self._meters = meters
        self._tracer = tracers.get_tracer("crew")
        self._metrics = Metrics(meters.get_meter("crew"))
        self._attributing = Attributing(settings)
        self._run: Span | None = None
        self._tasks: dict[str, Span] = {}
        self._attempts: dict[str, Span] = {}

    def watch(self, pools: Callable[[], Sequence[PoolState]]) -> None:
        """Report how much the limits have left, from now on."""
        self._metrics.watch(pools)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._metrics.take(event, self._attributing)
        match event:
            case RunBegun():
                self._end_run(event.at)
                self._run = self._begin_run(event)
            case TaskBegun():
                self._begin_task(event)
            case StepBegun():
                self._begin_attempt(event)
            case CallEnded():
                self._call(event)
            case ToolUsed():
                self._tool(event)
            case Swapped() | Waiting() | GateJudged():
                self._within(event.task).add_event(
                    event.type, self._attributing.of(event), _nanoseconds(event.at)
                )
            case TaskEnded():
                self._end_task(event)
            case RunEnded():
                if self._run is not None:
                    self._run.set_attribute(names.STATUS, event.status)
                    _judge(self._run, failed=event.status == "failed")
                self._end_run(event.at)
                self._tracers.force_flush(FLUSH_MILLIS)
                self._meters.force_flush(FLUSH_MILLIS)
            case _:
                pass

    def _begin_run(self, event: RunBegun) -> Span:
        return self._tracer.start_span(
            f"{names.INVOKE_WORKFLOW} crew",
            kind=SpanKind.INTERNAL,
            attributes=self._attributing.of(event),
            start_time=_nanoseconds(event.at),
        )

    def _begin_task(self, event: TaskBegun) -> None:
        name = event.task or ""
        self._end(self._tasks.pop(name, None), event.at)
        self._tasks[name] = self._tracer.start_span(
            f"{names.INVOKE_AGENT} {event.role or 'crew'}",
            context=_inside(self._run),
            attributes=self._attributing.of(event),
            start_time=_nanoseconds(event.at),
        )

    def _begin_attempt(self, event: StepBegun) -> None:
        name = event.task or ""
        self._end(self._attempts.pop(name, None), event.at)
        self._attempts[name] = self._tracer.start_span(
            f"attempt {event.attempt}",
            context=_inside(self._tasks.get(name, self._run)),
            attributes=self._attributing.of(event),
            start_time=_nanoseconds(event.at),
        )

    def _call(self, event: CallEnded) -> None:
        attributes = self._attributing.of(event)
        span = self._tracer.start_span(
            f"{names.CHAT} {attributes.get(names.REQUEST_MODEL, '')}".strip(),
            context=_inside(self._within(event.task)),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=_nanoseconds(event.at, before=event.seconds),
        )
        _judge(span, failed=event.outcome != "ok")
        span.end(_nanoseconds(event.at))

    def _tool(self, event: ToolUsed) -> None:
        span = self._tracer.start_span(
            f"{names.EXECUTE_TOOL} {event.tool}",
            context=_inside(self._within(event.task)),
            attributes=self._attributing.of(event),
            start_time=_nanoseconds(event.at, before=event.seconds),
        )
        _judge(span, failed=not event.ok)
        span.end(_nanoseconds(event.at))

    def _within(self, task: str | None) -> Span:
        """The span in which something of a task happens."""
        name = task or ""
        found = self._attempts.get(name) or self._tasks.get(name) or self._run
        if found is None:
            # A crew of a script's own, whose run said nothing of its beginning.
            self._run = found = self._tracer.start_span(f"{names.INVOKE_WORKFLOW} crew")
        return found

    def _end_task(self, event: TaskEnded) -> None:
        name = event.task or ""
        self._end(self._attempts.pop(name, None), event.at)
        span = self._tasks.pop(name, None)
        if span is not None:
            span.set_attributes(self._attributing.of(event))
            _judge(span, failed=event.status == "failed")
        self._end(span, event.at)

    def _end_run(self, at: datetime) -> None:
        for span in (*self._attempts.values(), *self._tasks.values(), self._run):
            self._end(span, at)
        self._attempts.clear()
        self._tasks.clear()
        self._run = None

    def _end(self, span: Span | None, at: datetime) -> None:
        if span is not None:
            span.end(_nanoseconds(at))


def _inside(span: Span | None) -> Context | None:
    return None if span is None else set_span_in_context(span)


def _judge(span: Span, *, failed: bool) -> None:
    if failed:
        span.set_status(StatusCode.ERROR)


def _nanoseconds(at: datetime, *, before: float = 0.0) -> int:
    return int((at.timestamp() - before) * 1_000_000_000)
