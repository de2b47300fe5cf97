"""The controls: read the counters, order faults, begin anew. For loopback only."""

import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crew.emulator.faults import BadFault, Order, parse_order
from crew.emulator.state import State

PREFIX = "/_control/"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine: no page of the web may reach us."""
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a request for the controls comes from no page, or from one of ours: a
    browser names the page's origin, and a foreign one may send, though not read."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origin = headers.get("origin")
    return origin is None or origin == f"http://{headers.get('host', '')}"


def control_routes(state: State) -> list[Route]:
    """The routes below `/_control/`."""
    controls = _Controls(state)
    return [
        Route(f"{PREFIX}counters", controls.counters),
        Route(f"{PREFIX}requests", controls.requests),
        Route(f"{PREFIX}clock", controls.clock),
        Route(f"{PREFIX}faults", controls.faults),
        Route(f"{PREFIX}faults", controls.order, methods=["POST"]),
        Route(f"{PREFIX}reset", controls.reset, methods=["POST"]),
    ]


class _Controls:
    def __init__(self, state: State) -> None:
        self._state = state

    async def counters(self, request: Request) -> Response:
        return JSONResponse(self._state.counters.shown())

    async def requests(self, request: Request) -> Response:
        return JSONResponse(self._state.counters.seen())

    async def clock(self, request: Request) -> Response:
        return JSONResponse({"now": self._state.clock.now()})

    async def faults(self, request: Request) -> Response:
        return JSONResponse(self._state.orders.shown(self._state.clock.now()))

    async def order(self, request: Request) -> Response:
        try:
            order = self._known(parse_order(json.loads(await request.body())))
        except (BadFault, json.JSONDecodeError, UnicodeDecodeError) as exc:
            return JSONResponse({"error": str(exc)}, status_code=400)
        self._state.orders.add(order, self._state.clock.now())
        return await self.faults(request)

    def _known(self, order: Order) -> Order:
        """The order with the slot's name; BadFault if nobody can follow it."""
        if not self._state.serves(order.provider):
            raise BadFault(f"no provider {order.provider!r} is configured")
        if order.deployment is None:
            return order
        deployment = self._state.find(order.provider, order.deployment)
        if deployment is None:
            raise BadFault(f"{order.provider} has no deployment {order.deployment!r}")
        return replace(order, deployment=deployment.name)

    async def reset(self, request: Request) -> Response:
        self._state.reset()
        return JSONResponse({})
