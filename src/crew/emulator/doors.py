"""What a call meets behind a provider's door: its limits, its faults, the model."""

import json
from collections.abc import Awaitable, Callable
from itertools import count

from starlette.requests import Request
from starlette.types import ASGIApp

from crew.emulator.breaking import broken_response
from crew.emulator.conversation import BadConversation, Conversation
from crew.emulator.dialects import family_of, refusal, upstream_id
from crew.emulator.enforcement import Ticket, spend
from crew.emulator.envelopes import Reply, failure, unknown_model
from crew.emulator.failing import context_exceeded, failed_reply
from crew.emulator.headers import Headers, limit_headers
from crew.emulator.protocols.wire import Completion, Wire
from crew.emulator.script import answer
from crew.emulator.sending import Served, answered, sent
from crew.emulator.state import State
from crew.settings import Deployment


class Doors:
    """What the clients of the providers see, whichever protocol they speak."""

    def __init__(self, state: State, latency: float) -> None:
        self._state = state
        self._latency = latency
        self._numbers = count(1)

    def open(self, wire: Wire) -> Callable[[Request], Awaitable[ASGIApp]]:
        """A door at which one protocol is spoken."""

        async def door(request: Request) -> ASGIApp:
            number = next(self._numbers)
            try:
                body = json.loads(await request.body())
                talk = wire.parse(request, body)
            except BadConversation as exc:
                reply = failure(wire.family, exc.status, "invalid_request", str(exc))
                return sent(wire.sealed(reply, number))
            except (json.JSONDecodeError, UnicodeDecodeError) as exc:
                reply = failure(wire.family, 400, "invalid_request", str(exc))
                return sent(wire.sealed(reply, number))
            provider = request.path_params["provider"]
            deployment = self._state.find(provider, talk.model)
            if deployment is None or not _speaks(deployment, wire):
                return sent(wire.sealed(unknown_model(wire.family, talk.model), number))
            return await self._receive(deployment, talk, wire, number)

        return door

    async def _receive(
        self, deployment: Deployment, talk: Conversation, wire: Wire, number: int
    ) -> ASGIApp:
        now = self._state.clock.now()
        counter = self._state.counters.of(deployment)
        counter.requests += 1
        self._state.counters.saw(deployment, talk, now)

        def refused(reply: Reply, headers: Headers | None = None) -> ASGIApp:
            return sent(wire.sealed(reply, number), headers)

        unable = _unable(deployment, talk)
        if unable is not None:
            return refused(unable)
        said = answer(talk)
        spent = spend(deployment, talk.input_tokens, said.output_tokens)
        ticket = self._state.gate.admit(deployment, spent, now)
        if not isinstance(ticket, Ticket):
            counter.refused += 1
            reply = refusal(deployment, ticket, now)
            return refused(reply, self._limit_headers(deployment, now))
        order = self._state.orders.take(deployment.provider.name, deployment.name)
        failed = failed_reply(order, deployment, talk, now) if order else None
        if failed is not None:
            ticket.cancel()
            counter.faults += 1
            return refused(failed, self._limit_headers(deployment, now))
        made = Completion(
            number=number,
            created=now,
            model=upstream_id(deployment),
            family=family_of(deployment),
            answers=(said,),
            input_tokens=talk.input_tokens,
            output_tokens=said.output_tokens,
            include_usage=talk.include_usage,
        )
        headers = self._limit_headers(deployment, now) | wire.marks(number)
        if order is not None:
            counter.faults += 1
            broken = broken_response(
                order.fault, wire, made, stream=talk.stream, headers=headers
            )
            return Served(broken, ticket)
        counter.accepted += 1
        counter.input_tokens += talk.input_tokens
        counter.output_tokens += said.output_tokens
        whole = answered(
            wire, made, stream=talk.stream, headers=headers, think=self._think
        )
        return Served(whole, ticket)

    async def _think(self) -> None:
        if self._latency:
            await self._state.clock.asleep(self._latency)

    def _limit_headers(self, deployment: Deployment, now: float) -> Headers:
        readings = self._state.gate.readings(deployment, now)
        return limit_headers(family_of(deployment), readings, now)


def _speaks(deployment: Deployment, wire: Wire) -> bool:
    return wire.family in ("openai", family_of(deployment))


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
