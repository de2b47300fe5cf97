"""An answer is whole or it is a failure: every family, over HTTP, in both ways."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from building import deployment, provider
from crew.errors import (
    BadAnswer,
    ContentRefused,
    ContextTooLong,
    CutOff,
    Overloaded,
    ProviderError,
    RateLimited,
    Unsupported,
)
from crew.providers.answer import Answer
from crew.providers.answer_end import ENDINGS, Ending
from crew.providers.prompt import Prompt
from crew.providers.transport import acomplete, complete
from crew.quota.reported import ReportedUsage
from protocols import NUMBERS, PROTOCOLS, STREAM_TYPES, Call, answer
from scripted import Scripted, serving

TOOL = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
        },
    },
}
PROMPT = Prompt(messages=[{"role": "user", "content": "Say hello."}], tools=[TOOL])
CLASSES: dict[Ending, type[ProviderError]] = {
    Ending.CUT_OFF: CutOff,
    Ending.REFUSED: ContentRefused,
    Ending.TOO_LONG: ContextTooLong,
    Ending.UNSUPPORTED: Unsupported,
    Ending.OVERLOADED: Overloaded,
    Ending.BROKEN: BadAnswer,
}
FAMILY = pytest.mark.parametrize("family", PROTOCOLS)
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
AWAITED = pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
FAILING = [
    (family, word, CLASSES[ending])
    for family, protocol in PROTOCOLS.items()
    for word, ending in ENDINGS[protocol].items()
    if ending is not Ending.WHOLE
    # One family of each protocol for what the table holds; the others for one word.
    if family in ("openai", "anthropic", "gemini", "ollama_chat") or word == "length"
]


@pytest.fixture(scope="module")
def provider_server() -> Iterator[Scripted]:
    with serving() as running:
        yield running


@pytest.fixture
def server(provider_server: Scripted) -> Scripted:
    provider_server.headers = {}
    provider_server.cuts = ()
    return provider_server


def ask(
    server: Scripted,
    family: str,
    body: bytes,
    *,
    stream: bool,
    awaited: bool = False,
    prompt: Prompt = PROMPT,
    cuts: Sequence[int] = (),
) -> tuple[Answer, str]:
    """The answer, and the text that came in parts."""
    if stream:
        kind = STREAM_TYPES.get(PROTOCOLS[family], "text/event-stream")
        server.headers = {"content-type": kind}
    server.canned, server.cuts = (200, body), tuple(cuts)
    asked = deployment("m", provider("p", base_url=server.url), model=f"{family}/m")
    parts: list[str] = []

    def keep(chunk: Any) -> None:
        if chunk.choices:
            parts.append(chunk.choices[0].delta.content or "")

    on_chunk = keep if stream else None
    if awaited:
        found = asyncio.run(acomplete(asked, prompt, on_chunk))
    else:
        found = complete(asked, prompt, on_chunk)
    return found, "".join(parts)


@AWAITED
@STREAM
@FAMILY
def test_a_whole_answer_arrives(
    server: Scripted, family: str, stream: bool, awaited: bool
) -> None:
    body = answer(PROTOCOLS[family], "hello there", streamed=stream)

    found, streamed = ask(server, family, body, stream=stream, awaited=awaited)

    assert found.text == "hello there"
    assert found.charged == ReportedUsage(input_tokens=9, output_tokens=5)
    assert streamed == ("hello there" if stream else "")


@STREAM
@pytest.mark.parametrize(("family", "word", "kind"), FAILING)
def test_an_end_that_is_not_whole_is_a_failure_of_its_class(
    server: Scripted, family: str, word: str, kind: type[ProviderError], stream: bool
) -> None:
    body = answer(PROTOCOLS[family], "The first step", word=word, streamed=stream)

    with pytest.raises(kind) as caught:
        ask(server, family, body, stream=stream)

    assert type(caught.value) is kind


@AWAITED
@STREAM
@FAMILY
def test_an_unknown_end_is_a_failure(
    server: Scripted, family: str, stream: bool, awaited: bool
) -> None:
    body = answer(PROTOCOLS[family], word="tired_today", streamed=stream)

    with pytest.raises(BadAnswer, match="tired_today"):
        ask(server, family, body, stream=stream, awaited=awaited)


@AWAITED
@FAMILY
def test_a_stream_that_stops_without_its_end_is_a_failure(
    server: Scripted, family: str, awaited: bool
) -> None:
    body = answer(PROTOCOLS[family], "half of it", streamed=True, done=False)
    if PROTOCOLS[family] == "chat_completions":
        assert b'finish_reason": "' not in body

    with pytest.raises(BadAnswer):
        ask(server, family, body, stream=True, awaited=awaited)


@STREAM
@FAMILY
def test_a_call_that_was_cut_off_is_not_handed_on(
    server: Scripted, family: str, stream: bool
) -> None:
    protocol = PROTOCOLS[family]
    sends_text = protocol == "chat_completions" or (protocol == "messages" and stream)
    cut = '{"path": "big.py", "text": "line 1\\nli' if sends_text else "{}"
    word = {"messages": "max_tokens", "generate_content": "MAX_TOKENS"}
    body = answer(
        protocol,
        word=word.get(protocol, "length"),
        streamed=stream,
        calls=[("write_file", cut)],
    )

    with pytest.raises(CutOff):
        ask(server, family, body, stream=stream)


@pytest.mark.parametrize(
    "arguments", ['{"path": "a', '["a"]', '"a"', '{"a": 1}{"b": 2}']
)
@STREAM
@pytest.mark.parametrize("family", ["openai", "groq", "mistral", "openrouter"])
def test_arguments_that_are_no_object_are_a_failure(
    server: Scripted, family: str, stream: bool, arguments: str
) -> None:
    calls = [("write_file", arguments)]
    body = answer(PROTOCOLS[family], "", streamed=stream, calls=calls)

    with pytest.raises(BadAnswer, match="write_file"):
        ask(server, family, body, stream=stream)


CALLS: list[Call] = [
    ("write_file", '{"path": "a.py", "text": "1"}'),
    ("write_file", '{"path": "b.py", "text": "2"}'),
    ("write_file", '{"path": "c.py", "text": "3"}'),
]


@pytest.mark.parametrize(
    "indexes", [(0, 1, 2), (0, 0, 0), (1, 2, 3), (7, 3, 5), (0, 0, 1)]
)
@pytest.mark.parametrize(
    "family", [f for f, p in PROTOCOLS.items() if p == "chat_completions"]
)
def test_parallel_calls_of_a_stream_arrive_as_they_were_sent(
    server: Scripted, family: str, indexes: tuple[int, ...]
) -> None:
    body = answer(PROTOCOLS[family], "", streamed=True, calls=CALLS, indexes=indexes)

    found, _ = ask(server, family, body, stream=True)

    assert [
        (call.function.name, json.loads(call.function.arguments))
        for call in found.tool_calls
    ] == [(name, json.loads(arguments)) for name, arguments in CALLS]


@STREAM
@FAMILY
def test_parallel_calls_arrive(server: Scripted, family: str, stream: bool) -> None:
    body = answer(PROTOCOLS[family], "", streamed=stream, calls=CALLS)

    found, _ = ask(server, family, body, stream=stream)

    assert [
        json.loads(call.function.arguments)["path"] for call in found.tool_calls
    ] == [
        "a.py",
        "b.py",
        "c.py",
    ]
    assert len({call.id for call in found.tool_calls}) == 3


BAD_NUMBERS = [-5, None, 10**15, float("nan"), "many", "5", True, [3], {"a": 1}, 1.5]


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=repr)
@STREAM
@FAMILY
def test_numbers_that_cannot_be_are_no_numbers(
    server: Scripted, family: str, stream: bool, number: object
) -> None:
    protocol = PROTOCOLS[family]
    output = list(NUMBERS[protocol])[1]
    usage = {**NUMBERS[protocol], output: number}
    body = answer(protocol, "hello", streamed=stream, usage=usage)

    try:
        found, _ = ask(server, family, body, stream=stream)
    except BadAnswer:
        return  # litellm refuses some; the attempt then counts as its estimate

    assert found.text == "hello"
    assert found.charged is None or found.charged.output_tokens == 5


@STREAM
@pytest.mark.parametrize("family", ["openai", "groq", "openrouter", "mistral"])
def test_a_refusal_in_place_of_the_text_is_one(
    server: Scripted, family: str, stream: bool
) -> None:
    part = {"role": "assistant", "content": None, "refusal": "I cannot help."}
    choice = {"index": 0, "delta" if stream else "message": part}
    whole = {"id": "1", "created": 1, "model": "m", "service_tier": "default"}
    body = json.dumps({**whole, "choices": [{**choice, "finish_reason": "stop"}]})
    sent = f"data: {body}\n\ndata: [DONE]\n\n" if stream else body

    with pytest.raises(ContentRefused):
        ask(server, family, sent.encode(), stream=stream)


@STREAM
def test_a_prompt_that_gemini_blocks_is_refused(server: Scripted, stream: bool) -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    numbers = {"usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}
    event = {**blocked, **numbers, "modelVersion": "m"}
    body = f"data: {json.dumps(event)}\n\n" if stream else json.dumps(event)

    with pytest.raises(ContentRefused):
        ask(server, "gemini", body.encode(), stream=stream)


IN_A_STREAM = [
    ("anthropic", {"type": "overloaded_error", "message": "Overloaded"}, Overloaded),
    ("anthropic", {"type": "rate_limit_error", "message": "slow"}, RateLimited),
    ("openai", {"code": "server_is_overloaded", "message": "Our servers"}, Overloaded),
    ("openai", {"code": "rate_limit_exceeded", "message": "slow"}, RateLimited),
    ("groq", {"code": 503, "message": "over capacity"}, Overloaded),
    ("openrouter", {"code": 502, "message": "Provider disconnected"}, Overloaded),
    ("deepseek", {"code": "something_new", "message": "odd"}, BadAnswer),
    ("ollama_chat", "an error was encountered while running the model", BadAnswer),
]


@AWAITED
@pytest.mark.parametrize(("family", "error", "kind"), IN_A_STREAM)
def test_an_error_within_a_stream_keeps_its_class(
    server: Scripted,
    family: str,
    error: object,
    kind: type[ProviderError],
    awaited: bool,
) -> None:
    protocol = PROTOCOLS[family]
    begun = answer(protocol, "The first step", streamed=True, done=False, word=None)
    event = json.dumps({"type": "error", "error": error})
    ndjson = protocol == "api_chat"
    body = begun + (event if ndjson else f"event: error\ndata: {event}\n\n").encode()

    with pytest.raises(kind):
        ask(server, family, body, stream=True, awaited=awaited)


SEPARATORS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
TEXTS = st.text(
    st.sampled_from(SEPARATORS + 'aé\\"€😀{}\n\r\t'), min_size=1, max_size=40
)


@FAMILY
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=TEXTS, cuts=st.lists(st.integers(1, 700), max_size=12))
def test_no_letter_of_a_stream_is_lost(
    server: Scripted, family: str, text: str, cuts: list[int]
) -> None:
    text = f"a{text}b"  # some families strip the ends
    body = answer(PROTOCOLS[family], text, streamed=True)

    found, streamed = ask(server, family, body, stream=True, cuts=cuts)

    assert found.text == text
    assert streamed == text
