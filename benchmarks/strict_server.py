"""A provider that enforces one limit to the letter and keeps the books on it.

It stands beside the emulator, which tests and rehearsals share: a judge must copy
neither the guard's windows nor the emulator's. It keeps each moment in real time and
measures what the emulator does not: the most that one window was asked for, by how
much a refused call came too early, and the share that clients use in the long run.
Requests and input tokens count when they arrive, output tokens when the answer is
sent, as providers do it; what does not fit is refused with a 429 and counts nothing.
"""

import asyncio
import json
import math
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import uvicorn

WINDOW_SECONDS = 60.0
LATENCY_SECONDS = 0.05
SHORTEST_ANSWER, LONGEST_ANSWER = 10, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge saw in the measured time.

    `accepted` and all windows are in the metric of the limit; `refused` and `calls`
    are calls. `worst` is the most that was asked for within one window, refused calls
    included, `worst_counted` without them. `windows` is what was accepted in each
    minute (of the clock, or since the start). `lasting` is the share of the limit that
    clients use if they go on so; None when the time was too short to tell. `early` is
    by how many seconds the refused calls came too soon, the worst of them.
    """

    accepted: int
    refused: int
    calls: int
    allowed: int
    worst: int
    worst_counted: int
    windows: tuple[int, ...]
    lasting: float | None
    early: float


class RollingWindow:
    """What was counted in the last minute, to the microsecond."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, int]] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        while self._entries and self._entries[0][0] <= now - WINDOW_SECONDS:
            self._used -= self._entries.popleft()[1]
        return self._used

    def add(self, now: float, amount: int) -> None:
        self._entries.append((now, amount))
        self._used += amount

    def fits_in(self, now: float, amount: int, limit: int) -> float:
        """Seconds until there is room for `amount`."""
        used = self._used
        for at, counted in self._entries:
            used -= counted
            if used + amount <= limit:
                return at + WINDOW_SECONDS - now
        return 0.0


class CalendarMinute:
    """What was counted since the last full minute of UTC."""

    def __init__(self) -> None:
        self._minute = 0
        self._used = 0

    def used(self, now: float) -> int:
        minute = math.floor(now / WINDOW_SECONDS)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        return self._used

    def add(self, now: float, amount: int) -> None:
        self.used(now)
        self._used += amount

    def fits_in(self, now: float, amount: int, limit: int) -> float:
        return WINDOW_SECONDS - now % WINDOW_SECONDS


@dataclass(slots=True, kw_only=True)
class Judge:
    """One limit, and everything that was asked of it from `start` to `end`. Before,
    all is accepted and nothing counted."""

    limit: int
    tokens: bool
    calendar: bool
    start: float = math.inf
    end: float = math.inf
    _counted: RollingWindow | CalendarMinute = field(init=False)
    _asked: RollingWindow | CalendarMinute = field(init=False)
    _taken: list[tuple[float, int]] = field(default_factory=list)
    _calls: int = 0
    _refused: int = 0
    _worst: int = 0
    _worst_counted: int = 0
    _early: float = 0.0

    def __post_init__(self) -> None:
        kind = CalendarMinute if self.calendar else RollingWindow
        self._counted, self._asked = kind(), kind()

    def ask(self, now: float, input_tokens: int) -> float | None:
        """Count a call that arrives; or the seconds until it would fit."""
        if now < self.start:
            return None
        if now >= self.end:
            return WINDOW_SECONDS
        amount = input_tokens if self.tokens else 1
        self._calls += 1
        self._asked.add(now, amount)
        self._worst = max(self._worst, self._asked.used(now))
        if self._counted.used(now) + amount > self.limit:
            self._refused += 1
            wait = self._counted.fits_in(now, amount, self.limit)
            self._early = max(self._early, wait)
            return wait
        self._count(now, amount)
        return None

    def answer(self, now: float, output_tokens: int) -> None:
        """Count an answer that is sent; it may pass the limit."""
        if self.tokens and self.start <= now < self.end:
            self._asked.add(now, output_tokens)
            self._worst = max(self._worst, self._asked.used(now))
            self._count(now, output_tokens)

    def verdict(self) -> Verdict:
        minutes = _minutes(self.start, self.end, calendar=self.calendar)
        windows = tuple(
            sum(n for at, n in self._taken if begin <= at < begin + WINDOW_SECONDS)
            for begin in minutes
        )
        lasting = _rolled(self._taken, self.limit)
        if self.calendar:
            whole = [
                n
                for n, begin in zip(windows, minutes, strict=True)
                if self.start <= begin <= self.end - WINDOW_SECONDS
            ]
            lasting = sum(whole) / (len(whole) * self.limit) if whole else None
        return Verdict(
            accepted=sum(amount for _, amount in self._taken),
            refused=self._refused,
            calls=self._calls,
            allowed=self.limit * len(minutes),
            worst=self._worst,
            worst_counted=self._worst_counted,
            windows=windows,
            lasting=lasting,
            early=self._early,
        )

    def _count(self, now: float, amount: int) -> None:
        self._counted.add(now, amount)
        self._taken.append((now, amount))
        self._worst_counted = max(self._worst_counted, self._counted.used(now))


def _minutes(start: float, end: float, *, calendar: bool) -> list[float]:
    """When the windows begin in which a perfect client takes the whole limit: at the
    start and every 60 s after it, or in every minute of the clock that is touched."""
    first = start - start % WINDOW_SECONDS if calendar else start
    count = math.ceil((end - first) / WINDOW_SECONDS)
    return [first + n * WINDOW_SECONDS for n in range(count)]


def _rolled(taken: Sequence[tuple[float, int]], limit: int) -> float | None:
    """A window's length over the mean time from a call to the one that is a limit's
    worth after it."""
    lengths = []
    ahead, total = 0, 0
    for at, amount in taken:
        while ahead < len(taken) and total < limit:
            total += taken[ahead][1]
            ahead += 1
        if ahead == len(taken):
            break
        lengths.append((taken[ahead][0] - at) * limit / total)
        total -= amount
    return WINDOW_SECONDS * len(lengths) / sum(lengths) if lengths else None


def input_tokens(text: str) -> int:
    """What a text counts: 3.4 to 4.6 characters to a token, as its words happen to
    be, so that nobody can know it from the length alone."""
    return math.ceil(len(text) / (3.4 + 1.2 * crc32(text.encode()) / 2**32))


def noisy(chance: random.Random, median: float, fewest: int, most: int) -> int:
    """A length as they are in life: many short ones, a few long ones."""
    return min(most, max(fewest, round(chance.lognormvariate(math.log(median), 0.7))))


class App:
    """The server's one route: a chat completion in OpenAI's form."""

    def __init__(self, judge: Judge, seed: int) -> None:
        self._judge = judge
        self._chance = random.Random(seed)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        now = time.time()
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        text = "".join(part["content"] for part in json.loads(body)["messages"])
        sent = input_tokens(text)
        wait = self._judge.ask(now, sent)
        if wait is not None:
            error = {"message": "Rate limit reached", "code": "rate_limit_exceeded"}
            await _reply(send, 429, {"error": error}, retry_after=math.ceil(wait))
            return
        await asyncio.sleep(LATENCY_SECONDS)
        wrote = noisy(self._chance, 70, SHORTEST_ANSWER, LONGEST_ANSWER)
        self._judge.answer(time.time(), wrote)
        await _reply(send, 200, _completion(sent, wrote))


def _completion(sent: int, wrote: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": "word " * wrote}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": wrote,
            "total_tokens": sent + wrote,
        },
    }


async def _reply(
    send: Any, status: int, answer: dict[str, Any], *, retry_after: int | None = None
) -> None:
    body = json.dumps(answer).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % retry_after))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(
    judge: Judge,
    seed: int,
    listening: socket.socket,
    measured: Callable[[], tuple[float, float]],
) -> Verdict:
    """Serve on a bound socket until the measured time is over. `measured` waits until
    it is known, and says when it starts and ends."""
    config = uvicorn.Config(
        App(judge, seed),
        lifespan="off",
        log_level="critical",
        access_log=False,
        timeout_keep_alive=3_600,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    async def stop() -> None:
        judge.start, judge.end = await asyncio.to_thread(measured)
        await asyncio.sleep(max(0.0, judge.end + 0.5 - time.time()))
        server.should_exit = True

    async def until_the_end() -> None:
        stopping = asyncio.create_task(stop())
        await server.serve(sockets=[listening])
        await stopping

    asyncio.run(until_the_end())
    return judge.verdict()
