"""Windows of the emulator's own making: what a limit has counted, and when it frees.

Written apart from `crew.quota` on purpose: only the values of a limit are read.
"""

from collections import deque
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Protocol
from zoneinfo import ZoneInfo

from crew.quota.limits import Limit, WindowKind

_UNIT_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 60 * 60,
    "day": 24 * 60 * 60,
    "month": 31 * 24 * 60 * 60,
}


class Window(Protocol):
    """What one limit has counted so far. Times are in seconds since the epoch."""

    limit: Limit

    def used(self, now: float) -> float:
        """What counts against the limit at `now`."""
        ...

    def fits(self, need: int, now: float) -> bool:
        """Whether `need` more may pass."""
        ...

    def charge(self, amount: int, now: float) -> None:
        """Count `amount` from `now` on."""
        ...

    def refund(self, amount: int, charged_at: float) -> None:
        """Take back what was charged at `charged_at`."""
        ...

    def wait(self, need: int, now: float) -> float:
        """Seconds until `need` fits if nothing else comes; infinite for never."""
        ...

    def resets_in(self, now: float) -> float:
        """Seconds until nothing counts any more."""
        ...


class Rolling:
    """A log of charges; each counts for exactly the length of the window."""

    def __init__(self, limit: Limit, length: float) -> None:
        self.limit = limit
        self._length = length
        self._log: deque[tuple[float, int]] = deque()
        self._sum = 0

    def used(self, now: float) -> float:
        while self._log and now - self._log[0][0] >= self._length:
            self._sum -= self._log.popleft()[1]
        return self._sum

    def fits(self, need: int, now: float) -> bool:
        return self.used(now) + need <= self.limit.amount

    def charge(self, amount: int, now: float) -> None:
        self._log.append((now, amount))
        self._sum += amount

    def refund(self, amount: int, charged_at: float) -> None:
        if (charged_at, amount) in self._log:
            self._log.remove((charged_at, amount))
            self._sum -= amount

    def wait(self, need: int, now: float) -> float:
        over = self.used(now) + need - self.limit.amount
        if over <= 0:
            return 0.0
        for moment, amount in self._log:
            over -= amount
            if over <= 0:
                return moment + self._length - now
        return inf

    def resets_in(self, now: float) -> float:
        self.used(now)
        return self._log[-1][0] + self._length - now if self._log else 0.0


class Calendar:
    """A count that starts again at the civil boundary of a time zone."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._zone = ZoneInfo(limit.timezone or "UTC")
        self._period: tuple[object, ...] = ()
        self._count = 0

    def _period_of(self, moment: float) -> tuple[object, ...]:
        local = datetime.fromtimestamp(moment, self._zone)
        fields = (local.year, local.month, local.day, local.hour, local.minute)
        match self.limit.unit:
            case "month":
                return fields[:2]
            case "day":
                return fields[:3]
            case "hour":
                # The hour that daylight saving repeats is two hours.
                return (*fields[:4], local.utcoffset())
            case "minute":
                return (*fields, local.utcoffset())
            case _:
                return (*fields, local.second, local.utcoffset())

    def used(self, now: float) -> float:
        period = self._period_of(now)
        if period != self._period:
            self._period, self._count = period, 0
        return self._count

    def fits(self, need: int, now: float) -> bool:
        return self.used(now) + need <= self.limit.amount

    def charge(self, amount: int, now: float) -> None:
        self._count = int(self.used(now)) + amount

    def refund(self, amount: int, charged_at: float) -> None:
        if self._period_of(charged_at) == self._period:
            self._count -= amount

    def wait(self, need: int, now: float) -> float:
        if need > self.limit.amount:
            return inf
        return 0.0 if self.fits(need, now) else self.resets_in(now)

    def resets_in(self, now: float) -> float:
        local = datetime.fromtimestamp(now, self._zone)
        unit = self.limit.unit
        if unit not in ("day", "month"):
            size = _UNIT_SECONDS[unit]
            into = local.minute * 60 + local.second + local.microsecond / 1e6
            return size - into % size
        start = datetime(local.year, local.month, local.day)  # noqa: DTZ001
        if unit == "day":
            following = start + timedelta(days=1)
        elif start.month == 12:
            following = start.replace(year=start.year + 1, month=1, day=1)
        else:
            following = start.replace(month=start.month + 1, day=1)
        return following.replace(tzinfo=self._zone).timestamp() - now


class Bucket:
    """A bucket that starts full and refills continuously, up to its amount."""

    def __init__(self, limit: Limit, length: float) -> None:
        self.limit = limit
        self._rate = limit.amount / length
        self._level = float(limit.amount)
        self._at = -inf

    def _refill(self, now: float) -> float:
        if now > self._at:
            gained = (now - self._at) * self._rate
            self._level = min(float(self.limit.amount), self._level + gained)
            self._at = now
        return self._level

    def used(self, now: float) -> float:
        return self.limit.amount - self._refill(now)

    def fits(self, need: int, now: float) -> bool:
        # A float of today's epoch is exact to a microsecond, not better.
        return need <= self._refill(now) + self._rate * 1e-6

    def charge(self, amount: int, now: float) -> None:
        self._level = self._refill(now) - amount

    def refund(self, amount: int, charged_at: float) -> None:
        self._level = min(float(self.limit.amount), self._level + amount)

    def wait(self, need: int, now: float) -> float:
        if need > self.limit.amount:
            return inf
        return max(0.0, (need - self._refill(now)) / self._rate)

    def resets_in(self, now: float) -> float:
        return self.used(now) / self._rate


class Concurrent:
    """How many calls are under way; each counts until it is refunded."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._running = 0

    def used(self, now: float) -> float:
        return self._running

    def fits(self, need: int, now: float) -> bool:
        return self._running + need <= self.limit.amount

    def charge(self, amount: int, now: float) -> None:
        self._running += amount

    def refund(self, amount: int, charged_at: float) -> None:
        self._running -= amount

    def wait(self, need: int, now: float) -> float:
        return 0.0 if self.fits(need, now) else 1.0  # nobody knows; soon

    def resets_in(self, now: float) -> float:
        return 1.0 if self._running else 0.0


def length_of(limit: Limit) -> float:
    """Seconds of the limit's window; a month has 31 days, a run never ends."""
    seconds = _UNIT_SECONDS.get(limit.unit)
    return inf if seconds is None else float(seconds * limit.count)


def open_window(limit: Limit) -> Window:
    """A window for this limit, with nothing counted yet."""
    length = length_of(limit)
    match limit.kind:
        case WindowKind.ROLLING:
            return Rolling(limit, length)
        case WindowKind.CALENDAR:
            return Calendar(limit)
        case WindowKind.REFILLING:
            return Bucket(limit, length)
        case WindowKind.RUN:
            return Rolling(limit, inf)
        case WindowKind.LEASE:
            return Concurrent(limit)


def whole_seconds(seconds: float) -> int:
    """Seconds as the providers print them: rounded up."""
    return ceil(seconds - 1e-6)
