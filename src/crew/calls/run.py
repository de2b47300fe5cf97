"""One run: what every model call of a crew shares."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import crew.providers.transport as litellm_transport
from crew.alerts import Alerts
from crew.calls.recorder import Recorder
from crew.clock import Clock, SystemClock
from crew.errors import (
    CrewError,
    Interrupted,
    RunFailed,
    StoreUnavailable,
)
from crew.guard import QuotaGuard
from crew.guard.budgets import Approval
from crew.journal import Journal, journal_file, new_run_id
from crew.notices import Listener
from crew.progress.progress import Progress
from crew.providers.answer import Answer
from crew.providers.exchange import OnSent
from crew.providers.probe import ask_credit
from crew.providers.prompt import Prompt
from crew.providers.transport import OnChunk
from crew.quota.limits import Metric
from crew.settings import Deployment, Settings, families

_SEEDS = 200
"""How many of the latest calls a new run learns its estimates from."""
LOOK_SECONDS = 60.0
"""How often a run looks whether the allowances last."""
PAUSED_SECONDS = 0.5
"""How long a run that pauses does not notice that somebody ends it."""


class Transport(Protocol):
    """Makes one call to one deployment: exactly one attempt. Raises ProviderError."""

    def complete(
        self,
        deployment: Deployment,
        prompt: Prompt,
        on_chunk: OnChunk | None = None,
        *,
        now: float | None = None,
        on_sent: OnSent = ...,
    ) -> Answer: ...

    async def acomplete(
        self,
        deployment: Deployment,
        prompt: Prompt,
        on_chunk: OnChunk | None = None,
        *,
        now: float | None = None,
        on_sent: OnSent = ...,
    ) -> Answer: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """The guard, the journal and the name of one run.

    `transport` makes the calls. `failure` is the error that ends the run: a manager
    would otherwise read a coworker's failure as text and carry on without its work.
    `alerts` are those that `open` made.
    """

    id: str
    settings: Settings
    guard: QuotaGuard
    journal: Journal
    clock: Clock
    transport: Transport = litellm_transport
    failure: CrewError | None = None
    alerts: Alerts | None = None
    recorder: Recorder = field(init=False)
    _interrupted: bool = False
    _ended: bool = False
    _calls: int = 0
    _looked_at: float = field(init=False)
    _writers: set[str] = field(default_factory=set)
    _asking: threading.Thread | None = None
    _goes_on: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    __weakref__: object = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._goes_on.set()
        self._looked_at = self.clock.monotonic()
        tier = self.settings.tiers.get("senior")
        first = self.settings.deployments[tier.chain[0]] if tier else None
        self.recorder = Recorder(
            run=self.id,
            guard=self.guard,
            journal=self.journal,
            clock=self.clock,
            senior_price=first.price if first else None,
        )

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        output: Path,
        run_id: str | None = None,
        listener: Listener = lambda line: None,
        progress: Progress | None = None,
    ) -> "Run":
        """Start a run, or take one up again. Raises StoreUnavailable."""
        clock = SystemClock()
        run_id = run_id or new_run_id(clock)
        progress = progress or Progress(run_id, notices=listener)
        journal = Journal.open(_journal(settings), clock, progress.notice)
        guard = QuotaGuard.open(
            settings,
            progress=progress,
            deadline=_deadline(settings, clock),
            record=None if settings.rehearsal else journal,
        )
        _seed(guard, journal, run_id)
        asking = threading.Thread(target=_ask, args=(guard,), daemon=True)
        asking.start()
        journal.start_run(
            run_id,
            rehearsal=settings.rehearsal,
            user=settings.user,
            team=settings.team,
            output=output,
        )
        return cls(
            id=run_id,
            settings=settings,
            guard=guard,
            journal=journal,
            clock=clock,
            alerts=_alerts(guard, journal, run_id),
            _calls=journal.count_calls(run_id),
            _asking=asking,
        )

    def close(self) -> None:
        """Let go of the stores."""
        if self._asking is not None:
            self._asking.join()
        if self.alerts is not None:
            self.alerts.close()
        self.guard.close()
        self.journal.close()

    def count_attempt(self) -> None:
        """Take one attempt of the run's `max_calls`. Raises RunFailed past it, past
        the run's deadline, and when the run was interrupted."""
        while not (self._goes_on.wait(PAUSED_SECONDS) or self._interrupted):
            pass
        if self._interrupted:
            raise Interrupted("interrupted")
        deadline = self.guard.deadline
        if deadline is not None and self.clock.monotonic() >= deadline:
            raise RunFailed(
                f"the run's deadline of {self.settings.deadline:.0f} s "
                "(deadline in tiers.yaml) has passed"
            )
        if self.clock.monotonic() - self._looked_at >= LOOK_SECONDS:
            self.look_ahead()
        with self._lock:
            self._calls += 1
            if self._calls > self.settings.max_calls:
                raise RunFailed(
                    f"the run made {self.settings.max_calls} model calls "
                    "(max_calls in tiers.yaml) without coming to an end"
                )

    def look_ahead(self) -> None:
        """Report allowances that will not last, by the latest calls."""
        self._looked_at = self.clock.monotonic()
        if not self.settings.rehearsal:
            with suppress(StoreUnavailable):  # the next row reports it
                self.guard.lasting.look(self.journal.recent())

    def pause(self) -> bool:
        """Let the next call wait, or go on; returns whether the run pauses now."""
        with self._lock:
            if self._goes_on.is_set():
                self._goes_on.clear()
            else:
                self._goes_on.set()
            return not self._goes_on.is_set()

    def report_written(self, deployment: str) -> None:
        """Report, once, that a deployment writes its tool calls as text."""
        with self._lock:
            first = deployment not in self._writers
            self._writers.add(deployment)
        if first:
            self.guard.listener(
                f"{deployment} writes its tool calls as text; they are carried out "
                "(with `tools: false` in providers.yaml it is asked for that form)"
            )

    @property
    def is_interrupted(self) -> bool:
        """Whether somebody ends the run."""
        return self._interrupted

    def interrupt(self) -> None:
        """Break off the attempts that are under way; no other begins."""
        self._interrupted = True
        self.failure = self.failure or Interrupted("interrupted")
        self.recorder.break_off()

    def end(self) -> bool:
        """Whether the caller is the first to end the run: the crew may come to its
        end while a signal interrupts it."""
        with self._lock:
            first, self._ended = not self._ended, True
        return first


def _journal(settings: Settings) -> Path:
    return journal_file(settings.state_dir)


def _deadline(settings: Settings, clock: Clock) -> float | None:
    """Not by the time of day, which may jump."""
    return clock.monotonic() + settings.deadline if settings.deadline else None


def _alerts(guard: QuotaGuard, journal: Journal, run: str) -> Alerts:
    """The alerts of a run; the guard reports to them, and knows what was approved."""
    alerts = Alerts(guard.settings, journal, guard.progress, guard.clock, run=run)
    guard.alert, guard.end_alert = alerts.report, alerts.end
    if not guard.settings.rehearsal:
        guard.troubles.know(journal.alerts.open(guard.clock.now()))
    guard.budgets.approve(
        [
            Approval(metric=Metric(one.metric), amount=one.amount, at=one.at)
            for one in journal.approvals.of(run)
        ]
    )
    return alerts


def _seed(guard: QuotaGuard, journal: Journal, run: str) -> None:
    """Let a run know what its earlier parts took, and what earlier runs saw: the plans
    that were paid for, and how long answers are."""
    journal.settle_open_calls(run)  # of an earlier part whose process was killed
    for call in journal.calls(run):
        guard.progress.count(call.input_tokens, call.output_tokens, call.cost_usd)
    if guard.settings.rehearsal:
        return
    spent = journal.spent()
    for provider in guard.settings.providers.values():
        if provider.available:
            guard.plans.advance(provider, spent=spent.get(provider.name, Decimal(0)))
    for call in journal.latest_calls(_SEEDS):
        guard.estimates.learn_output(call.speaker, call.output_tokens)
        if call.characters is not None:
            guard.estimates.learn_input(
                call.deployment, call.characters, call.input_tokens
            )


def _ask(guard: QuotaGuard) -> None:
    """Ask the providers whose plans follow what was bought there. In the background:
    the first call need not wait for it; it ends by its own timeout."""
    for name, family in families(guard.settings).items():
        provider = guard.settings.providers[name]
        follows = any(plan.bought is not None for plan in provider.plans.values())
        if provider.api_key is None or not follows or guard.settings.rehearsal:
            continue
        probe = ask_credit(provider, family)
        if probe is not None:
            # A store that fails here fails for the calls too, and is reported there.
            with suppress(StoreUnavailable):
                guard.learn_account(
                    provider, bought=probe.bought, reported=probe.reported
                )
