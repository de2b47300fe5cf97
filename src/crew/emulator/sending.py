"""How an answer leaves: a refusal, a whole body, or frame by frame."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from crew.emulator.enforcement import Admission
from crew.emulator.envelopes import Reply
from crew.emulator.headers import Headers
from crew.emulator.protocols.wire import Completion, Wire


class Served:
    """An answer under way: it counts as concurrent until it was sent, or broke."""

    def __init__(self, response: ASGIApp, admission: Admission) -> None:
        self._response = response
        self._ticket = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._response(scope, receive, send)
        finally:
            self._ticket.finish()


def sent(reply: Reply, headers: Headers | None = None) -> Response:
    """A refusal with the headers that come with every answer."""
    merged = {**(headers or {}), **reply.headers}
    return JSONResponse(reply.body, status_code=reply.status, headers=merged)


def answered(
    wire: Wire,
    made: Completion,
    *,
    stream: bool,
    headers: Headers,
    think: Callable[[], Awaitable[None]],
) -> ASGIApp:
    """The answer as it should be. It takes the time of `think`, and some providers
    send filler meanwhile."""

    async def body() -> AsyncIterator[bytes]:
        filler = wire.filler(made, stream=stream)
        if filler:
            yield filler
        await think()
        if not stream:
            yield json.dumps(wire.whole(made)).encode()
            return
        for frame in wire.frames(made):
            yield frame
        if wire.closing:
            yield wire.closing

    kind = wire.stream_type if stream else "application/json"
    return StreamingResponse(body(), media_type=kind, headers=headers)
