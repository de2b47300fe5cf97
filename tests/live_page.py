"""The server of `crew ui` in a thread, and a clock that tests turn.

with live(settings) as page:
    httpx.get(page.address("/metrics"))
    page.turn()  # the sections are read again, all of them
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread

from crew.clock import SystemClock
from crew.settings import Settings
from crew.ui.live import serve
from crew.ui.page import Page
from crew.ui.server import Server, listening
from crew.ui.sources import Sources
from hangs import HANGS_AFTER

TOKEN = "a-token_of-tests"


class TurnedClock(SystemClock):
    """The machine's time; but who sleeps on it sleeps until it is turned, and then
    every period has passed."""

    def __init__(self) -> None:
        self._turns = self._seen = 0
        self._turned: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def monotonic(self) -> float:
        return self._turns * 3_600.0

    async def asleep(self, seconds: float) -> None:
        if self._turned is None:
            self._turned, self._loop = asyncio.Event(), asyncio.get_running_loop()
        while self._seen == self._turns:
            await self._turned.wait()
            self._turned.clear()
        self._seen = self._turns

    def turn(self) -> None:
        self._turns += 1
        if self._turned is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._turned.set)


@dataclass(slots=True)
class Live:
    """A server that works. `failed` has what it complained of."""

    port: int
    clock: TurnedClock
    failed: list[str] = field(default_factory=list)

    def address(self, path: str = "/", token: str | None = TOKEN) -> str:
        query = "" if token is None else f"?token={token}"
        return f"http://127.0.0.1:{self.port}{path}{query}"

    def turn(self) -> None:
        """Read every section again."""
        self.clock.turn()


@contextmanager
def live(
    settings: Settings, report: Callable[[str], Page | None] = lambda run: None
) -> Iterator[Live]:
    """The server of these settings, which ends with the block."""
    bound, clock = listening(0), TurnedClock()
    page = Live(bound.getsockname()[1], clock)
    ready: SimpleQueue[Server] = SimpleQueue()

    def work() -> None:
        serve(
            Sources(settings, clock, page.failed.append),
            bound,
            token=TOKEN,
            report=report,
            ready=ready.put,
        )

    thread = Thread(target=work)
    thread.start()
    server = ready.get(timeout=HANGS_AFTER)
    try:
        yield page
    finally:
        server.stop()
        thread.join(HANGS_AFTER)
