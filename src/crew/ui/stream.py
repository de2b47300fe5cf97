"""Server-sent events: the sections of the page, sent again whenever one changes.

Sections are read while somebody looks, each as often as it is worth it. Who cannot
keep up gets the latest state of each section, not every state in between.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from crew.clock import Clock
from crew.notices import Listener

BEAT_SECONDS = 15.0
"""A stream with nothing to say says that it is alive."""
RETRY_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: `read` makes its document, `seconds` apart."""

    name: str
    seconds: float
    read: Callable[[], object]


@dataclass(slots=True, eq=False)
class _Reader:
    """One stream, and what it has not sent yet."""

    waiting: dict[str, str] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, name: str, text: str) -> None:
        self.waiting[name] = text
        self.news.set()

    def taken(self) -> str:
        waiting, self.waiting = self.waiting, {}
        self.news.clear()
        return "".join(waiting.values())


class Stream:
    """Keeps the sections up to date for all who look. One event loop uses it.

    `failed` hears of a section that cannot be read.
    """

    def __init__(
        self,
        sections: tuple[Section, ...],
        clock: Clock,
        failed: Listener = lambda line: None,
    ) -> None:
        self._sections = sections
        self._clock = clock
        self._failed = failed
        self._readers: set[_Reader] = set()
        self._known: dict[str, str] = {}
        self._due: Mapping[str, float] = {}
        self._somebody = asyncio.Event()
        self._ends = False

    async def work(self, look_seconds: float) -> None:
        """Read what is due, again and again, while somebody looks."""
        while True:
            await self._somebody.wait()
            await self.look()
            await self._clock.asleep(look_seconds)

    async def look(self) -> None:
        """Read the sections that are due, and pass on those that changed."""
        now = self._clock.monotonic()
        for section in self._sections:
            if self._due.get(section.name, now) > now:
                continue
            self._due = {**self._due, section.name: now + section.seconds}
            text = await asyncio.to_thread(self._read, section)
            if self._known.get(section.name) != text:
                self._known[section.name] = text
                for reader in self._readers:
                    reader.put(section.name, self._message(section.name))

    def _read(self, section: Section) -> str:
        document: object
        try:
            document = section.read()
        except Exception as exc:  # the other sections go on
            document = {"trouble": f"it cannot be read: {type(exc).__name__}"}
            self._failed(f"WARNING: {section.name}: {type(exc).__name__}")
        return json.dumps(document, separators=(",", ":"))

    def end(self) -> None:
        """End every stream: the server goes."""
        self._ends = True
        for reader in self._readers:
            reader.news.set()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one who looks, until he is gone or `end`."""
        reader = _Reader()
        for name in self._known:
            reader.put(name, self._message(name))
        self._readers.add(reader)
        self._somebody.set()
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await _begin(send)
            with suppress(OSError):  # he is gone
                await self._send_news(reader, gone, send)
        finally:
            gone.cancel()
            self._readers.discard(reader)
            if not self._readers:
                self._somebody.clear()

    async def _send_news(
        self, reader: _Reader, gone: "asyncio.Future[None]", send: Send
    ) -> None:
        while not (self._ends or gone.done()):
            news = asyncio.ensure_future(reader.news.wait())
            await asyncio.wait(
                (gone, news), timeout=BEAT_SECONDS, return_when="FIRST_COMPLETED"
            )
            news.cancel()
            text = reader.taken() or ":\n\n"
            await _send_part(send, text, more=True)
        await _send_part(send, "", more=False)

    def _message(self, name: str) -> str:
        """The latest state of a section, and what time it is here."""
        now = round(self._clock.now(), 3)
        body = f'{{"now":{now},"data":{self._known[name]}}}'
        return f"event: {name}\ndata: {body}\n\n"


async def _begin(send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream; charset=utf-8")],
        }
    )
    await _send_part(send, f"retry: {RETRY_MILLISECONDS}\n\n", more=True)


async def _send_part(send: Send, text: str, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
