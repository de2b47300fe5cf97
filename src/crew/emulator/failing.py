"""What each fault looks like on the wire."""

import asyncio
import json
import socket
import struct
from collections.abc import Iterable, Mapping

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from crew.emulator.conversation import Conversation
from crew.emulator.dialects import family_of, refusal, upstream_id
from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply, failure
from crew.emulator.faults import Fault, Order
from crew.emulator.wire import DONE, Completion, event
from crew.quota.limits import Kind, Limit, Metric
from crew.settings import Deployment

_HANG_SECONDS = 120.0
"""How long a call hangs at most, in real time: the client's patience is real."""

SEND = "crew.emulator.send"
"""Where the scope keeps the server's own `send`, which knows the connection."""

_STATUSES: Mapping[Fault, tuple[int, str, str]] = {
    Fault.SERVER_ERROR: (500, "server_error", "The server had an error."),
    Fault.BAD_GATEWAY: (502, "provider_unavailable", "Bad gateway."),
    Fault.UNAVAILABLE: (503, "server_is_overloaded", "The model is overloaded."),
    Fault.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Fault.UNAUTHORIZED: (401, "invalid_api_key", "Incorrect API key provided."),
    Fault.FORBIDDEN: (403, "forbidden", "This key may not use this model."),
    Fault.BAD_REQUEST: (400, "invalid_request", "Invalid value for 'messages'."),
}
_CONTENT = "Your request was rejected by our safety system (content policy)."


def failed_reply(
    order: Order, deployment: Deployment, talk: Conversation, now: float
) -> Reply | None:
    """The refusal that the fault stands for; None if it is no refusal."""
    family = family_of(deployment)
    match order.fault:
        case Fault.RATE_LIMIT:
            return _rate_limited(order, deployment, now)
        case Fault.PAYMENT_REQUIRED:
            balance = family == "deepseek"
            message = "Insufficient Balance" if balance else "Insufficient credits."
            reply = failure(family, 402, "payment_required", message)
        case Fault.MODEL_NOT_FOUND:
            return unknown_model(upstream_id(deployment))
        case Fault.CONTEXT_LENGTH:
            reply = context_exceeded(deployment, talk.input_tokens)
        case Fault.CONTENT_POLICY:
            reply = failure(family, 400, "content_policy_violation", _CONTENT)
        case fault if fault in _STATUSES:
            reply = failure(family, *_STATUSES[fault])
        case _:
            return None
    headers = {}
    if order.retry_after is not None:
        headers["retry-after"] = f"{order.retry_after:g}"
    return Reply(status=reply.status, body=reply.body, headers=headers)


def _rate_limited(order: Order, deployment: Deployment, now: float) -> Reply:
    # A limit of the minute: what is said about longer ones is not to be trusted.
    limits = (*deployment.provider.limits, *deployment.limits)
    counted = [
        limit
        for limit in limits
        if limit.metric is Metric.REQUESTS and limit.unit == "minute"
    ]
    minute = Limit(amount=60, metric=Metric.REQUESTS, kind=Kind.ROLLING, unit="minute")
    limit = counted[0] if counted else minute
    breach = Breach(
        limit=limit,
        scope=deployment.klass or deployment.provider.name,
        used=limit.amount,
        need=1,
        wait=order.retry_after,
    )
    return refusal(deployment, [breach], now)


def unknown_model(model: str) -> Reply:
    """What OpenAI says about a model that it does not have."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return failure("openai", 404, "model_not_found", message)


def context_exceeded(deployment: Deployment, tokens: int) -> Reply:
    """What the provider says to a conversation that does not fit."""
    most = deployment.context_window
    match family_of(deployment):
        case "anthropic":
            message = f"prompt is too long: {tokens} tokens > {most} maximum"
        case "gemini":
            message = (
                f"The input token count ({tokens}) exceeds the maximum number of "
                f"tokens allowed ({most})."
            )
        case _:
            message = (
                f"This model's maximum context length is {most} tokens. However, "
                f"your messages resulted in {tokens} tokens. Please reduce the "
                "length of the messages."
            )
    return failure(family_of(deployment), 400, "context_length_exceeded", message)


def broken_response(
    fault: Fault, completion: Completion, talk: Conversation, headers: Mapping[str, str]
) -> ASGIApp:
    """The answer to a call that was served, but does not arrive as it should."""
    if fault is Fault.TIMEOUT:
        return hang
    if fault is Fault.RESET:
        return reset
    whole = json.dumps(completion.body()).encode()
    chunks = [event(c) for c in completion.chunks(include_usage=talk.include_usage)]
    kind = "text/event-stream" if talk.stream else "application/json"
    match fault:
        case Fault.HTML:
            page = "<html><body><h1>Welcome</h1>Please sign in.</body></html>"
            return HTMLResponse(page, headers=dict(headers))
        case Fault.BROKEN_STREAM:
            sent = b"".join(chunks[:3]) if talk.stream else whole[: len(whole) // 2]
            return _cut(sent, kind, headers)
        case Fault.MALFORMED:
            cut = chunks[1][: len(chunks[1]) // 2] if talk.stream else whole[:-20]
            body = chunks[0] + cut + b"\n\n" if talk.stream else cut
            return Response(body, media_type=kind, headers=dict(headers))
    frame = dict(completion.body() if not talk.stream else _frame(completion))
    match fault:
        case Fault.NO_CHOICES:
            frame["choices"] = []
            opening: Iterable[bytes] = ()
        case Fault.EMPTY:
            frame["choices"] = [_choice(talk, "stop")]
            opening = chunks[:1]
        case _:
            frame |= {"choices": [_choice(talk, "error")], "error": _UPSTREAM}
            opening = chunks[:3] if fault is Fault.ERROR_IN_STREAM else ()
    if not talk.stream:
        return JSONResponse(frame, headers=dict(headers))
    told = fault is Fault.EMPTY and talk.include_usage
    closing = [chunks[-1], DONE] if told else [DONE]
    body = b"".join([*opening, event(frame), *closing])
    return Response(body, media_type=kind, headers=dict(headers))


_UPSTREAM = {
    "code": 502,
    "message": "Provider returned error",
    "metadata": {"error_type": "provider_unavailable", "provider_name": "Emulated"},
}


def _frame(completion: Completion) -> Mapping[str, object]:
    return next(completion.chunks(include_usage=False))


def _choice(talk: Conversation, finish: str) -> Mapping[str, object]:
    said = {"role": "assistant", "content": ""}
    key = "delta" if talk.stream else "message"
    return {"index": 0, key: said, "finish_reason": finish}


def _cut(sent: bytes, kind: str, headers: Mapping[str, str]) -> ASGIApp:
    """A body that promises more than it holds, and then the connection closes."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        named = {"content-type": kind, "content-length": str(len(sent) + 500)}
        raw = [(k.encode(), v.encode()) for k, v in {**headers, **named}.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": sent, "more_body": True})
        # The server closes the connection of an answer that was not completed.

    return respond


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
