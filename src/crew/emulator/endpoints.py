"""What a call meets behind a provider's door: its limits, its faults, the model."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from crew.emulator.broken_answers import broken_response
from crew.emulator.conversation import BadConversation, Conversation
from crew.emulator.enforcement import Admission, spend
from crew.emulator.envelopes import Reply
from crew.emulator.families.registry import family, family_of
from crew.emulator.faults import Order
from crew.emulator.headers import Headers
from crew.emulator.history import foreign
from crew.emulator.model_entries import upstream_id
from crew.emulator.protocols.wire import Completion, Wire
from crew.emulator.refusal_faults import failed_reply
from crew.emulator.script import Answer, answer
from crew.emulator.sending import Served, answered, sent
from crew.emulator.state import State
from crew.settings import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A request that a deployment of ours is to answer."""

    wire: Wire
    number: int
    deployment: Deployment
    talk: Conversation
    now: float

    def refused(self, reply: Reply, headers: Headers | None = None) -> Response:
        return sent(self.wire.sealed(reply, self.number), headers)

    def completed(self, answer: Answer) -> Completion:
        return Completion(
            number=self.number,
            created=self.now,
            model=upstream_id(self.deployment),
            variant=family_of(self.deployment),
            answers=(answer,),
            input_tokens=self.talk.input_tokens,
            output_tokens=answer.output_tokens,
            include_usage=self.talk.include_usage,
        )


class Endpoints:
    """What the clients of the providers see, whichever protocol they speak."""

    def __init__(self, state: State, latency: float) -> None:
        self._state = state
        self._latency = latency
        self._numbers = count(1)

    def open(self, wire: Wire) -> Callable[[Request], Awaitable[ASGIApp]]:
        """A door at which one protocol is spoken."""

        async def endpoint(request: Request) -> ASGIApp:
            number = next(self._numbers)
            try:
                talk = wire.parse(request, json.loads(await request.body()))
            except (BadConversation, json.JSONDecodeError, UnicodeDecodeError) as exc:
                return sent(wire.sealed(_malformed(wire, exc), number))
            provider = request.path_params["provider"]
            deployment = self._state.find(provider, talk.model)
            if deployment is None or not _speaks(deployment, wire):
                unknown = family(wire.family).unknown_model(talk.model)
                return sent(wire.sealed(unknown, number))
            now = self._state.clock.now()
            return self._answer(
                _Call(
                    wire=wire, number=number, deployment=deployment, talk=talk, now=now
                )
            )

        return endpoint

    def _answer(self, call: _Call) -> ASGIApp:
        deployment, talk = call.deployment, call.talk
        counter = self._state.counters.of(deployment)
        counter.requests += 1
        self._state.counters.saw(deployment, talk, call.now)
        unable = _unable(deployment, talk)
        if unable is not None:
            return call.refused(unable)
        scripted = answer(talk)
        spent = spend(deployment, talk.input_tokens, scripted.output_tokens)
        admission = self._state.limiter.admit(deployment, spent, call.now)
        headers = self._limit_headers(call)
        if not isinstance(admission, Admission):
            counter.refused += 1
            refused = family_of(deployment).refusal(deployment, admission, call.now)
            return call.refused(refused, headers)
        order = self._state.orders.take(
            deployment.provider.name, deployment.name, call.now
        )
        if order is not None:
            counter.faults += 1
            return self._fail(call, order, scripted, admission)
        counter.accepted += 1
        counter.input_tokens += talk.input_tokens
        counter.output_tokens += scripted.output_tokens
        whole = answered(
            call.wire,
            call.completed(scripted),
            stream=talk.stream,
            headers=headers | call.wire.marks(call.number),
            think=self._think,
        )
        return Served(whole, admission)

    def _fail(
        self, call: _Call, order: Order, scripted: Answer, admission: Admission
    ) -> ASGIApp:
        failed = failed_reply(order, call.deployment, call.talk, call.now)
        if failed is not None:
            admission.cancel()
            return call.refused(failed, self._limit_headers(call))
        broken = broken_response(
            order.fault,
            call.wire,
            call.completed(scripted),
            stream=call.talk.stream,
            headers=self._limit_headers(call) | call.wire.marks(call.number),
        )
        return Served(broken, admission)

    async def _think(self) -> None:
        if self._latency:
            await self._state.clock.asleep(self._latency)

    def _limit_headers(self, call: _Call) -> Headers:
        readings = self._state.limiter.readings(call.deployment, call.now)
        return family_of(call.deployment).limit_headers(readings, call.now)


def _malformed(wire: Wire, error: ValueError) -> Reply:
    status = error.status if isinstance(error, BadConversation) else 400
    return family(wire.family).failure(status, "invalid_request", str(error))


def _speaks(deployment: Deployment, wire: Wire) -> bool:
    return wire.family in ("openai", family_of(deployment).name)


def _unable(deployment: Deployment, talk: Conversation) -> Reply | None:
    """Why the model cannot serve the request at all, if so."""
    played = family_of(deployment)
    if talk.input_tokens > deployment.context_window:
        return played.too_long(talk.input_tokens, deployment.context_window)
    strange = foreign(played, upstream_id(deployment), talk)
    if strange is not None:
        return strange
    if talk.pictures and not deployment.vision:
        message = "This model does not support image input."
        return played.failure(400, "invalid_request", message)
    if talk.tools and not deployment.tools:
        message = "This model does not support tool use."
        return played.failure(400, "invalid_request", message)
    return None
