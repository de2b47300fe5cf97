"""What goes over the wire during one attempt: its time and its size are bounded, its
last answer is at hand, and it is closed when the attempt is over.

litellm's clients leave four things open: an answer may be of any size; filler keeps a
call alive, at DeepSeek for up to 30 minutes (api-docs.deepseek.com, 2025-02); the
headers of Groq's whole answers are dropped; and a broken stream is left to the garbage
collector, which may wait for a lock that its own thread holds (httpcore 1.0).

So litellm is handed a client of ours, made for one attempt. It sends through a client
that keeps its connections from call to call, and watches the answer. No other request
passes through it, whatever goes over the wire at the same time.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx

from crew.clock import SystemClock
from crew.providers.answer_end import End, read_end
from crew.providers.line_breaks import LineBreaks
from crew.providers.usage import Numbers, read_usage
from crew.providers.usage_repair import UsageRepair

MOST_BYTES = 20_000_000
"""An answer that is longer is none: 128,000 tokens are half a million."""
MOST_OF_A_FAILURE = 100_000
"""What is read of a failed answer."""


class Redirected(httpx.TransportError):
    """The answer sends the request to another host than the key is for."""


OnSent = Callable[[], None]
"""Called when a request leaves."""

# A network keeps real time, whatever clock a run has.
_CLOCK = SystemClock()


@dataclass(eq=False)
class Exchange:
    """One attempt. `seconds` is how long it may go on without a part of the answer.
    `response` is the last that came. `watched`: a client of ours sends its requests.

    Past that the read raises httpx.ReadTimeout, as it does where nothing comes at all.
    """

    seconds: float
    on_sent: OnSent = lambda: None
    response: httpx.Response | None = None
    watched: bool = True
    _left: bool = False
    _body: bytearray = field(default_factory=bytearray)
    _packed: bool = False
    _sent: bool = False
    _failure: Exception | None = None
    _ends: float = field(init=False)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Count the time anew: a part of the answer came."""
        self._ends = _CLOCK.monotonic() + self.seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time: a listener takes it, and not the provider."""
        began = _CLOCK.monotonic()
        try:
            yield
        finally:
            self._ends += _CLOCK.monotonic() - began

    def keep(self, part: bytes) -> None:
        """Keep what came, for its end."""
        self._body += part

    def check(self) -> None:
        """Raise httpx.ReadTimeout when the time is over."""
        if _CLOCK.monotonic() > self._ends:
            raise httpx.ReadTimeout(f"no answer in {self.seconds:g} s, only filler")

    @contextmanager
    def sending(self, request: httpx.Request) -> Iterator[None]:
        """Around a request. When litellm sends it again, uncounted, this raises the
        outcome of the first one."""
        if request.method == "POST":  # some families ask by GET how far they are
            if self._sent:
                raise self._outcome()
            self._sent = True
        request.headers["accept-encoding"] = "identity"
        self._left = True
        self.on_sent()
        try:
            yield
        except Exception as exc:
            self._failure = exc
            raise

    def _outcome(self) -> Exception:
        if self._failure is not None:
            return self._failure
        try:
            if self.response is not None:
                self.response.raise_for_status()
        except httpx.HTTPStatusError as exc:
            return exc
        return httpx.RemoteProtocolError("a second attempt")

    @property
    def left(self) -> bool:
        """Whether a request may have left; certain only where it is `watched`."""
        return self._left or not self.watched

    @property
    def is_page(self) -> bool:
        """Whether a page for people came in place of an answer."""
        return bytes(self._body[:200]).lstrip().startswith(b"<")

    def measure(self, response: httpx.Response) -> "_Measure":
        """What bounds an answer of this exchange. Raises Redirected."""
        if response.is_redirect:
            raise Redirected("it redirects")
        self.response = response
        encoding = response.headers.get("content-encoding", "identity")
        self._packed = encoding != "identity"
        self._body.clear()
        breaks = None if self._packed else LineBreaks()
        return _Measure(
            exchange=self, failed=response.status_code >= 400, breaks=breaks
        )

    @cached_property
    def end(self) -> End | None:
        """How the answer ended, by the provider's own word; None where that cannot be
        seen: it came packed, past this client, or is a failure. Ask when all has
        come."""
        return read_end(bytes(self._body)) if self._body and not self._packed else None

    @cached_property
    def usage(self) -> Numbers | None:
        """What the provider says that the answer took; None as with `end`, and where
        it says nothing. Ask when all has come."""
        body = b"" if self._packed else bytes(self._body)
        return read_usage(body) if body else None

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        if (response := self._leave()) is not None:
            response.close()

    async def __aenter__(self) -> "Exchange":
        return self

    async def __aexit__(self, *_: object) -> None:
        if (response := self._leave()) is not None:
            await response.aclose()

    def _leave(self) -> httpx.Response | None:
        """Drop the answer, because litellm may keep the client for its log. Returns the
        answer if it is still open."""
        response, self.response, self._failure = self.response, None, None
        return None if response is None or response.is_closed else response


@dataclass(slots=True)
class _Measure:
    """How much of an answer came. The rest of a failed one is left away."""

    exchange: Exchange
    failed: bool
    breaks: LineBreaks | None
    size: int = 0
    usage: UsageRepair = field(default_factory=UsageRepair)

    def escape(self, part: bytes) -> bytes:
        """A part with its line breaks escaped and its usage repaired, as far as it can
        be seen."""
        if self.breaks is None:
            return part
        escaped = self.breaks.escape(part)
        return escaped if self.failed else self.usage.pass_on(escaped)

    def rest(self) -> bytes:
        """What is still held back at the end."""
        if self.breaks is None:
            return b""
        return self.usage.pass_on(self.breaks.rest()) + self.usage.rest()

    def full(self, part: bytes) -> bool:
        """Whether no more is wanted. Raises httpx.ReadTimeout when the time is over,
        httpx.RemoteProtocolError for an answer without end."""
        self.exchange.check()
        self.size += len(part)
        if not self.failed:
            self.exchange.keep(part)
        if not self.failed and self.size > MOST_BYTES:
            raise httpx.RemoteProtocolError("the answer has no end")
        return self.failed and self.size > MOST_OF_A_FAILURE


class _Bounded(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, measure: _Measure) -> None:
        self._stream, self._measure = stream, measure

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if self._measure.full(part):
                return
            yield self._measure.escape(part)
        yield self._measure.rest()

    def close(self) -> None:
        self._stream.close()


class _BoundedAsync(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, measure: _Measure) -> None:
        self._stream, self._measure = stream, measure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            if self._measure.full(part):
                return
            yield self._measure.escape(part)
        yield self._measure.rest()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Nowhere(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The transport of a client that sends through another one."""


_NOWHERE = _Nowhere()


class Client(httpx.Client):
    """Sends the request of one exchange through a client that many share."""

    def __init__(self, exchange: Exchange, shared: httpx.Client) -> None:
        super().__init__(
            transport=_NOWHERE, headers=shared.headers, timeout=exchange.seconds
        )
        self._exchange, self._shared = exchange, shared

    def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """As httpx does it, without following a redirect. Raises Redirected."""
        options["follow_redirects"] = False
        with self._exchange.sending(request):
            response = self._shared.send(request, stream=True, **options)
            try:
                measure = self._exchange.measure(response)
                assert isinstance(response.stream, httpx.SyncByteStream)
                response.stream = _Bounded(response.stream, measure)
                if not stream:
                    response.read()
            except BaseException:
                response.close()
                raise
        return response


class AsyncClient(httpx.AsyncClient):
    """As `Client`, without blocking the event loop."""

    def __init__(self, exchange: Exchange, shared: httpx.AsyncClient) -> None:
        super().__init__(
            transport=_NOWHERE, headers=shared.headers, timeout=exchange.seconds
        )
        self._exchange, self._shared = exchange, shared

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """As httpx does it, without following a redirect. Raises Redirected."""
        options["follow_redirects"] = False
        with self._exchange.sending(request):
            response = await self._shared.send(request, stream=True, **options)
            try:
                measure = self._exchange.measure(response)
                assert isinstance(response.stream, httpx.AsyncByteStream)
                response.stream = _BoundedAsync(response.stream, measure)
                if not stream:
                    await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response
