"""A clock that jumps: what counts keeps its place by the time that truly passed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from crew.clock import Clock
from crew.quota.admission import Throttle
from crew.quota.limit_syntax import LimitSyntaxError, parse_limit
from crew.quota.limits import Limit, WindowKind
from crew.quota.store import LEARNED_SECONDS, Reservation

TOLERANCE = 0.25
"""Seconds by which a clock may differ from the time that passed: it is half of the
margin by which a window is kept longer."""
LONGEST_LEASE = 3_600.0
"""Seconds that a lease is given which nobody can place in time any more."""
_LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """The clock went to `at` (seconds since the epoch) by `seconds` that did not pass.

    None when nobody knows how long it truly was, as after a start of the machine: then
    nothing moves, but nothing counts for longer than a charge that is made now.
    """

    seconds: float | None
    at: float

    @property
    def is_one(self) -> bool:
        """Whether the clock went further than clocks do."""
        return self.seconds is None or abs(self.seconds) > TOLERANCE

    @property
    def before(self) -> float:
        """What the clock would have shown."""
        return self.at - (self.seconds or 0.0)

    def moved(self, limit: Limit | None, expires: float) -> float:
        """When a charge stops counting that counted until `expires`; of a bucket:
        when it is empty. A limit of None is one that nobody can read."""
        if expires <= self.before:
            return min(expires, self.at)
        if limit is not None and limit.kind is WindowKind.CALENDAR:
            latest = limit.expires_at(self.at)
            # Past its end nobody knows in which window it was charged: in this one.
            return latest if expires <= self.at else min(expires, latest)
        if self.seconds is None:
            return min(expires, self._latest(limit))
        return expires + self.seconds

    def moved_time(self, until: float, longest: float) -> float:
        """The same of something that lasts for `longest` seconds at most."""
        if until <= self.before:
            return min(until, self.at)
        if self.seconds is None:
            return min(until, self.at + longest)
        return until + self.seconds

    def moved_throttle(self, throttle: Throttle) -> Throttle:
        """A throttle grows back from the moment at which it was set."""
        at = min(throttle.at + (self.seconds or 0.0), self.at)
        return replace(throttle, at=at)

    def moved_lesson(self, until: float) -> float:
        """When a learned limit ends."""
        return self.moved_time(until, LEARNED_SECONDS)

    def moved_reservation(self, reservation: Reservation) -> Reservation:
        """An open reservation, as the store holds it after the jump."""
        return replace(
            reservation,
            made_at=min(reservation.made_at + (self.seconds or 0.0), self.at),
            expires_at=self.moved_time(reservation.expires_at, LONGEST_LEASE),
            charges=tuple(
                replace(charge, expires_at=self.moved(charge.limit, charge.expires_at))
                for charge in reservation.charges
            ),
        )

    def _latest(self, limit: Limit | None) -> float:
        if limit is None or limit.kind is WindowKind.LEASE:
            return self.at + LONGEST_LEASE
        if limit.kind is WindowKind.REFILLING:
            return self.at + limit.seconds
        return limit.expires_at(self.at)


def carried(reservation: Reservation, jumps: Iterable[Jump]) -> Reservation:
    """A reservation after jumps, the first one first."""
    for jump in jumps:
        reservation = jump.moved_reservation(reservation)
    return reservation


def measured_lead(clock: Clock) -> float:
    """How far the time of day is ahead of the time that passes. It changes when the
    clock jumps, and else hardly."""
    looks = []
    for _ in range(_LOOKS):
        before = clock.monotonic()
        now = clock.now()
        # This thread may have been held up in between: the quickest look is true.
        after = clock.monotonic()
        looks.append((after - before, now - (before + after) / 2))
    return min(looks)[1]


def strays(clock: Clock, now: float, lead: float) -> bool:
    """Whether the clock, which shows `now`, may have jumped. Asked at each step."""
    return not -TOLERANCE <= now - clock.monotonic() - lead <= TOLERANCE


def limit_of(spec: str) -> Limit | None:
    """The limit that is written so; None when it cannot be read."""
    try:
        return parse_limit(spec)
    except LimitSyntaxError:
        return None
