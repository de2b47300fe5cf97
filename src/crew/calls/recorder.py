"""The recorder: the one place where an attempt opens and ends.

An attempt ends once, however it ends: its lease is settled, the guard learns from it,
and the journal gets its row.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Self

from crew.calls.call_events import Hearing, call_ended, open_call
from crew.clock import Clock
from crew.errors import ProviderError, StoreUnavailable
from crew.guard import Lease, QuotaGuard
from crew.guard.attempts import Attempts
from crew.journal import CallRecord, Journal
from crew.progress.events import CallBegun, Swapped
from crew.providers.answer import Answer
from crew.quota.reported import ReportedUsage
from crew.routing import Request
from crew.settings import Price
from crew.settings.styles import Style

INTERRUPTED = "Interrupted"
"""The outcome of an attempt whose answer nobody waited for."""


@dataclass(slots=True, kw_only=True, eq=False)
class Recorder:
    """Records the attempts of one run. `senior_price` is that of the first deployment
    of the senior tier, for the comparison in reports."""

    run: str
    guard: QuotaGuard
    journal: Journal
    clock: Clock
    senior_price: Price | None
    _open: dict[int, "Attempt"] = field(default_factory=dict)
    _swaps: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def attempt(self, attempts: Attempts, lease: Lease) -> "Attempt":
        """An attempt to enter with `with` or `async with`.

        The block calls `answered` at its end. When the provider fails, the block is
        left quietly and the next attempt may follow; any other error passes, and the
        attempt counts as broken off.
        """
        return Attempt(
            recorder=self,
            attempts=attempts,
            lease=lease,
            began=self.clock.monotonic(),
            hearing=Hearing(self.clock, self.guard.progress.tail, attempts, lease),
        )

    def break_off(self) -> None:
        """End every attempt that is under way."""
        for attempt in list(self._open.values()):
            self._break_off(attempt)

    def _begin(self, attempt: "Attempt") -> None:
        with self._lock:
            self._open[id(attempt)] = attempt
        request, lease = attempt.request, attempt.lease
        opened = open_call(self.run, request, lease, self.clock.now(), lease.is_free)
        # A journal that fails now fails when the call ends, and that is what counts.
        with suppress(StoreUnavailable):
            attempt.opened = self.journal.open_call(opened)
        self.guard.progress.publish(
            CallBegun(
                task=request.task, role=request.role, deployment=lease.deployment.name
            )
        )

    def _end(self, attempt: "Attempt", error: BaseException | None) -> bool:
        """End an attempt; returns whether the error is dealt with."""
        attempt.seconds = self.clock.monotonic() - attempt.began
        match error:
            case None if attempt.answer is not None:
                self._settle(attempt, attempt.answer)
            case ProviderError():
                self._fail(attempt, error)
                return True
            case _:
                self._break_off(attempt)
        return False

    def _settle(self, attempt: "Attempt", answer: Answer) -> None:
        lease, role = attempt.lease, attempt.request.role
        used = answer.charged or _estimated(lease)
        usage = lease.book(used, answer.reported)
        self.guard.troubles.served(lease.deployment)
        self._tell_swap(attempt)
        if answer.finish_reason == "length" and not answer.tool_calls:
            self.guard.listener(
                f"{role}: the answer of {lease.deployment.name} was cut off "
                f"after {used.output_tokens:,} tokens "
                "(max_output, or max_tokens of the role)"
            )
        if answer.charged is not None:
            self._learn(attempt, used)
        self._record(
            attempt,
            used=used,
            cost=usage.usd,
            senior=self._at_senior(used),
            estimated=answer.charged is None,
        )

    def _at_senior(self, used: ReportedUsage) -> Decimal | None:
        """What the same call would have cost there, with as much from a cache: what a
        cache saves is not the merit of the cheaper deployment."""
        price = self.senior_price
        if price is None:
            return None
        return price.cost(
            used.input_tokens,
            used.output_tokens,
            cached_tokens=used.cached_tokens,
            cache_write_tokens=used.cache_write_tokens,
        )

    def _fail(self, attempt: "Attempt", error: ProviderError) -> None:
        lease, secrets = attempt.lease, self.guard.settings.secrets
        error.mask(secrets.masked)
        cost = lease.bill(error.charged) if error.charged else None
        if cost is None and (error.costs_nothing or lease.is_free):
            cost = Decimal(0)
        self._record(
            attempt,
            used=error.charged or _NOTHING,
            cost=cost,
            outcome=type(error).__name__,
            detail=error.raw or error.reason,
        )
        attempt.attempts.failed(lease, error)

    def _break_off(self, attempt: "Attempt") -> None:
        """End an attempt whose answer nobody waits for any more: it may well be
        charged. Does nothing for an attempt that has ended."""
        with self._lock:
            if id(attempt) not in self._open:
                return
        attempt.seconds = self.clock.monotonic() - attempt.began
        lease = attempt.lease
        # A store that fails keeps the reservation, which is all that is wanted.
        with suppress(StoreUnavailable):
            lease.keep()
        self._record(
            attempt,
            used=_estimated(lease),
            cost=Decimal(0) if lease.is_free else None,
            outcome=INTERRUPTED,
            estimated=True,
        )

    def _learn(self, attempt: "Attempt", used: ReportedUsage) -> None:
        estimates, request = self.guard.estimates, attempt.request
        estimates.learn_output(request.speaker, used.output_tokens)
        if attempt.characters and not request.images:
            deployment = attempt.lease.deployment.name
            estimates.learn_input(deployment, attempt.characters, used.input_tokens)

    def _tell_swap(self, attempt: "Attempt") -> None:
        lease, role = attempt.lease, attempt.request.role
        swap = (role, lease.reason.partition(";")[0])
        if lease.is_swap and swap not in self._swaps:
            self._swaps.add(swap)
            name = lease.deployment.name
            self.guard.progress.publish(
                Swapped(
                    task=attempt.request.task,
                    role=role,
                    deployment=name,
                    reason=lease.reason,
                ),
                notice=f"{role} is served by {name}, as {lease.reason}",
            )

    def _record(
        self,
        attempt: "Attempt",
        *,
        used: ReportedUsage,
        cost: Decimal | None,
        senior: Decimal | None = None,
        outcome: str = "ok",
        estimated: bool = False,
        detail: str = "",
    ) -> None:
        with self._lock:
            # What was interrupted is in the journal, and comes back in vain.
            if self._open.pop(id(attempt), None) is None:
                return
        lease, request = attempt.lease, attempt.request
        record = CallRecord(
            run=self.run,
            task=request.task,
            role=request.role,
            deployment=lease.deployment.name,
            provider=lease.deployment.provider.name,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cached_tokens=used.cached_tokens,
            cache_write_tokens=used.cache_write_tokens,
            cache_saved_usd=lease.saved_by_cache(used),
            cost_usd=cost,
            seconds=attempt.seconds,
            outcome=outcome,
            reason=lease.reason,
            at=self.clock.now(),
            estimated=estimated,
            senior_usd=senior,
            characters=None if request.images else attempt.characters,
            detail=detail,
            part=request.part,
        )
        self._keep(record, attempt)

    def _keep(self, record: CallRecord, attempt: "Attempt") -> None:
        try:
            self.journal.record(record, attempt.opened)
        finally:
            first = attempt.hearing.seconds
            self.guard.progress.publish(call_ended(record, attempt.answer, first))


@dataclass(slots=True, kw_only=True, eq=False)
class Attempt:
    """One attempt at one deployment."""

    recorder: Recorder
    attempts: Attempts
    lease: Lease
    began: float
    hearing: Hearing
    seconds: float = 0.0
    answer: Answer | None = None
    opened: int | None = None

    @property
    def request(self) -> Request:
        return self.attempts.request

    @property
    def style(self) -> Style:
        """How the prompt is worded."""
        return self.attempts.pools.style(self.lease.deployment, self.request)

    @property
    def characters(self) -> int | None:
        """What is sent, where that is known."""
        sent = self.request.characters
        return None if sent is None else sent + self.style.characters

    def answered(self, answer: Answer) -> None:
        """The attempt brought an answer that can be used."""
        self.answer = answer
        self.hearing.end(answer)

    def __enter__(self) -> Self:
        self.recorder._begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return self.recorder._end(self, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None or isinstance(error, ProviderError):
            return await asyncio.to_thread(self.recorder._end, self, error)
        return self.recorder._end(self, error)  # a cancelled task must not wait


_NOTHING = ReportedUsage(input_tokens=0, output_tokens=0)


def _estimated(lease: Lease) -> ReportedUsage:
    """The estimate in place of what a provider did not report."""
    estimate = lease.estimate
    return ReportedUsage(
        input_tokens=estimate.input_tokens, output_tokens=estimate.output_tokens
    )
