"""Who may ask: a request passes with the token alone, from this machine's own names.

Any page that a browser shows can send requests to loopback, and a name of somebody
else's can be made to point there. So the names in `Host` and `Origin` are looked at,
and what does not pass gets a status without a word.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crew.errors import CrewError
from crew.notices import Listener

HOST = "127.0.0.1"
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
"""Of answers that say no policy of their own: nothing may run or be loaded."""
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""On every answer, whatever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """An ASGI application that lets the right requests through to `app`. `failed`
    hears what an answer failed of."""

    app: ASGIApp
    port: int
    token: str = field(repr=False)
    failed: Listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # uvicorn closes it
        answer = _Answer(send)
        if not self._passes(scope):
            await Response(status_code=403)(scope, receive, answer.send)
            return
        try:
            await self.app(scope, receive, answer.send)
        except Exception as exc:  # the server's own words would quote the address
            # A sentence of ours, or the class alone: others' words may hold anything.
            said = str(exc) if isinstance(exc, CrewError) else type(exc).__name__
            self.failed(f"WARNING: {scope['path']}: {said}")
            if not answer.begun:
                await Response(status_code=503)(scope, receive, answer.send)

    def _passes(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        names = [f"{HOST}:{self.port}", f"localhost:{self.port}"]
        if headers.getlist("host") not in [[name] for name in names]:
            return False
        asked_by = headers.get("origin")
        if asked_by not in [None, *(f"http://{name}" for name in names)]:
            return False
        if asked_by is None and scope["method"] not in ("GET", "HEAD"):
            return False
        return self._is_known(_given(headers, scope))

    def _is_known(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _given(headers: Headers, scope: Scope) -> str:
    """The token of a request: in its address, or as Prometheus sends it."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    return QueryParams(scope["query_string"]).get("token", "")


@dataclass(slots=True)
class _Answer:
    """Sends an answer with the headers of all answers."""

    _send: Callable[[Message], object]
    begun: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            given = message.get("headers", [])
            named = {name.lower() for name, _ in given}
            more = [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name.encode() not in named
            ]
            message = {**message, "headers": [*given, *more]}
        await self._send(message)  # type: ignore[misc]
