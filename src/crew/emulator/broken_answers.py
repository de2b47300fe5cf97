"""What the faults look like that are no refusals: answers that break on their way."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from crew.emulator.faults import Fault
from crew.emulator.headers import Headers
from crew.emulator.protocols.wire import Completion, Wire
from crew.emulator.script import Answer

_FILLER_SECONDS = 0.05
_HANG_SECONDS = 120.0
"""How long a call hangs at most, in real time: the client's patience is real."""

SEND = "crew.emulator.send"
"""Where the scope keeps the server's own `send`, which knows the connection."""

_PAGE = "<html><body><h1>Welcome</h1>Please sign in.</body></html>"


def broken_response(
    fault: Fault, wire: Wire, made: Completion, *, stream: bool, headers: Headers
) -> ASGIApp:
    """The answer to a call that was served, but does not arrive as it should."""
    match fault:
        case Fault.TIMEOUT:
            return hang
        case Fault.KEEP_ALIVE:
            return _kept_alive(wire, stream=stream, headers=headers)
        case Fault.RESET:
            return reset
        case Fault.HTML:
            return HTMLResponse(_PAGE, headers=headers)
    kind = wire.stream_type if stream else "application/json"
    body = _streamed(fault, wire, made) if stream else _whole(fault, wire, made)
    if fault is Fault.BROKEN_STREAM:
        return _cut(body, kind, headers)
    return Response(body, media_type=kind, headers=headers)


def _whole(fault: Fault, wire: Wire, made: Completion) -> bytes:
    if fault in (Fault.ERROR_IN_200, Fault.ERROR_IN_STREAM):
        return json.dumps(wire.error_whole(made)).encode()
    body = json.dumps(wire.whole(_emptied(fault, made))).encode()
    match fault:
        case Fault.BROKEN_STREAM:
            return body[: len(body) // 2]
        case Fault.MALFORMED:
            return body[:-20]
        case _:
            return body


def _streamed(fault: Fault, wire: Wire, made: Completion) -> bytes:
    frames = list(wire.frames(_emptied(fault, made)))
    words = wire.until_words
    match fault:
        case Fault.BROKEN_STREAM:
            return b"".join(frames[:words])
        case Fault.MALFORMED:
            half = frames[words - 1][: len(frames[words - 1]) // 2]
            return b"".join([*frames[: words - 1], half, b"\n\n"])
        case Fault.ERROR_IN_200:
            return wire.error_frame(made) + wire.closing
        case Fault.ERROR_IN_STREAM:
            reported = [*frames[:words], wire.error_frame(made), wire.closing]
            return b"".join(reported)
        case _:
            return b"".join([*frames, wire.closing])


def _emptied(fault: Fault, made: Completion) -> Completion:
    """The answer without its words or its choices; it is charged all the same."""
    match fault:
        case Fault.EMPTY:
            return replace(made, answers=(Answer(),))
        case Fault.NO_CHOICES:
            return replace(made, answers=())
        case _:
            return made


def _cut(sent: bytes, kind: str, headers: Mapping[str, str]) -> ASGIApp:
    """A body that promises more than it holds, and then the connection closes."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        named = {"content-type": kind, "content-length": str(len(sent) + 500)}
        raw = [(k.encode(), v.encode()) for k, v in {**headers, **named}.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": sent, "more_body": True})
        # The server closes the connection of an answer that was not completed.

    return respond


def _kept_alive(wire: Wire, *, stream: bool, headers: Headers) -> ASGIApp:
    """Filler, and never an answer: a provider under load that keeps the line."""
    named = stream and wire.stream_type == "text/event-stream"
    filler = b": keep-alive\n\n" if named else b"\n"

    async def body() -> AsyncIterator[bytes]:
        for _ in range(round(_HANG_SECONDS / _FILLER_SECONDS)):
            yield filler
            await asyncio.sleep(_FILLER_SECONDS)

    kind = wire.stream_type if stream else "application/json"
    return StreamingResponse(body(), media_type=kind, headers=headers)


async def hang(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answer; end when the client goes away."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), _HANG_SECONDS)
    except TimeoutError:
        await reset(scope, receive, send)


async def reset(scope: Scope, receive: Receive, send: Send) -> None:
    """Reset the TCP connection without an answer."""
    cycle = getattr(scope.get(SEND), "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    if transport is None:
        raise ConnectionResetError("the emulator reset the connection")
    channel = transport.get_extra_info("socket")
    if channel is not None:
        linger = struct.pack("ii", 1, 0)  # closing drops the data and sends RST
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
