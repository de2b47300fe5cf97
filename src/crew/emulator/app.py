"""The emulator's routes: one chat-completions door per provider, and the controls."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import count

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from crew.clock import Clock
from crew.emulator.control import PREFIX, control_routes, is_loopback
from crew.emulator.conversation import (
    BadConversation,
    Conversation,
    parse_conversation,
)
from crew.emulator.dialects import family_of, refusal, upstream_id
from crew.emulator.enforcement import Ticket, spend
from crew.emulator.envelopes import Reply, failure
from crew.emulator.failing import (
    SEND,
    broken_response,
    context_exceeded,
    failed_reply,
    unknown_model,
)
from crew.emulator.faults import Order
from crew.emulator.headers import Headers, limit_headers
from crew.emulator.script import answer
from crew.emulator.state import State
from crew.emulator.wire import DONE, Completion, event
from crew.settings import Deployment, Settings


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
    doors = _Doors(state, latency)
    return _Emulator(
        routes=[
            *control_routes(state),
            Route("/{provider}/v1/chat/completions", doors.complete, methods=["POST"]),
            Route("/{provider}/v1/models", doors.models),
        ]
    )


class _Emulator(Starlette):
    """Guards the controls, and keeps the server's `send` for the resets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SEND] = send
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            host = Request(scope).headers.get("host", "")
            if not is_loopback(host):
                refused = JSONResponse({"error": "loopback only"}, status_code=403)
                await refused(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


class _Doors:
    """What the clients of the providers see."""

    def __init__(self, state: State, latency: float) -> None:
        self._state = state
        self._latency = latency
        self._numbers = count(1)

    async def complete(self, request: Request) -> ASGIApp:
        """Answer a chat-completions request, or refuse it as the provider would."""
        try:
            talk = parse_conversation(json.loads(await request.body()))
        except (BadConversation, json.JSONDecodeError, UnicodeDecodeError) as exc:
            return _sent(failure("openai", 400, "invalid_request", str(exc)))
        provider = request.path_params["provider"]
        deployment = self._state.find(provider, talk.model)
        if deployment is None:
            return _sent(unknown_model(talk.model))
        now = self._state.clock.now()
        self._state.counters.of(deployment).requests += 1
        self._state.counters.saw(deployment, talk, now)
        unable = _unable(deployment, talk)
        if unable is not None:
            return _sent(unable)
        return await self._serve(deployment, talk, now)

    async def _serve(
        self, deployment: Deployment, talk: Conversation, now: float
    ) -> ASGIApp:
        counter = self._state.counters.of(deployment)
        family = family_of(deployment)
        said = answer(talk)
        spent = spend(deployment, talk.input_tokens, said.output_tokens)
        ticket = self._state.gate.admit(deployment, spent, now)
        if not isinstance(ticket, Ticket):
            counter.refused += 1
            reply = refusal(deployment, ticket, now)
            return _sent(reply, self._limit_headers(deployment, now))
        order = self._state.orders.take(deployment.provider.name, deployment.name)
        failed = failed_reply(order, deployment, talk, now) if order else None
        if failed is not None:
            ticket.cancel()
            counter.faults += 1
            return _sent(failed, self._limit_headers(deployment, now))
        completion = Completion(
            id=f"chatcmpl-{next(self._numbers)}",
            created=int(now),
            model=upstream_id(deployment),
            answer=said,
            input_tokens=talk.input_tokens,
            extra={"service_tier": "on_demand"} if family == "groq" else {},
        )
        headers = self._limit_headers(deployment, now)
        if order is not None:
            counter.faults += 1
            return _Served(
                broken_response(order.fault, completion, talk, headers), ticket
            )
        counter.accepted += 1
        counter.input_tokens += talk.input_tokens
        counter.output_tokens += said.output_tokens
        return _Served(_answered(completion, talk, headers), ticket, self._think)

    async def _think(self) -> None:
        if self._latency:
            await self._state.clock.asleep(self._latency)

    def _limit_headers(self, deployment: Deployment, now: float) -> Headers:
        readings = self._state.gate.readings(deployment, now)
        return limit_headers(family_of(deployment), readings, now)

    async def models(self, request: Request) -> Response:
        """The models of one provider, by the provider's own ids."""
        provider = request.path_params["provider"]
        if not self._state.serves(provider):
            return _sent(unknown_model(provider))
        names = self._state.models(provider)
        data = [{"id": name, "object": "model"} for name in names]
        return JSONResponse({"object": "list", "data": data})


async def _at_once() -> None:
    """Nothing comes before the answer."""


class _Served:
    """An answer under way: it counts as concurrent until it was sent, or broke."""

    def __init__(
        self,
        response: ASGIApp,
        ticket: Ticket,
        before: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self._response = response
        self._ticket = ticket
        self._before = before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._before()
            await self._response(scope, receive, send)
        finally:
            self._ticket.finish()


def _unable(deployment: Deployment, talk: Conversation) -> Reply | None:
    """Why the model cannot serve the request at all, if so."""
    family = family_of(deployment)
    if talk.input_tokens > deployment.context_window:
        return context_exceeded(deployment, talk.input_tokens)
    if talk.pictures and not deployment.vision:
        message = "This model does not support image input."
        return failure(family, 400, "invalid_request", message)
    if talk.tools and not deployment.tools:
        message = "This model does not support tool use."
        return failure(family, 400, "invalid_request", message)
    return None


def _sent(reply: Reply, headers: Headers | None = None) -> Response:
    merged = {**(headers or {}), **reply.headers}
    return JSONResponse(reply.body, status_code=reply.status, headers=merged)


def _answered(completion: Completion, talk: Conversation, headers: Headers) -> ASGIApp:
    if not talk.stream:
        return JSONResponse(completion.body(), headers=headers)

    async def events() -> AsyncIterator[bytes]:
        for chunk in completion.chunks(include_usage=talk.include_usage):
            yield event(chunk)
        yield DONE

    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)
