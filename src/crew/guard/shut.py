"""A deployment that is shut to a call: why, until when, and what to wait for."""

from dataclasses import dataclass

from crew.errors import Closed
from crew.guard.budgets import ASK, STOP, WAIT
from crew.progress.events import Waiting
from crew.progress.progress import moment
from crew.quota.limits import Refusal, WindowKind
from crew.settings import Deployment
from crew.settings.budgets import Budget

CONCURRENCY_POLL = 0.25
"""Seconds between two looks at a full concurrency limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing better to do than to wait until `until` (seconds since the epoch), in
    the queue of `pool` where a limit closes the deployment. It opens by `latest`:
    later than `until` where it may open any moment."""

    until: float
    latest: float
    what: str
    pool: str | None
    deployment: Deployment

    def event(
        self, task: str | None, role: str, seconds: float, *, at_most: bool
    ) -> Waiting:
        """The event of waiting so long."""
        return Waiting(
            task=task,
            role=role,
            deployment=self.deployment.name,
            until=moment(self.latest),
            seconds=round(seconds, 3),
            at_most=at_most,
            reason=self.what,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """A deployment that is closed, and the pool whose queue a call waits in.
    `failed`: this call saw it fail and does not wait for it. `look_at` is when to look
    again at one that may open before its time. `budget` is the budget that closed it,
    where it says what happens then."""

    entry: Closed
    deployment: Deployment
    pool: str | None = None
    failed: bool = False
    look_at: float | None = None
    budget: Budget | None = None

    @property
    def ends_search(self) -> bool:
        """Whether no other deployment is asked in its place."""
        return self.budget is not None and self.budget.then in (ASK, STOP, WAIT)

    @property
    def gives_up(self) -> bool:
        """Whether nothing waits for it, although it opens."""
        return self.budget is not None and self.budget.then in (ASK, STOP)

    @property
    def opens(self) -> float | None:
        """When it is worth another look."""
        return self.entry.opens_at if self.look_at is None else self.look_at

    @property
    def wait(self) -> Wait:
        """To wait for it."""
        opens = self.opens or 0.0
        return Wait(
            until=opens,
            latest=self.entry.opens_at or opens,
            what=str(self.entry),
            pool=self.pool,
            deployment=self.deployment,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """Why this call keeps away from a deployment, and until when by the monotonic
    clock: the time of day may jump meanwhile. None: to its end."""

    limit: str
    until: float | None


def shut_by(deployment: Deployment, refusal: Refusal, now: float) -> Shut:
    """The deployment as a refusal shuts it."""
    look_at = None
    if refusal.limit is not None and refusal.limit.kind is WindowKind.LEASE:
        # A place is free when any call ends, long before its lease does.
        look_at = now + CONCURRENCY_POLL
    return Shut(
        entry=Closed(
            deployment=deployment.name,
            limit=f"{refusal.reason} ({refusal.pool})",
            opens_at=refusal.opens_at,
        ),
        deployment=deployment,
        pool=refusal.pool if refusal.limit is not None else None,
        look_at=look_at,
    )
