"""The metrics of runs: tokens, seconds, money, swaps, waits, gates, limits."""

from collections.abc import Callable, Iterable, Sequence

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from crew.progress.events import (
    CallEnded,
    Event,
    GateJudged,
    Swapped,
    TaskEnded,
    Waiting,
)
from crew.quota.store import PoolState
from crew.telemetry import names
from crew.telemetry.attributes import Attributes, Attributing


class Metrics:
    """The instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._tokens = meter.create_histogram(names.TOKENS_METRIC, "{token}")
        self._duration = meter.create_histogram(names.DURATION_METRIC, "s")
        self._first = meter.create_histogram(names.FIRST_CHUNK_METRIC, "s")
        self._calls = meter.create_counter(names.CALLS_METRIC, "{call}")
        self._cost = meter.create_counter(names.COST_METRIC, "USD")
        self._senior = meter.create_counter(names.SENIOR_METRIC, "USD")
        self._swaps = meter.create_counter(names.SWAPS_METRIC, "{swap}")
        self._waits = meter.create_histogram(names.WAITS_METRIC, "s")
        self._refusals = meter.create_counter(names.REFUSALS_METRIC, "{call}")
        self._gates = meter.create_counter(names.GATES_METRIC, "{verdict}")
        self._tasks = meter.create_counter(names.TASKS_METRIC, "{task}")

    def take(self, event: Event, attributing: Attributing) -> None:
        """Count what an event says."""
        match event:
            case CallEnded():
                self._call(event, attributing.model(event.deployment))
            case Swapped():
                self._swaps.add(1, attributing.model(event.deployment))
            case Waiting():
                model = attributing.model(event.deployment)
                self._waits.record(event.seconds, model)
            case GateJudged():
                verdict = {names.GATE: event.gate, names.VERDICT: event.verdict}
                self._gates.add(1, verdict)
            case TaskEnded():
                self._tasks.add(1, {names.STATUS: event.status})
            case _:
                pass

    def watch(self, pools: Callable[[], Sequence[PoolState]]) -> None:
        """Report at each export how much of each limit is left, from 0 to 1."""

        def headroom(options: CallbackOptions) -> Iterable[Observation]:
            for pool in pools():
                for state in pool.limits:
                    whole = state.used + state.reserved + state.left
                    share = state.left / whole if whole > 0 else 0.0
                    place = {names.POOL: pool.name, names.LIMIT: str(state.limit)}
                    yield Observation(share, place)

        self._meter.create_observable_gauge(names.HEADROOM_METRIC, [headroom], "1")

    def _call(self, event: CallEnded, model: Attributes) -> None:
        place: Attributes = {names.OPERATION: names.CHAT, **model}
        sent = {**place, names.TOKEN_TYPE: "input"}
        written = {**place, names.TOKEN_TYPE: "output"}
        self._tokens.record(event.input_tokens, sent)
        self._tokens.record(event.output_tokens, written)
        failed = {} if event.outcome == "ok" else {names.ERROR: event.outcome}
        self._duration.record(event.seconds, {**place, **failed})
        if event.first_seconds is not None:
            self._first.record(event.first_seconds, place)
        free = event.cost_usd is not None and not event.cost_usd
        self._calls.add(1, {**place, **failed, names.FREE: free})
        if event.outcome == "RateLimited":
            self._refusals.add(1, place)
        if event.cost_usd is not None:
            self._cost.add(float(event.cost_usd), place)
        if event.senior_usd is not None:
            self._senior.add(float(event.senior_usd), place)
