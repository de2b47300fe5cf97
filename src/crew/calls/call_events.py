"""What is kept and told of a call: when it leaves, when its streamed answer begins,
what it says, and when it ends."""

from typing import Any

from crew.clock import Clock
from crew.guard import Lease
from crew.guard.attempts import Attempts
from crew.journal import CallRecord, OpenCall
from crew.progress.events import CallEnded
from crew.progress.tail import Tail
from crew.providers.answer import Answer
from crew.providers.transport import OnChunk
from crew.routing import Request


def open_call(
    run: str, request: Request, lease: Lease, at: float, is_free: bool
) -> OpenCall:
    """What the journal keeps of a call that leaves."""
    return OpenCall(
        run=run,
        task=request.task,
        role=request.role,
        deployment=lease.deployment.name,
        provider=lease.deployment.provider.name,
        input_tokens=lease.estimate.input_tokens,
        output_tokens=lease.estimate.output_tokens,
        reason=lease.reason,
        at=at,
        is_free=is_free,
    )


def call_ended(
    record: CallRecord, answer: Answer | None, first_seconds: float | None
) -> CallEnded:
    """What those who follow a run learn of a call."""
    return CallEnded(
        task=record.task,
        role=record.role,
        deployment=record.deployment,
        outcome=record.outcome,
        seconds=round(record.seconds, 3),
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cost_usd=record.cost_usd,
        cached_tokens=record.cached_tokens,
        senior_usd=record.senior_usd,
        reason=record.reason,
        model=answer.model if answer else None,
        first_seconds=None if first_seconds is None else round(first_seconds, 3),
    )


class Hearing:
    """What is heard of an answer while it comes, for whoever looks. `seconds` is how
    long a stream took to begin; None before, and for an answer that is none."""

    def __init__(
        self, clock: Clock, tail: Tail, attempts: Attempts, lease: Lease
    ) -> None:
        self.seconds: float | None = None
        self._clock = clock
        self._tail = tail
        self._who = attempts.request.role, lease.deployment.name
        self._began = clock.monotonic()

    def heard_by(self, on_chunk: OnChunk | None) -> OnChunk | None:
        """A listener that hands on to `on_chunk`, if there is one."""
        if on_chunk is None:
            return None

        def hand_on(chunk: Any) -> None:
            if self.seconds is None:
                self.seconds = self._clock.monotonic() - self._began
            if chunk.choices and (text := chunk.choices[0].delta.content):
                self._tail.add(*self._who, text)
            on_chunk(chunk)

        return hand_on

    def end(self, answer: Answer) -> None:
        """The answer is whole: its text, and the names of the tools that it calls."""
        names = ", ".join(str(call.function.name) for call in answer.tool_calls)
        parts = (answer.text, f"-> {names}" if names else "")
        self._tail.end(*self._who, "\n".join(filter(None, parts)))
