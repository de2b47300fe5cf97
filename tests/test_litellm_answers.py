"""What providers answer, read through litellm on real HTTP."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from building import deployment, provider
from crew.errors import BadAnswer, BadKey, ProviderError, RateLimited
from crew.providers.exchange import MOST_BYTES
from crew.providers.prompt import Prompt
from crew.providers.transport import OnChunk, acomplete, complete
from crew.quota.reported import ReportedUsage
from crew.settings import Deployment
from families import REFUSALS, anthropic, gemini, groq, openai, openrouter
from families.captured import NOW, TO_MIDNIGHT_UTC, Case, openai_error
from scripted import Scripted, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


def at(server: Scripted, model: str) -> Deployment:
    """A deployment that the server serves."""
    family = model.partition("/")[0]
    plain = family in ("anthropic", "gemini")
    url = server.url.removesuffix("/v1") if plain else server.url
    return deployment("slot", provider(family, base_url=url), model=model)


def says(
    server: Scripted, status: int, headers: dict[str, str], body: str | bytes
) -> None:
    """Let the server answer so from now on."""
    text = body if isinstance(body, bytes) else body.encode()
    stream = text.startswith(b"data:")
    kind = "text/event-stream" if stream else "application/json"
    server.headers = {"content-type": kind, **headers}
    server.canned = status, text


PROMPTED = Prompt(messages=[{"role": "user", "content": "Say hello."}])


def _ignore(chunk: object) -> None:
    """A listener that does not listen."""


STREAM = pytest.mark.parametrize("on_chunk", [None, _ignore], ids=["whole", "stream"])


def caught(at: Deployment, on_chunk: OnChunk | None, now: float | None = NOW) -> Any:
    with pytest.raises(ProviderError) as failed:
        complete(at, PROMPTED, on_chunk, now=now)
    return failed.value


def read(error: ProviderError) -> tuple[object, ...]:
    return type(error), error.retry_after, error.reported, error.never, error.raw


ONE_OF_EACH = {(case.family, case.kind): case for case in reversed(REFUSALS)}.values()


@STREAM
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda c: f"{c.family}: {c.name}")
def test_litellm_passes_on_what_the_provider_said(
    server: Scripted, case: Case, on_chunk: OnChunk | None
) -> None:
    says(server, case.status, case.headers, case.text())

    error = caught(at(server, f"{case.family}/some-model"), on_chunk)

    assert read(error) == read(case.error())


@STREAM
async def test_litellm_passes_it_on_to_those_who_wait_together(
    server: Scripted, on_chunk: OnChunk | None
) -> None:
    for family in (gemini, openai, groq, anthropic, openrouter):
        case = family.REFUSALS[0]
        says(server, case.status, case.headers, case.text())
        with pytest.raises(ProviderError) as failed:
            await acomplete(
                at(server, f"{case.family}/some-model"), PROMPTED, on_chunk, now=NOW
            )

        assert read(failed.value) == read(case.error())


@STREAM
def test_the_date_of_the_answer_stands_in_for_a_clock(
    server: Scripted, on_chunk: OnChunk | None
) -> None:
    says(server, 429, {}, gemini.REFUSALS[0].text())

    error = caught(at(server, "gemini/some-model"), on_chunk, now=None)

    assert 0 < error.retry_after <= 25 * 3_600


CHOICE = {"index": 0, "finish_reason": "stop"}


SAID = {"role": "assistant", "content": "hello"}


FRAME = {"id": "c1", "created": 1, "model": "some-model"}


WHOLE = {
    **FRAME,
    "object": "chat.completion",
    "choices": [CHOICE | {"message": SAID}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


CHUNK = {
    **FRAME,
    "object": "chat.completion.chunk",
    "choices": [CHOICE | {"delta": SAID}],
}


def sse(*frames: object) -> str:
    lines = [f"data: {json.dumps(frame)}\n\n" for frame in frames]
    return "".join([*lines, "data: [DONE]\n\n"])


@STREAM
def test_an_answer_tells_the_limits_too(
    server: Scripted, on_chunk: OnChunk | None
) -> None:
    case = openai.HEADERS[0]
    body = json.dumps(WHOLE) if on_chunk is None else sse(CHUNK)
    says(server, 200, case.headers, body)

    answer = complete(at(server, "openai/some-model"), PROMPTED, on_chunk, now=NOW)

    assert answer.text == "hello"
    assert answer.reported == case.limits


def test_an_answer_of_no_use_tells_the_limits_too(server: Scripted) -> None:
    case = openai.HEADERS[0]
    empty = {**WHOLE, "choices": [CHOICE | {"message": SAID | {"content": ""}}]}
    says(server, 200, case.headers, json.dumps(empty))

    error = caught(at(server, "openai/some-model"), None)

    assert isinstance(error, BadAnswer)
    took = ReportedUsage(input_tokens=3, output_tokens=1)
    assert (error.reported, error.charged) == (case.limits, took)


@STREAM
@pytest.mark.parametrize("family", ["openai", "anthropic", "gemini", "groq"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed_with_the_key(
    server: Scripted, status: int, family: str, on_chunk: OnChunk | None
) -> None:
    with serving() as other:
        says(server, status, {"location": other.url}, "{}")

        error = caught(at(server, f"{family}/some-model"), on_chunk)

        assert type(error) is BadAnswer
        assert "it redirects" in str(error)
        assert other.posted == other.asked == []


@STREAM
def test_a_key_that_cannot_be_sent_is_a_bad_key(
    server: Scripted, on_chunk: OnChunk | None
) -> None:
    good = at(server, "anthropic/some-model")
    broken = replace(good, provider=replace(good.provider, api_key="sk-one\ntwo"))

    error = caught(broken, on_chunk)

    assert type(error) is BadKey
    assert "sk-" not in str(error)


FAILED_ENDS = [
    ("openrouter", {**CHOICE, "finish_reason": "error", "error": {"code": 502}}),
    ("groq", {**CHOICE, "finish_reason": "error"}),
]


@STREAM
@pytest.mark.parametrize(("family", "choice"), FAILED_ENDS)
def test_an_answer_that_ends_in_an_error_is_none(
    server: Scripted, family: str, choice: dict[str, object], on_chunk: OnChunk | None
) -> None:
    if on_chunk is None:
        whole = {**WHOLE, "choices": [{**choice, "message": SAID}]}
        body = json.dumps({**whole, "service_tier": "on_demand"})
    else:
        end = {**FRAME, "choices": [{**choice, "delta": {}}]}
        body = sse(CHUNK | {"choices": [{"index": 0, "delta": SAID}]}, end)
    says(server, 200, {}, body)

    assert type(caught(at(server, f"{family}/some-model"), on_chunk)) is BadAnswer


def test_a_stream_of_gemini_that_comes_packed_is_an_answer(server: Scripted) -> None:
    """We ask for it unpacked; a gateway may not care."""
    content = {"role": "model", "parts": [{"text": "whole"}]}
    end = {"content": content, "index": 0, "finishReason": "STOP"}
    frames = sse({"candidates": [end], "responseId": "r1"})
    body = gzip.compress(frames.replace("data: [DONE]\n\n", "").encode())
    named = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    says(server, 200, named, body)

    answer = complete(at(server, "gemini/some-model"), PROMPTED, _ignore, now=NOW)

    assert answer.text == "whole"
    assert server.posted[-1][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("reason", [None, "MALFORMED_FUNCTION_CALL"])
def test_a_stream_of_gemini_without_a_good_end_is_no_answer(
    server: Scripted, reason: str | None
) -> None:
    content = {"role": "model", "parts": [{"text": "half"}]}
    candidate = {"content": content, "index": 0}
    frames = [{"candidates": [candidate], "responseId": "r1"}]
    if reason is not None:
        last = {"content": {"parts": []}, "finishReason": reason}
        frames.append({"candidates": [last], "responseId": "r1"})
    says(server, 200, {}, sse(*frames).replace("data: [DONE]\n\n", ""))

    assert type(caught(at(server, "gemini/some-model"), _ignore)) is BadAnswer


@STREAM
@pytest.mark.parametrize("family", ["openai", "anthropic", "gemini", "groq"])
def test_of_a_huge_failure_the_beginning_is_read(
    server: Scripted, family: str, on_chunk: OnChunk | None
) -> None:
    body = json.dumps(openai_error("Rate limit reached", None, "rate_limit_exceeded"))
    says(server, 429, {"retry-after": "7"}, body + " " * MOST_BYTES)

    error = caught(at(server, f"{family}/some-model"), on_chunk)

    assert type(error) is RateLimited
    assert error.retry_after == 7.0


@STREAM
@pytest.mark.parametrize("family", ["openai", "anthropic", "gemini", "groq"])
def test_an_answer_without_end_is_none(
    server: Scripted, family: str, on_chunk: OnChunk | None
) -> None:
    start = ": " if on_chunk is None else "data: "
    says(server, 200, {}, start + "x" * (MOST_BYTES + 1_000_000))

    assert type(caught(at(server, f"{family}/some-model"), on_chunk)) is BadAnswer


@STREAM
def test_a_limit_inside_a_200_is_a_limit(
    server: Scripted, on_chunk: OnChunk | None
) -> None:
    body = openrouter.REFUSALS[0].body
    assert isinstance(body, dict)
    frame = {"choices": [CHOICE | {"finish_reason": "error", "delta": {}}], **body}
    whole = json.dumps(body) if on_chunk is None else sse(FRAME | frame)
    says(server, 200, {}, whole)

    error = caught(at(server, "openrouter/some-model"), on_chunk)

    assert isinstance(error, RateLimited)
    assert error.retry_after == TO_MIDNIGHT_UTC
