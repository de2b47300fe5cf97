"""The emulator as an application: the endpoints of the providers, and the controls."""

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from crew.clock import Clock
from crew.emulator.broken_answers import SEND
from crew.emulator.catalogue import catalogue_routes
from crew.emulator.control import PREFIX, control_routes, is_loopback, is_own
from crew.emulator.endpoints import Endpoints
from crew.emulator.families.registry import FAMILIES
from crew.emulator.faults import Order
from crew.emulator.state import State
from crew.settings import Settings


def build_app(
    settings: Settings,
    clock: Clock,
    *,
    orders: Iterable[Order] = (),
    latency: float = 0.0,
) -> Starlette:
    """The emulator as an application.

    `orders` are faults to begin with. Every answer takes `latency` seconds.
    """
    state = State(settings, clock, orders)
    endpoints = Endpoints(state, latency)
    # Several families have the same path, and speak the same there.
    wires = {path: wire for one in FAMILIES for path, wire in one.endpoints}
    return _Emulator(
        routes=[
            *control_routes(state),
            *(
                Route(f"/{{provider}}{path}", endpoints.open(wire), methods=["POST"])
                for path, wire in wires.items()
            ),
            *catalogue_routes(state),
        ]
    )


class _Emulator(Starlette):
    """Guards the controls, and keeps the server's `send` for the resets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SEND] = send
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            headers = Request(scope).headers
            if not (is_loopback(headers.get("host", "")) and is_own(headers)):
                refused = JSONResponse({"error": "loopback only"}, status_code=403)
                await refused(scope, receive, send)
                return
        await super().__call__(scope, receive, send)
