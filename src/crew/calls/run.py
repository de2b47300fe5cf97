"""One run: what every model call of a crew shares."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from crew.clock import Clock, SystemClock
from crew.errors import (
    CrewError,
    ProviderError,
    RunFailed,
    StoreUnavailable,
)
from crew.guard import Lease, QuotaGuard
from crew.guard.pools import Accounts
from crew.journal import CallRecord, Journal, new_run_id
from crew.notices import Listener
from crew.providers.probe import ask_credit
from crew.providers.transport import Answer
from crew.routing import Request
from crew.settings import Settings, families

_SEEDS = 200
"""How many of the latest calls a new run learns its estimates from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An attempt that has no end yet."""

    lease: Lease
    request: Request
    began: float


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """The guard, the journal and the name of one run.

    `failure` is the error that ends the run: a manager would otherwise read a
    coworker's failure as text and carry on without its work.
    """

    id: str
    settings: Settings
    guard: QuotaGuard
    journal: Journal
    clock: Clock
    failure: CrewError | None = None
    _announced: set[tuple[str, str]] = field(default_factory=set)
    _open: dict[int, _Open] = field(default_factory=dict)
    _interrupted: bool = False
    _ended: bool = False
    _calls: int = 0
    _asking: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    __weakref__: object = field(init=False, repr=False)

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        output: Path,
        run_id: str | None = None,
        listener: Listener = lambda line: None,
    ) -> "Run":
        """Start a run, or take one up again. Raises StoreUnavailable."""
        clock = SystemClock()
        run_id = run_id or new_run_id(clock)
        guard = QuotaGuard.open(
            settings,
            listener=listener,
            deadline=clock.now() + settings.deadline if settings.deadline else None,
        )
        journal = Journal.open(settings.state_dir / "journal.db", clock)
        _seed(guard.accounts, journal)
        asking = threading.Thread(target=_ask, args=(guard.accounts,), daemon=True)
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
            _calls=journal.count_calls(run_id),
            _asking=asking,
        )

    def close(self) -> None:
        """Let go of the stores."""
        if self._asking is not None:
            self._asking.join()
        self.guard.close()
        self.journal.close()

    def count_attempt(self) -> None:
        """Take one attempt of the run's `max_calls`. Raises RunFailed past it, past
        the run's deadline, and when the run was interrupted."""
        if self._interrupted:
            raise RunFailed("interrupted")
        deadline = self.guard.deadline
        if deadline is not None and self.clock.now() >= deadline:
            raise RunFailed(
                f"the run's deadline of {self.settings.deadline:.0f} s "
                "(deadline in tiers.yaml) has passed"
            )
        with self._lock:
            self._calls += 1
            if self._calls > self.settings.max_calls:
                raise RunFailed(
                    f"the run made {self.settings.max_calls} model calls "
                    "(max_calls in tiers.yaml) without coming to an end"
                )

    def begin(self, lease: Lease, request: Request) -> None:
        """Note that an attempt begins. It ends with `settle`, `note_failure` or
        `break_off`."""
        attempt = _Open(lease=lease, request=request, began=self.clock.monotonic())
        with self._lock:
            self._open[id(lease)] = attempt

    def break_off(self, lease: Lease) -> None:
        """End an attempt whose answer nobody waits for any more: it may well be
        charged. Does nothing for an attempt that has ended."""
        with self._lock:
            attempt = self._open.get(id(lease))
        if attempt is None:
            return
        # A store that fails keeps the reservation, which is all that is wanted.
        with suppress(StoreUnavailable):
            lease.keep()
        self._record(
            lease,
            attempt.request,
            self.clock.monotonic() - attempt.began,
            tokens=(lease.estimate.input_tokens, lease.estimate.output_tokens),
            cost=Decimal(0) if _is_free(lease) else None,
            outcome="Interrupted",
            estimated=True,
        )

    def interrupt(self) -> None:
        """Break off the attempts that are under way; no other begins."""
        self._interrupted = True
        self.failure = self.failure or RunFailed("interrupted")
        for attempt in list(self._open.values()):
            self.break_off(attempt.lease)

    def end(self) -> bool:
        """Whether the caller is the first to end the run: the crew may come to its
        end while a signal interrupts it."""
        with self._lock:
            first, self._ended = not self._ended, True
        return first

    def settle(
        self, lease: Lease, answer: Answer, request: Request, seconds: float
    ) -> None:
        """Settle a call that was answered, and record it; tell a new swap."""
        estimate = (lease.estimate.input_tokens, lease.estimate.output_tokens)
        sent, wrote = answer.charged or estimate
        usage = lease.settle(
            input_tokens=sent, output_tokens=wrote, reported=answer.reported
        )
        self._tell_swap(lease, request)
        if answer.finish_reason == "length" and not answer.tool_calls:
            self.guard.listener(
                f"{request.role}: the answer of {lease.deployment.name} was cut off "
                f"after {wrote:,} tokens (max_output, or max_tokens of the role)"
            )
        if answer.charged is not None:
            self._learn(lease.deployment.name, request, sent, wrote)
        self._record(
            lease,
            request,
            seconds,
            tokens=(usage.input_tokens, usage.output_tokens),
            cost=usage.usd,
            senior=self._senior_cost(usage.input_tokens, usage.output_tokens),
            estimated=answer.charged is None,
        )

    def note_failure(
        self, lease: Lease, error: ProviderError, request: Request, seconds: float
    ) -> None:
        """Record an attempt that failed."""
        tokens, price = error.charged or (0, 0), lease.deployment.price
        cost = price.cost(*tokens) if price and error.charged else None
        if cost is None and (error.costs_nothing or _is_free(lease)):
            cost = Decimal(0)
        self._record(
            lease,
            request,
            seconds,
            tokens=tokens,
            cost=cost,
            outcome=type(error).__name__,
            detail=error.raw or error.what,
        )

    def _learn(self, deployment: str, request: Request, sent: int, wrote: int) -> None:
        estimates = self.guard.accounts.estimates
        estimates.learn_output(request.role, wrote)
        if request.characters and not request.images:
            estimates.learn_input(deployment, request.characters, sent)

    def _tell_swap(self, lease: Lease, request: Request) -> None:
        swap = (request.role, lease.reason.partition(";")[0])
        if lease.reason and swap not in self._announced:
            self._announced.add(swap)
            self.guard.listener(
                f"{request.role} is served by {lease.deployment.name}, as "
                f"{lease.reason}"
            )

    def _senior_cost(self, input_tokens: int, output_tokens: int) -> Decimal | None:
        """What the call would have cost at the first deployment of `senior`."""
        tier = self.settings.tiers.get("senior")
        price = self.settings.deployments[tier.chain[0]].price if tier else None
        return price.cost(input_tokens, output_tokens) if price else None

    def _record(
        self,
        lease: Lease,
        request: Request,
        seconds: float,
        *,
        tokens: tuple[int, int] = (0, 0),
        cost: Decimal | None = None,
        senior: Decimal | None = None,
        outcome: str = "ok",
        estimated: bool = False,
        detail: str = "",
    ) -> None:
        with self._lock:
            # What was interrupted is in the journal, and comes back in vain.
            if self._open.pop(id(lease), None) is None:
                return
        self.journal.record(
            CallRecord(
                run=self.id,
                task=request.task,
                role=request.role,
                deployment=lease.deployment.name,
                provider=lease.deployment.provider.name,
                input_tokens=tokens[0],
                output_tokens=tokens[1],
                cost_usd=cost,
                seconds=seconds,
                outcome=outcome,
                reason=lease.reason,
                at=self.clock.now(),
                estimated=estimated,
                senior_usd=senior,
                characters=None if request.images else request.characters,
                detail=detail,
            )
        )


def _is_free(lease: Lease) -> bool:
    """Whether whatever the call took costs nothing."""
    price = lease.deployment.price
    return price is not None and not price.cost(1_000_000, 1_000_000)


def _seed(accounts: Accounts, journal: Journal) -> None:
    """Let a new run know what earlier ones saw: the plans that were paid for, and
    how long answers are."""
    if accounts.settings.rehearsal:
        return
    spent = journal.spent()
    for provider in accounts.settings.providers.values():
        if provider.available:
            accounts.advance(provider, spent=spent.get(provider.name, Decimal(0)))
    for call in journal.latest_calls(_SEEDS):
        accounts.estimates.learn_output(call.role, call.output_tokens)
        if call.characters is not None:
            accounts.estimates.learn_input(
                call.deployment, call.characters, call.input_tokens
            )


def _ask(accounts: Accounts) -> None:
    """Ask the providers whose plans follow what was bought there. In the background:
    the first call need not wait for it; it ends by its own timeout."""
    for name, family in families(accounts.settings).items():
        provider = accounts.settings.providers[name]
        follows = any(plan.bought is not None for plan in provider.plans.values())
        if provider.api_key is None or not follows or accounts.settings.rehearsal:
            continue
        account = ask_credit(provider, family)
        if account is not None:
            # A store that fails here fails for the calls too, and is told there.
            with suppress(StoreUnavailable):
                accounts.learn_account(provider, account)
