"""A deployment that is shut to a call: why, until when, and what to wait for."""

from dataclasses import dataclass

from crew.errors import Closed
from crew.quota.limits import Refusal, WindowKind
from crew.settings import Deployment

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """A deployment that is closed, and the pool whose queue a call waits in.
    `failed`: this call saw it fail and does not wait for it. `look_at` is when to look
    again at one that may open before its time."""

    entry: Closed
    deployment: Deployment
    pool: str | None = None
    failed: bool = False
    look_at: float | None = None

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
