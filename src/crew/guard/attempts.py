"""The attempts at one call: serve it, wait for a better deployment, or swap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

from crew.clock import Clock
from crew.errors import (
    BadRequest,
    Closed,
    ContextTooLong,
    CutOff,
    ProviderError,
    QuotaExceeded,
    RateLimited,
)
from crew.guard.budgets import BudgetReached, Budgets
from crew.guard.cheaper import in_order
from crew.guard.health import Health, failure_name
from crew.guard.lease import Lease
from crew.guard.pools import Pools
from crew.guard.shut import Away, Shut, Wait, shut_by
from crew.guard.warm import WarmCaches
from crew.progress.progress import Progress
from crew.quota.limits import Refusal
from crew.quota.store import Reservation, Store
from crew.routing import TOO_SMALL, Request, Route
from crew.settings import Deployment

PLACE_NOTICE = 5.0
"""Seconds after which a call reports that it waits for a place: mostly one is free
before that."""
LONGEST_LOOK = 5.0
"""Seconds after which a waiting call looks again at the latest: calls that took less
than reserved may have made room."""
PLACE_SECONDS = 10.0
"""How long a place in a queue outlives the next look of its holder."""
JITTER = 0.1
"""Seconds by which those who wait for the same moment are spread, at most."""
JITTER_SHARE = 0.02
"""The same as a share of the wait: a window of one second has little to spare."""


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The attempts at one call: which deployments failed, how long it has waited.
    `words` say of a deployment why it stands before others."""

    store: Store
    clock: Clock
    progress: Progress
    pools: Pools
    health: Health
    warm: WarmCaches
    budgets: Budgets
    max_wait: float
    request: Request
    route: Route
    deadline: float | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    others: Callable[[], Sequence[Deployment]] = tuple
    """The deployments off the route, for a budget that goes on with cheaper ones."""
    _failed: dict[str, Away] = field(default_factory=dict)
    _refusal: BadRequest | None = None
    _cut_off: CutOff | None = None
    _began: float = field(init=False)
    _ticket: int | None = None
    _announced: str = ""

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()

    def acquire(self) -> Lease:
        """The lease for the next attempt, at the best deployment that is open.

        Waits within the role's patience, and up to the settings' `max_wait` when
        all are closed. Raises QuotaExceeded past that; BadRequest when nobody else
        can be asked about a refused request; CutOff when nobody may write a longer
        answer; ContextTooLong; StoreUnavailable.
        """
        try:
            while isinstance(step := self._decide(), Wait):
                self.clock.sleep(self._join_queue(step))
        except (QuotaExceeded, ProviderError):
            self._leave_queue()
            raise
        return step

    async def acquire_async(self) -> Lease:
        """As `acquire`, and lets other tasks run while it waits."""
        import asyncio  # here: it takes time to load, and `crew status` has no need

        try:
            while isinstance(step := await asyncio.to_thread(self._decide), Wait):
                pause = await asyncio.to_thread(self._join_queue, step)
                await self.clock.asleep(pause)
        except (QuotaExceeded, ProviderError, asyncio.CancelledError):
            self._leave_queue()
            raise
        return step

    def failed(self, lease: Lease, error: ProviderError) -> None:
        """End a failed attempt: close what has to be closed, then settle the lease.
        Raises the error again when a second provider finds the request at fault."""
        deployment = lease.deployment
        # Others must see what is closed before they see the room that comes free.
        self.warm.forget(self.request)
        opens = self.health.note_failure(deployment, error, self.request)
        lease.settle_failure(error)
        if isinstance(error, BadRequest) and not isinstance(error, ContextTooLong):
            self._ask_another_provider(deployment, error)
        if isinstance(error, CutOff):
            self._ask_for_more_room(lease, error)
        if error.never or not isinstance(error, RateLimited):
            until = None
            if opens is not None:
                until = self.clock.monotonic() + opens - self.store.now()
            away = Away(limit=failure_name(error), until=until)
            self._failed[deployment.name] = away

    def _ask_another_provider(self, refused: Deployment, error: BadRequest) -> None:
        """A request that two providers refuse is at fault; one may be mistaken, or
        have a policy of its own."""
        if self._refusal is not None:
            raise error
        self._refusal = error
        for deployment in self.route.candidates:
            if deployment.provider.name == refused.provider.name:
                self._give_up(deployment, error)

    def _ask_for_more_room(self, lease: Lease, error: CutOff) -> None:
        """Others that may write no more would be cut off as well."""
        wrote = error.charged.output_tokens if error.charged else lease.output_room
        self._cut_off = CutOff(
            self.request.role or self.request.tier,
            f"the answer was cut off after {wrote:,} tokens, and no other deployment "
            "may write more; raise `max_output`, or ask for less at a time",
        )
        for deployment in self.route.candidates:
            sent = self.pools.estimate(deployment, self.request).input_tokens
            if self.pools.output_room(deployment, sent) <= wrote:
                self._give_up(deployment, error)

    def _give_up(self, deployment: Deployment, error: ProviderError) -> None:
        """Leave a deployment out of this call."""
        away = Away(limit=failure_name(error), until=None)
        self._failed[deployment.name] = away

    def _decide(self) -> Lease | Wait:
        now = self.store.now()
        waited = self.clock.monotonic() - self._began
        shut: list[Shut] = []
        for deployment in in_order(self.route.candidates, self.others, shut, self._usd):
            match found := self._try(deployment, now):
                case Reservation() as reservation:
                    self._ticket = None
                    return self._lease(deployment, reservation, shut)
                case Shut(opens=opens):
                    left = self.request.patience - waited
                    if not found.failed and opens is not None and opens - now <= left:
                        return found.wait
                    shut.append(found)
                    if found.ends_search:
                        break
        return self._all_shut(shut, now, waited)

    def _usd(self, deployment: Deployment) -> Decimal:
        """What the call will cost there. A price is known where a budget counts it."""
        return self.pools.estimate(deployment, self.request).usd or Decimal(0)

    def _lease(
        self, deployment: Deployment, reservation: Reservation, shut: Sequence[Shut]
    ) -> Lease:
        sent = reservation.estimate.input_tokens
        self.warm.note(self.request, deployment.name, sent)
        # What closes the one before it, or its strategy.
        reason = str(shut[0].entry) if shut else self.words.get(deployment.name, "")
        return Lease(
            deployment=deployment,
            reason=reason,
            is_swap=bool(shut),
            estimate=reservation.estimate,
            reservation=reservation,
            output_room=self.pools.output_room(deployment, sent),
            _store=self.store,
            _clock=self.clock,
            _own_pools=self.pools.own_pools(deployment),
            _on_settled=partial(self.budgets.settled, deployment, self.request),
        )

    def _try(self, deployment: Deployment, now: float) -> Reservation | Shut:
        entry = self._out(deployment, now)
        if entry is not None:
            return Shut(entry=entry, deployment=deployment, failed=True)
        match self.pools.reserve(deployment, self.request, self._ticket):
            case Reservation() as reservation:
                return reservation
            case Refusal() as refusal:
                found = shut_by(deployment, refusal, now)
                budget = self.budgets.rule(deployment, self.request, refusal)
                if budget is None:
                    return found
                entry = self.budgets.reached(budget, refusal, deployment)
                return replace(found, entry=entry, budget=budget)

    def _out(self, deployment: Deployment, now: float) -> Closed | None:
        """Whether this call keeps away from a deployment that failed."""
        reason = self.health.disabled(deployment, self.request)
        if reason is None and self._too_long(deployment):
            reason = TOO_SMALL
        if reason is not None:
            opens = self.health.opens_at(deployment)
            return Closed(deployment=deployment.name, limit=reason, opens_at=opens)
        opens, away = None, self._failed.get(deployment.name)
        if away is not None and away.until is not None:
            left = away.until - self.clock.monotonic()
            away, opens = (away, now + left) if left > 0 else (None, None)
        if away is None:
            return None
        return Closed(deployment=deployment.name, limit=away.limit, opens_at=opens)

    def _all_shut(self, shut: list[Shut], now: float, waited: float) -> Wait:
        if self._refusal is not None:
            raise self._refusal
        left = self.max_wait - waited
        if self.deadline is not None:
            left = min(left, self.deadline - self.clock.monotonic())
        opening = [one for one in shut if one.opens is not None and not one.gives_up]
        first = min(opening, key=lambda one: one.opens or 0.0, default=None)
        if first is None or first.opens is None or first.opens - now > left:
            if first is None and self._cut_off is not None:
                raise self._cut_off
            if shut and (budget := shut[-1].budget) and shut[-1].gives_up:
                raise BudgetReached(shut[-1].entry, budget, role=self.request.role)
            self.check_length()
            closed = [one.entry for one in shut]
            for name, reason in self.route.left_out:
                closed.append(Closed(deployment=name, limit=reason, opens_at=None))
            raise QuotaExceeded(closed, role=self.request.role)
        return replace(first.wait, what=f"every deployment is closed; {first.entry}")

    def check_length(self) -> None:
        """Raise ContextTooLong when a shorter conversation could go on: the window
        alone keeps deployments out."""
        known = (*self.route.candidates, *self.route.too_small)
        windows = [
            self.health.window(deployment)
            for deployment in known
            if self.health.disabled(deployment, self.request) is None
            and self._too_long(deployment)
        ]
        if windows:
            # CrewAI shortens a conversation when it reads "maximum context length".
            which = "that is open" if self.route.candidates else "there is"
            what = f"the conversation exceeds the maximum context length of all {which}"
            error = ContextTooLong(self.request.role or self.request.tier, what)
            error.window = max(windows)
            raise error

    def _too_long(self, deployment: Deployment) -> bool:
        style = self.pools.style(deployment, self.request)
        size = self.request.input_tokens + style.tokens + self.request.output_tokens
        return size > self.health.window(deployment)

    def _join_queue(self, wait: Wait) -> float:
        """Take or keep a place in the queue; returns the seconds until the next look:
        sooner than the window opens, as others may need less than they reserved."""
        now = self.store.now()
        left = max(0.0, wait.until - now)
        self._tell(wait, now)
        pause = left + min(JITTER, JITTER_SHARE * left) * self.clock.chance()
        if wait.pool is not None:
            pause = min(pause, max(LONGEST_LOOK, left / 20))
            self._ticket = self.store.join_queue(
                wait.pool,
                self.pools.estimate(wait.deployment, self.request),
                seconds=pause + PLACE_SECONDS,
                ticket=self._ticket,
            )
        return pause

    def _leave_queue(self) -> None:
        if self._ticket is not None:
            self.store.leave_queue(self._ticket)
            self._ticket = None

    def _tell(self, wait: Wait, now: float) -> None:
        seconds = wait.latest - now
        waited = self.clock.monotonic() - self._began
        any_moment = wait.latest > wait.until
        if seconds < 1 or (any_moment and waited < PLACE_NOTICE):
            return
        who = self.request.role or self.request.tier
        if (place := f"{who}:{wait.deployment.name}:{wait.pool}") != self._announced:
            self._announced = place
            event = wait.event(self.request.task, who, seconds, at_most=any_moment)
            most = "at most " if any_moment else ""
            line = f"{who} waits {most}{seconds:.0f} s: {wait.what}"
            self.progress.publish(event, notice=line)
