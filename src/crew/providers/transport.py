"""One call to one deployment through litellm: exactly one attempt, no fallbacks.

Whatever litellm raises leaves here as one class of our own error tree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import litellm

from crew.providers.answer import Answer
from crew.providers.caching import marked
from crew.providers.completeness import check_whole
from crew.providers.destination import address, key, model
from crew.providers.durations import moment_of
from crew.providers.exchange import Exchange, OnSent
from crew.providers.failures import disguised, mapped, unwrapped
from crew.providers.litellm_setup import handed, handed_async
from crew.providers.parameters import own_parameters
from crew.providers.prompt import (
    Prompt,
    outgoing,
    output_bound,
)
from crew.providers.reasoning import streamed
from crew.providers.signals import reported_by_headers
from crew.providers.tool_calls import number_calls
from crew.providers.usage import Numbers, counted
from crew.settings import Deployment

OnChunk = Callable[[Any], None]
"""Called with each chunk of a streamed answer, as litellm gives it."""


def complete(
    deployment: Deployment,
    prompt: Prompt,
    on_chunk: OnChunk | None = None,
    *,
    now: float | None = None,
    on_sent: OnSent = lambda: None,
) -> Answer:
    """Make the call; with `on_chunk` it is streamed. Raises ProviderError.

    `now` is the time of the caller's clock, in seconds since the epoch: providers give
    some resets as moments. Without it the answer's own date is taken. `on_sent` is
    called when the request leaves.
    """
    exchange = Exchange(_seconds(deployment), on_sent)
    try:
        arguments = _arguments(deployment, prompt, stream=on_chunk is not None)
        with exchange:
            own = handed(deployment, exchange, arguments)
            response = litellm.completion(**arguments, **own)
            if on_chunk is None:
                return _answer(deployment, prompt, response, exchange, now=now)
            chunks = []
            for chunk in response:
                chunks.append(_checked(deployment, chunk, now))
                if _holds_a_part(chunk):
                    exchange.renew()
                with exchange.paused():
                    on_chunk(chunk)
            return _joined(deployment, prompt, chunks, response, exchange, now=now)
    except Exception as exc:  # litellm lets the classes of five libraries through
        raise mapped(deployment, exc, now, exchange) from exc


async def acomplete(
    deployment: Deployment,
    prompt: Prompt,
    on_chunk: OnChunk | None = None,
    *,
    now: float | None = None,
    on_sent: OnSent = lambda: None,
) -> Answer:
    """As `complete`, without blocking the event loop. Raises ProviderError."""
    exchange = Exchange(_seconds(deployment), on_sent)
    try:
        arguments = _arguments(deployment, prompt, stream=on_chunk is not None)
        async with exchange:
            own = handed_async(deployment, exchange, arguments)
            response = await litellm.acompletion(**arguments, **own)
            if on_chunk is None:
                return _answer(deployment, prompt, response, exchange, now=now)
            chunks = []
            async for chunk in response:
                chunks.append(_checked(deployment, chunk, now))
                if _holds_a_part(chunk):
                    exchange.renew()
                with exchange.paused():
                    on_chunk(chunk)
            return _joined(deployment, prompt, chunks, response, exchange, now=now)
    except Exception as exc:  # as above
        raise mapped(deployment, exc, now, exchange) from exc


def _seconds(deployment: Deployment) -> float:
    return deployment.timeout or deployment.provider.timeout


def _arguments(
    deployment: Deployment, prompt: Prompt, *, stream: bool
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": model(deployment),
        **marked(deployment, outgoing(deployment, prompt), prompt.tools),
        "api_key": key(deployment),
        "api_base": address(deployment),
        "extra_headers": dict(deployment.provider.headers) or None,
        "timeout": _seconds(deployment),
        # One lease stands for one attempt: the openai SDK alone would make three.
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,
        **prompt.parameters,
        **output_bound(deployment, prompt),
        **own_parameters(deployment),
    }
    if prompt.stop:
        arguments["stop"] = list(prompt.stop)
    if prompt.tools:
        # litellm 1.103 and later import mcp 2 here, which crewai excludes.
        arguments["_skip_mcp_handler"] = True
    if prompt.response_format is not None:
        arguments["response_format"] = prompt.response_format
    if stream:
        arguments["stream"] = True
        arguments["stream_options"] = {"include_usage": True}
    return {name: value for name, value in arguments.items() if value is not None}


def _checked(deployment: Deployment, chunk: Any, now: float | None) -> Any:
    """A chunk, unless it is an error in disguise."""
    if error := getattr(chunk, "error", None):
        raise disguised(deployment, error, now)
    return chunk


def _holds_a_part(chunk: Any) -> bool:
    """Whether a chunk holds a part of the answer: Anthropic sends pings, too."""
    if not chunk.choices:
        return False
    delta = chunk.choices[0].delta
    parts = ("content", "tool_calls", "reasoning_content", "thinking_blocks")
    return any(getattr(delta, name, None) for name in parts)


def _joined(
    deployment: Deployment,
    prompt: Prompt,
    chunks: list[Any],
    stream: Any,
    exchange: Exchange,
    *,
    now: float | None,
) -> Answer:
    # Without the provider's numbers litellm makes up its own, in a chunk that it adds.
    received = getattr(stream, "chunks", chunks)
    reported = any(getattr(chunk, "usage", None) for chunk in received)
    number_calls(chunks)
    whole: Any = _Nothing()
    if any(chunk.choices for chunk in chunks):
        whole = litellm.stream_chunk_builder(chunks, messages=list(prompt.messages))
    headers = _headers(stream, exchange)
    answer = _answer(
        deployment, prompt, whole, exchange, reported=reported, headers=headers, now=now
    )
    return replace(answer, reasoning={**answer.reasoning, **streamed(chunks)})


@dataclass(frozen=True, slots=True)
class _Nothing:
    """A stream that brought no part of an answer."""

    choices: tuple[()] = ()


def _answer(
    deployment: Deployment,
    prompt: Prompt,
    response: Any,
    exchange: Exchange,
    *,
    now: float | None,
    reported: bool = True,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    if error := getattr(response, "error", None):
        raise disguised(deployment, error, now)
    headers = _headers(response, exchange) if headers is None else headers
    at = moment_of(headers) if now is None else now
    numbers = exchange.usage or (_by_litellm(response) if reported else None)
    charged = counted(numbers, deployment.family)
    answer = Answer(
        text="",
        tool_calls=(),
        finish_reason=None,
        id=getattr(response, "id", None),
        model=getattr(response, "model", None),
        usage=getattr(response, "usage", None) if charged else None,
        charged=charged,
        headers=headers,
        reported=reported_by_headers(deployment.family, headers, now=at),
    )
    if response.choices:
        answer = _with_choice(answer, response.choices[0])
    if exchange.end is not None and exchange.end.error:
        raise disguised(deployment, exchange.end.error, now)
    asked_most = prompt.parameters.get("max_tokens")
    check_whole(deployment, answer, exchange.end, asked_most)
    return answer


def _with_choice(answer: Answer, choice: Any) -> Answer:
    message = choice.message
    return replace(
        answer,
        text=message.content or "",
        tool_calls=tuple(message.tool_calls or ()),
        finish_reason=choice.finish_reason,
        reasoning=_reasoning(message),
    )


def _by_litellm(response: Any) -> Numbers | None:
    """The numbers as litellm gives them, where the provider's cannot be seen."""
    usage = getattr(response, "usage", None)
    return usage.model_dump(warnings=False) if usage is not None else None


def _reasoning(message: Any) -> Mapping[str, Any]:
    own = getattr(message, "provider_specific_fields", None) or {}
    text = getattr(message, "reasoning_content", None)
    found = {
        "thinking_blocks": getattr(message, "thinking_blocks", None),
        "reasoning_details": own.get("reasoning_details"),
        "reasoning_content": text,
        "reasoning": text,
    }
    return {name: value for name, value in found.items() if value}


def _headers(response: Any, exchange: Exchange) -> Mapping[str, str]:
    hidden = getattr(response, "_hidden_params", None) or {}
    own = exchange.response.headers if exchange.response is not None else {}
    found = hidden.get("additional_headers") or own
    return unwrapped({str(name): str(value) for name, value in found.items()})
