"""What goes over the wire during one attempt: its time and its size are bounded, its
last answer is at hand, and it is closed when the attempt is over.

litellm's clients leave four things open. An answer may be of any size, and of a failed
one litellm searches every byte for secrets. A provider that sends filler keeps a call
alive for as long as it likes: DeepSeek for up to 30 minutes (api-docs.deepseek.com, as
of 2025-02). Of Groq's whole answers the headers are dropped. And a stream that breaks
off is left to the garbage collector, which may come while the pool of connections is
locked, by the very thread that holds the lock: it then waits for itself (httpcore 1.0).

So httpx's transports, through which all of them send, look whether an exchange is under
way in their context. Where there is none, nothing changes.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

import httpx

from crew.clock import SystemClock

MOST_BYTES = 20_000_000
"""An answer that is longer is none: 128,000 tokens are half a million."""
MOST_OF_A_FAILURE = 100_000
"""What is read of a failed answer."""


class Redirected(httpx.TransportError):
    """The answer sends the request elsewhere: the key and the prompt are for this host
    alone."""


_FAILED_END = re.compile(
    rb'"finish_?[rR]eason": ?"(?:error|MALFORMED_FUNCTION_CALL|UNEXPECTED_TOOL_CALL)"'
)
"""How an answer ends that is none. litellm makes `stop` of each. In a text of the
answer the quotation marks would have bars before them."""
_GEMINIS_END = b'"finishReason"'
_OVERLAP = 80

# A network keeps real time, whatever clock a run has.
_CLOCK = SystemClock()


@dataclass(slots=True, eq=False)
class Exchange:
    """One attempt. `seconds` is how long it may go on without a sign of the answer;
    filler is none. `response` is the last that came. `failed_end` says that the answer
    ended in an error, `geminis_end` that Gemini told its end.

    Past that the read raises httpx.ReadTimeout, as it does where nothing comes at all.
    """

    seconds: float
    response: httpx.Response | None = None
    failed_end: bool = False
    geminis_end: bool = False
    _ends: float = field(init=False)
    _token: "Token[Exchange | None] | None" = None

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Count the time anew: a part of the answer came."""
        self._ends = _CLOCK.monotonic() + self.seconds

    def check(self) -> None:
        """Raise httpx.ReadTimeout when the time is over."""
        if _CLOCK.monotonic() > self._ends:
            raise httpx.ReadTimeout(f"no answer in {self.seconds:g} s, only filler")

    def measure(self, response: httpx.Response) -> "_Measure":
        """What bounds an answer of this exchange."""
        if response.headers.get("content-encoding", "identity") != "identity":
            self.geminis_end = True  # it is packed, and nobody sees its end here
        return _Measure(exchange=self, failed=response.status_code >= 400)

    def __enter__(self) -> "Exchange":
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        if self._open is not None:
            self._open.close()

    async def __aenter__(self) -> "Exchange":
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self._leave()
        if self._open is not None:
            await self._open.aclose()

    @property
    def _open(self) -> httpx.Response | None:
        response = self.response
        return None if response is None or response.is_closed else response

    def _leave(self) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@dataclass(slots=True)
class _Measure:
    """How much of an answer came. The rest of a failed one is left away."""

    exchange: Exchange
    failed: bool
    size: int = 0
    _tail: bytes = b""

    def full(self, part: bytes) -> bool:
        """Whether no more is wanted. Raises httpx.ReadTimeout when the time is over,
        httpx.RemoteProtocolError for an answer without end."""
        self.exchange.check()
        self.size += len(part)
        read = self._tail + part
        self._tail = read[-_OVERLAP:]
        if _FAILED_END.search(read):
            self.exchange.failed_end = True
        if _GEMINIS_END in read:
            self.exchange.geminis_end = True
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
            yield part

    def close(self) -> None:
        self._stream.close()


class _BoundedAsync(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, measure: _Measure) -> None:
        self._stream, self._measure = stream, measure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            if self._measure.full(part):
                return
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


_handle = httpx.HTTPTransport.handle_request
_handle_async = httpx.AsyncHTTPTransport.handle_async_request


def _asked_plainly(request: httpx.Request) -> Exchange | None:
    """The exchange that a request belongs to; its answer is to come unpacked."""
    exchange = _current.get()
    if exchange is not None:
        request.headers["accept-encoding"] = "identity"
    return exchange


def _watched(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    exchange = _asked_plainly(request)
    response = _handle(self, request)
    if exchange is not None:
        if response.is_redirect:
            response.close()
            raise Redirected("it redirects")
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Bounded(response.stream, exchange.measure(response))
        exchange.response = response
    return response


async def _watched_async(
    self: httpx.AsyncHTTPTransport, request: httpx.Request
) -> httpx.Response:
    exchange = _asked_plainly(request)
    response = await _handle_async(self, request)
    if exchange is not None:
        if response.is_redirect:
            await response.aclose()
            raise Redirected("it redirects")
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BoundedAsync(response.stream, exchange.measure(response))
        exchange.response = response
    return response


httpx.HTTPTransport.handle_request = _watched  # type: ignore[method-assign]
httpx.AsyncHTTPTransport.handle_async_request = _watched_async  # type: ignore[method-assign]
