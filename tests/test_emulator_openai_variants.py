"""How the providers' chat completions differ from OpenAI's."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from crew.clock import ManualClock
from test_emulator_kit import HELLO, Desk, in_process, make_settings

TOOL = {"type": "function", "function": {"name": "write_file", "description": "W."}}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
BODY = {"model": "slot", "messages": HELLO}


async def stream(provider: str, **more: object) -> tuple[str, list[dict[str, Any]]]:
    """The text of a stream, and its chunks."""
    async with in_process(make_settings(provider)) as desk:
        text = (await desk.ask(stream=True, **more)).text
    lines = [line for line in text.split("\n\n") if line.startswith("data: {")]
    return text, [json.loads(line[6:]) for line in lines]


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("openrouter", "/api/v1"),
        ("groq", "/openai/v1"),
        ("deepseek", "/beta"),
        ("deepseek", ""),
    ],
)
async def test_door_is_at_the_path_of_the_real_host(provider: str, path: str) -> None:
    async with in_process(make_settings(provider)) as desk:
        answer = await desk.client.post(
            f"/{provider}{path}/chat/completions", json=BODY
        )
        models = await desk.client.get(f"/{provider}{path}/models")

    assert answer.status_code == models.status_code == 200


@pytest.mark.parametrize(
    ("provider", "comment"),
    [("deepseek", ": keep-alive"), ("openrouter", ": OPENROUTER PROCESSING")],
)
async def test_stream_begins_with_filler(provider: str, comment: str) -> None:
    text, chunks = await stream(provider)

    assert text.startswith(f"{comment}\n\n")
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_deepseek_sends_empty_lines_until_the_answer_is_made() -> None:
    class Held(ManualClock):
        async def asleep(self, seconds: float) -> None:
            thinking.set()

    thinking = asyncio.Event()
    async with in_process(make_settings("deepseek"), Held(), latency=1.0) as desk:
        answer = await desk.ask()

    assert thinking.is_set()
    assert answer.text.startswith("\n\n{")
    assert answer.json()["choices"][0]["message"]["reasoning_content"]


async def test_deepseek_thinks_aloud_in_a_stream_too() -> None:
    _, chunks = await stream("deepseek")

    assert chunks[0]["choices"][0]["delta"]["reasoning_content"]


WITHOUT = "must be passed back"
UNKNOWN = "is unsupported"


@pytest.mark.parametrize(
    ("provider", "model", "fields", "refused"),
    [
        ("deepseek", "v4", [], WITHOUT),
        ("deepseek", "v4", ["reasoning"], WITHOUT),
        ("deepseek", "v4", ["reasoning_content"], ""),
        ("openrouter", "deepseek/v4", [], WITHOUT),
        ("openrouter", "deepseek/v4", ["reasoning_details"], ""),
        ("openrouter", "z-ai/glm", [], ""),
        ("openrouter", "z-ai/glm", ["reasoning_details"], ""),
        ("groq", "gpt-oss", [], ""),
        ("groq", "gpt-oss", ["reasoning_content"], UNKNOWN),
        ("openai", "gpt", ["reasoning_content"], UNKNOWN),
    ],
)
async def test_thoughts_before_a_call_are_wanted_back_or_unknown(
    provider: str, model: str, fields: list[str], refused: str
) -> None:
    deployments = [{"name": "slot", "model": f"{provider}/{model}"}]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    said: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
    said |= {name: "Hm." for name in fields}
    result = {"role": "tool", "tool_call_id": "c1", "content": "done"}
    async with in_process(make_settings(provider, deployments=deployments)) as desk:
        answer = await desk.ask(messages=[*HELLO, said, result])
        seen = (await desk.client.get("/_control/requests")).json()

    assert answer.status_code == (400 if refused else 200)
    assert refused in answer.text
    assert seen[0]["thoughts"] == [fields]


@pytest.mark.parametrize(("provider", "status"), [("mistral", 400), ("groq", 200)])
async def test_mistral_wants_an_answer_between_a_tool_and_the_user(
    provider: str, status: int
) -> None:
    function = {"name": "f", "arguments": "{}"}
    call = {"id": "123456789", "type": "function", "function": function}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "123456789", "content": "done"},
        *HELLO,
    ]
    async with in_process(make_settings(provider)) as desk:
        answer = await desk.ask(messages=messages)

    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "3230"


@pytest.mark.parametrize("provider", ["mistral", "together_ai"])
@pytest.mark.parametrize("asked", [True, False])
async def test_usage_comes_with_the_end(provider: str, asked: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if asked else {}
    _, chunks = await stream(provider, **options)

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"] == USAGE
    assert not any("usage" in chunk for chunk in chunks[:-1])


async def test_groq_tells_the_usage_in_a_field_of_its_own() -> None:
    _, chunks = await stream("groq")

    assert chunks[-1]["x_groq"]["usage"] == USAGE


async def test_mistral_streams_a_call_in_one_piece() -> None:
    _, chunks = await stream("mistral", tools=[TOOL])

    calls = [c["choices"][0]["delta"].get("tool_calls") for c in chunks]
    [[call]] = [found for found in calls if found]
    assert json.loads(call["function"]["arguments"])["path"]
    assert len(call["id"]) == 9


async def test_image_is_taken_as_a_plain_address() -> None:
    part = {"type": "image_url", "image_url": "https://example.org/a.png"}
    async with in_process(make_settings("mistral")) as desk:
        said = await desk.ask(messages=[{"role": "user", "content": [part]}])

    assert "an image given by its address" in said.text


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", "write_file"),
        ("none", None),
        ({"type": "function", "function": {"name": "other"}}, "other"),
    ],
)
async def test_tool_choice_decides(choice: object, called: str | None) -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {}}}
    async with in_process(make_settings()) as desk:
        answer = await desk.ask(tools=[TOOL, other], tool_choice=choice)

    calls = answer.json()["choices"][0]["message"].get("tool_calls") or [None]
    assert (calls[0] and calls[0]["function"]["name"]) == called


async def refused(provider: str, *limits: str, **more: Any) -> httpx.Response:
    async with in_process(make_settings(provider, *limits, **more)) as desk:
        await desk.ask()
        return await desk.ask()


async def test_together_tells_what_one_second_allows() -> None:
    answer = await refused("together_ai", "1800 requests/minute", "60 tokens/minute")

    assert answer.headers["x-ratelimit-limit"] == "30"
    assert answer.headers["x-ratelimit-remaining-dynamic"] == "30"
    assert answer.headers["x-tokenlimit-limit"] == "1"


async def test_groq_says_too_large_with_a_status_of_its_own() -> None:
    async with in_process(make_settings("groq", "2 tokens/minute refilling")) as desk:
        answer = await desk.ask()

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


async def capacity(desk: Desk) -> httpx.Response:
    await desk.order("capacity")
    return await desk.ask()


@pytest.mark.parametrize(
    ("provider", "status", "words"),
    [
        ("openai", 503, "server_is_overloaded"),
        ("mistral", 429, '"3505"'),
        ("openrouter", 429, "Provider returned error"),
        ("deepseek", 503, "Server Overloaded"),
        ("together_ai", 503, "server_is_overloaded"),
    ],
)
async def test_full_provider_says_so_in_its_own_words(
    provider: str, status: int, words: str
) -> None:
    async with in_process(make_settings(provider)) as desk:
        answer = await capacity(desk)
        after = await desk.ask()

    assert (answer.status_code, after.status_code) == (status, 200)
    assert words in answer.text
    assert "free-models" not in answer.text


async def test_request_has_an_id() -> None:
    async with in_process(make_settings()) as desk:
        first, second = await desk.ask(), await desk.ask("gone")

    ids = [answer.headers["x-request-id"] for answer in (first, second)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("provider", "id", "status"),
    [
        ("mistral", "call_1", 400),
        ("mistral", "a1B2c3D4e", 200),
        ("openai", "c" * 41, 400),
        ("openai", "c" * 40, 200),
        ("groq", "c" * 41, 200),
    ],
)
async def test_foreign_ids_of_calls_are_refused(
    provider: str, id: str, status: int
) -> None:
    function = {"name": "write_file", "arguments": "{}"}
    call = {"id": id, "type": "function", "function": function}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": id, "content": "done"}
    async with in_process(make_settings(provider)) as desk:
        answer = await desk.ask(messages=[*HELLO, said, result])

    assert answer.status_code == status
