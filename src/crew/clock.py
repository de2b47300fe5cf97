"""Time and chance: the only module that reads the clock, sleeps or draws a number.

Every other module takes a `Clock`, so that tests decide what time it is.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """What the rest of the package knows of time. Everything is in seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back, never jumps."""
        ...

    @property
    def boot(self) -> str:
        """Names that fixed moment: between two clocks of one name `monotonic` can be
        compared. Empty when nobody knows."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Return after `seconds`, and let other tasks run meanwhile."""
        ...

    def chance(self) -> float:
        """A number from 0 up to 1, drawn anew each time."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        # A provider's windows go on while a laptop sleeps, and so does this clock.
        return time.clock_gettime(_STEADY) if _STEADY else time.monotonic()

    @property
    def boot(self) -> str:
        return _boot()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    async def asleep(self, seconds: float) -> None:
        import asyncio  # here: it takes time to load, and few commands wait so

        await asyncio.sleep(max(0.0, seconds))

    def chance(self) -> float:
        return random.random()


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when a test moves it, or when somebody sleeps on it."""

    time: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    @property
    def boot(self) -> str:
        return "by hand"

    def advance(self, seconds: float) -> None:
        with self._lock:
            self.time += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def chance(self) -> float:
        return 0.0


@dataclass(slots=True)
class ScaledClock:
    """The machine's time, `speed` times as fast: an hour passes in 3600/speed s."""

    speed: float
    _origin: float = field(default_factory=time.time)
    _start: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return self._origin + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._start) * self.speed

    @property
    def boot(self) -> str:
        return ""

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)

    async def asleep(self, seconds: float) -> None:
        import asyncio  # as above

        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def chance(self) -> float:
        return random.random()


@cache
def _boot() -> str:
    """The boot of this machine and the namespace of its clocks; only Linux says so."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return f"{boot.strip()} {Path('/proc/self/ns/time').readlink()}"
    except OSError:
        return ""
