"""Each fault looks as documented, comes when ordered, and no more often."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from crew.clock import ManualClock
from crew.emulator.faults import Fault, default_orders
from test_emulator_kit import in_process, make_settings, over_tcp

PROVIDERS = ("openai", "anthropic", "gemini", "openrouter", "groq", "mistral")


async def failed(fault: str, provider: str = "openai", **order: object) -> Any:
    """The answer to a call for which this fault was ordered."""
    async with in_process(make_settings(provider)) as desk:
        assert (await desk.order(fault, **order)).status_code == 200
        answer = await desk.ask()
        counts = await desk.counts()
        after = await desk.ask()

    assert (counts["requests"], counts["faults"], counts["accepted"]) == (1, 1, 0)
    assert after.status_code == 200
    return answer


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("rate_limit", 429),
        ("server_error", 500),
        ("bad_gateway", 502),
        ("unavailable", 503),
        ("overloaded", 529),
        ("unauthorized", 401),
        ("payment_required", 402),
        ("forbidden", 403),
        ("model_not_found", 404),
        ("bad_request", 400),
        ("context_length", 400),
        ("content_policy", 400),
    ],
)
async def test_refusing_fault_has_its_status(
    provider: str, fault: str, status: int
) -> None:
    answer = await failed(fault, provider)

    assert answer.status_code == status
    assert "message" in answer.text


async def test_rate_limit_says_when_to_come_back() -> None:
    openai = await failed("rate_limit", retry_after=7)
    gemini = await failed("rate_limit", "gemini", retry_after=70)
    silent = await failed("rate_limit")

    assert openai.headers["retry-after"] == "7"
    assert gemini.json()["error"]["details"][-1]["retryDelay"] == "70s"
    assert "retry-after" not in silent.headers


async def test_other_faults_carry_retry_after_when_given() -> None:
    assert (await failed("unavailable", retry_after=1.5)).headers[
        "retry-after"
    ] == "1.5"


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("openai", "maximum context length"),
        ("anthropic", "prompt is too long"),
        ("gemini", "exceeds the maximum number of tokens"),
    ],
)
async def test_context_length_speaks_the_dialect(provider: str, said: str) -> None:
    assert said in (await failed("context_length", provider)).text


async def test_malformed_body_is_no_json() -> None:
    answer = await failed("malformed")

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_html_is_a_page() -> None:
    answer = await failed("html")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


async def test_empty_has_no_content() -> None:
    message = (await failed("empty")).json()["choices"][0]["message"]

    assert message["content"] == ""
    assert "tool_calls" not in message


async def test_empty_answer_tells_what_was_charged() -> None:
    async with in_process(make_settings()) as desk:
        await desk.order("empty", times=2)
        whole = (await desk.ask()).json()["usage"]
        options = {"stream": True, "stream_options": {"include_usage": True}}
        lines = (await desk.ask(**options)).text.split("\n\n")

    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert events[-1]["usage"] == whole
    assert whole["completion_tokens"] > 0


async def test_no_choices() -> None:
    assert (await failed("no_choices")).json()["choices"] == []


async def test_error_in_200() -> None:
    body = (await failed("error_in_200")).json()

    assert body["error"]["message"]
    assert body["choices"][0]["finish_reason"] == "error"


async def test_error_in_stream_comes_after_the_first_words() -> None:
    async with in_process(make_settings()) as desk:
        await desk.order("error_in_stream")
        lines = (await desk.ask(stream=True)).text.split("\n\n")

    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert events[1]["choices"][0]["delta"]["content"]
    assert events[-1]["error"]["code"] == 502


@pytest.mark.parametrize("fault", ["malformed", "empty", "no_choices", "error_in_200"])
async def test_broken_answers_also_come_as_streams(fault: str) -> None:
    async with in_process(make_settings()) as desk:
        await desk.order(fault)
        answer = await desk.ask(stream=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    texts = [line for line in answer.text.split("\n\n") if '"content": "A ' in line]
    assert texts == []


@pytest.mark.parametrize("streamed", [True, False])
async def test_broken_stream_is_cut_in_the_middle(streamed: bool) -> None:
    async with over_tcp(make_settings()) as desk:
        await desk.order("broken_stream")
        body = {"model": "slot", "messages": [{"role": "user", "content": "x"}]}
        path = "/openai/v1/chat/completions"
        asked = desk.client.stream("POST", path, json=body | {"stream": streamed})
        got = b""
        with pytest.raises(httpx.RemoteProtocolError):
            async with asked as answer:
                async for piece in answer.aiter_bytes():
                    got += piece

    assert answer.status_code == 200
    assert b'"choices"' in got
    assert (b"data: " in got) is streamed


async def test_reset_closes_the_connection_without_an_answer() -> None:
    async with over_tcp(make_settings()) as desk:
        await desk.order("reset")
        with pytest.raises(httpx.ReadError):
            await desk.ask()
        assert (await desk.counts())["faults"] == 1


async def test_timeout_holds_the_call_until_the_client_leaves() -> None:
    async with over_tcp(make_settings("deepseek", "1 concurrent")) as desk:
        await desk.order("timeout")
        hanging = asyncio.create_task(desk.ask())
        while not (await desk.counts())["faults"]:
            await asyncio.sleep(0)
        meanwhile = await desk.ask()
        hanging.cancel()
        after = await desk.ask()
        while after.status_code == 429:
            after = await desk.ask()

    assert meanwhile.status_code == 429
    assert after.status_code == 200


async def test_fault_comes_after_some_calls_and_several_times() -> None:
    async with in_process(make_settings()) as desk:
        await desk.order("server_error", after=1, times=2)
        assert await desk.statuses(4) == [200, 500, 500, 200]
        assert (await desk.client.get("/_control/faults")).json() == []


async def test_fault_lasts_for_a_time() -> None:
    clock = ManualClock()
    async with in_process(make_settings(), clock) as desk:
        await desk.order("unavailable", seconds=30, after=1)
        assert await desk.statuses(4) == [200, 503, 503, 503]
        clock.advance(29.9)
        assert await desk.statuses(1) == [503]
        clock.advance(0.1)
        shown = (await desk.client.get("/_control/faults")).json()
        assert await desk.statuses(1) == [200]

    assert shown == []


async def test_fault_hits_the_named_deployment_only() -> None:
    settings = make_settings(deployments=[{"name": "a"}, {"name": "b"}])
    async with in_process(settings) as desk:
        await desk.order("unavailable", deployment="b")
        seen = [(await desk.ask(name)).status_code for name in "aba"]

    assert seen == [200, 503, 200]


async def test_open_orders_can_be_read() -> None:
    async with in_process(make_settings()) as desk:
        await desk.order("html", after=1, times=3)
        await desk.ask()
        shown = (await desk.client.get("/_control/faults")).json()

    assert shown == [
        {
            "provider": "openai",
            "deployment": None,
            "fault": "html",
            "times": 3,
            "after": 0,
            "retry_after": None,
            "seconds": None,
        }
    ]


@pytest.mark.parametrize(
    "order",
    [
        {"fault": "unknown"},
        {"fault": "html", "provider": "nobody"},
        {"fault": "html", "sort": 1},
        {"fault": "html", "times": 0},
        {"fault": "html", "seconds": 0},
        {"fault": "html", "seconds": "soon"},
        {"fault": "html", "until": 1},
        {"fault": "html", "after": "soon"},
        {"fault": "html", "deployment": "nobody"},
    ],
)
async def test_wrong_order_is_400_and_says_why(order: dict[str, Any]) -> None:
    async with in_process(make_settings()) as desk:
        answer = await desk.order(**order)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_refusing_fault_charges_nothing_and_a_served_one_does() -> None:
    async with in_process(make_settings("openai", "1 requests/day")) as desk:
        await desk.order("server_error")
        await desk.order("empty")
        assert await desk.statuses(3) == [500, 200, 429]
        counts = await desk.counts()

    assert (counts["faults"], counts["refused"], counts["accepted"]) == (2, 1, 0)
    assert (counts["input_tokens"], counts["output_tokens"]) == (0, 0)


async def test_default_orders_fail_each_provider() -> None:
    async with in_process(make_settings(), orders=default_orders(["openai"])) as desk:
        assert await desk.statuses(8) == [200, 200, 429, 200, 200, 503, 200, 200]


def test_every_fault_of_the_list_exists() -> None:
    assert len(Fault) == 23
