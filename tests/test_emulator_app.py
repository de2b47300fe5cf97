"""The emulator's doors: completions, streams, headers, bodies, controls."""

import json
from typing import Any

import pytest

from crew.clock import ManualClock
from test_emulator_kit import (
    HELLO,
    Desk,
    in_process,
    make_settings,
    over_tcp,
    picture,
    price,
)

TOOL = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": {"type": "object", "properties": {}},
    },
}


async def stream(desk: Desk, **more: object) -> list[dict[str, Any]]:
    """The chunks of a streamed answer; checks that it ends with [DONE]."""
    answer = await desk.ask(stream=True, **more)
    events = [line for line in answer.text.split("\n\n") if line]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in events[:-1]]


async def test_completion_has_text_usage_and_finish_reason() -> None:
    async with in_process(make_settings()) as desk:
        body = (await desk.ask()).json()

    choice = body["choices"][0]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    assert body["usage"]["prompt_tokens"] == 3  # 10 characters
    characters = len(choice["message"]["content"])
    assert body["usage"]["completion_tokens"] == -(-characters // 4)
    assert "service_tier" not in body


@pytest.mark.parametrize("model", ["slot", "vendor/x:free", "openrouter/vendor/x:free"])
async def test_model_is_found_by_slot_or_id(model: str) -> None:
    deployment = {"name": "slot", "model": "openrouter/vendor/x:free"}
    settings = make_settings("openrouter", deployments=[deployment])
    async with in_process(settings) as desk:
        assert (await desk.ask(model)).status_code == 200


async def test_unknown_model_or_provider_is_404() -> None:
    async with in_process(make_settings("anthropic")) as desk:
        model = await desk.ask("gone")
        provider = await desk.client.post(
            "/nobody/v1/chat/completions", json={"model": "slot", "messages": HELLO}
        )

    assert model.status_code == provider.status_code == 404
    assert model.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"{}", b'{"model": "slot"}', b'{"model":"slot","messages":[{}]}'],
)
async def test_malformed_request_is_400(body: bytes) -> None:
    async with in_process(make_settings()) as desk:
        path = "/openai/v1/chat/completions"
        answer = await desk.client.post(path, content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_streamed_text_equals_the_text_of_one_body() -> None:
    async with in_process(make_settings()) as desk:
        whole = (await desk.ask()).json()["choices"][0]["message"]["content"]
        chunks = await stream(desk, stream_options={"include_usage": True})

    deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    texts = [delta["content"] for delta in deltas if delta.get("content")]
    assert "".join(texts) == whole
    assert deltas[0]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["prompt_tokens"] == 3


async def test_stream_tells_usage_only_when_asked() -> None:
    async with in_process(make_settings()) as desk:
        chunks = await stream(desk)

    assert all(not chunk.get("usage") for chunk in chunks)


async def test_streamed_tool_call_comes_in_pieces() -> None:
    async with in_process(make_settings()) as desk:
        chunks = await stream(desk, tools=[TOOL])

    deltas = [c["choices"][0]["delta"] for c in chunks]
    parts = [d["tool_calls"][0] for d in deltas if "tool_calls" in d]
    assert parts[0]["function"] == {"name": "write_file", "arguments": ""}
    assert parts[0]["id"]
    assert len(parts) > 3
    arguments = "".join(part["function"]["arguments"] for part in parts)
    assert json.loads(arguments)["path"] == "rehearsal_note.py"
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_max_tokens_and_stop_are_honoured() -> None:
    async with in_process(make_settings()) as desk:
        short = (await desk.ask(max_tokens=2)).json()
        newer = (await desk.ask(max_completion_tokens=2)).json()
        stopped = (await desk.ask(stop=["rehearsed"])).json()

    assert short["choices"] == newer["choices"]
    assert short["choices"][0]["finish_reason"] == "length"
    assert short["usage"]["completion_tokens"] == 2
    assert stopped["choices"][0]["message"]["content"] == "A "
    assert stopped["choices"][0]["finish_reason"] == "stop"


async def test_images_count_and_are_seen() -> None:
    parts = [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": picture("WEBP", (30, 20))}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    async with in_process(make_settings()) as desk:
        body = (await desk.ask(messages=[{"role": "user", "content": parts}])).json()
        seen = (await desk.client.get("/_control/requests")).json()[-1]

    assert body["usage"]["prompt_tokens"] == 2 + 2 * 85
    assert "a WEBP image of 30x20 pixels" in body["choices"][0]["message"]["content"]
    assert seen["images"] == [
        {"source": "data", "format": "WEBP", "width": 30, "height": 20},
        {"source": "url", "format": None, "width": 0, "height": 0},
    ]


async def test_what_a_model_cannot_do_is_400() -> None:
    plain = {"name": "slot", "vision": False, "tools": False, "context_window": 50}
    image = [{"type": "image_url", "image_url": {"url": picture()}}]
    async with in_process(make_settings(deployments=[plain])) as desk:
        seen = await desk.ask(messages=[{"role": "user", "content": image}])
        tools = await desk.ask(tools=[TOOL])
        long = await desk.ask(messages=[{"role": "user", "content": "x" * 400}])

    assert [seen.status_code, tools.status_code, long.status_code] == [400] * 3
    assert long.json()["error"]["code"] == "context_length_exceeded"


async def test_json_schema_is_satisfied() -> None:
    schema = {
        "type": "object",
        "properties": {
            "verdict": {"$ref": "#/$defs/Verdict"},
            "passed": {"type": "boolean"},
            "score": {"type": "integer", "minimum": 3},
            "notes": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "why": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "optional": {"type": "string"},
        },
        "required": ["verdict", "passed", "score", "notes", "why"],
        "$defs": {"Verdict": {"enum": ["good", "bad"]}},
    }
    form = {"type": "json_schema", "json_schema": {"name": "V", "schema": schema}}
    async with in_process(make_settings()) as desk:
        body = (await desk.ask(response_format=form)).json()

    value = json.loads(body["choices"][0]["message"]["content"])
    assert set(value) == set(schema["required"])
    assert (value["verdict"], value["passed"], value["score"]) == ("good", True, 3)
    assert len(value["notes"]) == 2
    assert value["why"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": "x"}, "x"),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "number", "maximum": -2.5}, -2.5),
        ({"type": "string", "minLength": 40}, 40),
        ({"type": "string", "maxLength": 3}, 3),
        ({"oneOf": [{"type": "boolean"}]}, True),
        ({"allOf": [{"$ref": "#/$defs/Even"}, {"type": "integer"}]}, 2),
        ({"type": "null"}, None),
        ({"$ref": "#/$defs/Missing"}, "A rehearsed answer."),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "items": {"$ref": "#"}}, [{"v": []}]),
        ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, {"v": None}),
    ],
)
async def test_each_kind_of_schema_has_a_value(schema: Any, value: object) -> None:
    defs = {"Even": {"type": "integer", "minimum": 2}}
    whole = {"type": "object", "properties": {"v": schema}, "$defs": defs}
    form = {"type": "json_schema", "json_schema": {"name": "V", "schema": whole}}
    async with in_process(make_settings()) as desk:
        body = (await desk.ask(response_format=form)).json()

    made = json.loads(body["choices"][0]["message"]["content"])["v"]
    assert (len(made) if schema.get("type") == "string" else made) == value


async def test_requests_are_remembered_without_text_or_key() -> None:
    messages = [{"role": "system", "content": "You are Coder. " + "s" * 300}, *HELLO]
    async with in_process(make_settings()) as desk:
        desk.client.headers["authorization"] = "Bearer sk-secret"
        await desk.ask(messages=messages, tools=[TOOL])
        answer = await desk.client.get("/_control/requests")

    seen = answer.json()[0]
    assert (seen["deployment"], seen["messages"]) == ("slot", 2)
    assert (seen["stream"], seen["tools"]) == (False, ["write_file"])
    assert len(seen["system"]) == 200
    assert "sk-secret" not in answer.text
    assert "Say hello" not in answer.text


async def test_controls_answer_loopback_hosts_only() -> None:
    async with in_process(make_settings()) as desk:
        for host, status in (
            ("127.0.0.1:80", 200),
            ("localhost", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("[::1", 403),
        ):
            answer = await desk.client.get("/_control/counters", headers={"host": host})
            assert answer.status_code == status, host


async def test_models_are_listed_by_provider() -> None:
    async with in_process(make_settings()) as desk:
        listed = (await desk.client.get("/openai/v1/models")).json()

    assert [model["id"] for model in listed["data"]] == ["vendor/slot-1"]


async def test_emulator_tells_its_time() -> None:
    async with in_process(make_settings(), ManualClock(5.0)) as desk:
        assert (await desk.client.get("/_control/clock")).json() == {"now": 5.0}


async def test_groq_says_its_service_tier_and_headers() -> None:
    limits = ("30 requests/minute", "1000 requests/day", "6K tokens/minute refilling")
    async with in_process(make_settings("groq", *limits)) as desk:
        answer = await desk.ask()

    total = answer.json()["usage"]["total_tokens"]
    assert answer.json()["service_tier"] == "on_demand"
    assert answer.headers["x-ratelimit-limit-requests"] == "1000"
    assert answer.headers["x-ratelimit-remaining-requests"] == "999"
    assert answer.headers["x-ratelimit-limit-tokens"] == "6000"
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(6000 - total)
    assert answer.headers["x-ratelimit-reset-requests"] == "24h0m0s"
    assert answer.headers["x-ratelimit-reset-tokens"].endswith("ms")


async def test_anthropic_headers_round_tokens_and_reset_in_rfc3339() -> None:
    limits = (
        "50 requests/minute",
        "30K input_tokens/minute",
        "8K output_tokens/minute",
    )
    async with in_process(make_settings("anthropic", *limits)) as desk:
        headers = (await desk.ask()).headers

    assert headers["anthropic-ratelimit-requests-remaining"] == "49"
    assert headers["anthropic-ratelimit-input-tokens-limit"] == "30000"
    assert headers["anthropic-ratelimit-input-tokens-remaining"] == "30000"
    assert headers["anthropic-ratelimit-requests-reset"] == "2023-11-14T22:14:20Z"
    assert "retry-after" not in headers


@pytest.mark.parametrize(
    ("provider", "header"),
    [
        ("openai", "x-ratelimit-remaining-requests"),
        ("together_ai", "x-ratelimit-remaining"),
        ("mistral", "x-ratelimitbysize-remaining-minute"),
    ],
)
async def test_success_carries_the_headers_of_the_family(
    provider: str, header: str
) -> None:
    limits = ("9 requests/minute", "9K tokens/minute")
    async with in_process(make_settings(provider, *limits)) as desk:
        assert int((await desk.ask()).headers[header]) > 0


@pytest.mark.parametrize("provider", ["gemini", "openrouter", "deepseek"])
async def test_some_families_send_no_headers(provider: str) -> None:
    async with in_process(make_settings(provider, "9 requests/minute")) as desk:
        headers = (await desk.ask()).headers

    assert not [name for name in headers if "limit" in name]


async def refused(provider: str, *limits: str, **more: Any) -> Any:
    """The refusal after one accepted call."""
    settings = make_settings(provider, *limits, **more)
    async with in_process(settings) as desk:
        await desk.ask()
        return await desk.ask()


async def test_openai_refusal() -> None:
    answer = await refused("openai", "1 requests/minute")

    error = answer.json()["error"]
    assert answer.status_code == 429
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "requests per min (RPM): Limit 1, Used 1, Requested 1." in error["message"]
    assert "Please try again in 1m0s." in error["message"]
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"


async def test_openai_refuses_what_never_fits_without_advice() -> None:
    async with in_process(make_settings("openai", "2 input_tokens/minute")) as desk:
        answer = await desk.ask()

    assert answer.status_code == 429
    assert answer.json()["error"]["message"].startswith("Request too large")
    assert "retry-after" not in answer.headers


async def test_openai_spend_limit_is_insufficient_quota() -> None:
    slot = {"name": "slot", "price": price("1000", "1000")}
    answer = await refused("openai", "0.009 usd/month @ UTC", deployments=[slot])

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "insufficient_quota"
    assert "retry-after" not in answer.headers


async def test_anthropic_refusal() -> None:
    answer = await refused("anthropic", "1 requests/minute")

    assert answer.status_code == 429
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert "of 1 requests per minute" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"


async def test_anthropic_spend_cap_has_no_retry_after() -> None:
    slot = {"name": "slot", "price": price("1000", "1000")}
    answer = await refused("anthropic", "0.009 usd/month @ UTC", deployments=[slot])

    details = answer.json()["error"]["details"]
    assert details["error_code"] == "enforced_spend_limit_reached"
    assert "retry-after" not in answer.headers


async def test_gemini_refusal_names_every_quota_and_advises_wrongly() -> None:
    limits = ("1 requests/minute", "1 requests/day @ America/Los_Angeles")
    answer = await refused("gemini", *limits)

    error = answer.json()["error"]
    _, failure, retry = error["details"]
    assert (answer.status_code, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert [v["quotaId"] for v in failure["violations"]] == [
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    ]
    assert retry["retryDelay"] == "47s"
    assert not [name for name in answer.headers if "retry" in name or "limit" in name]


async def test_openrouter_refusal_resets_in_milliseconds() -> None:
    answer = await refused(
        "openrouter",
        classes={"free": ["1 requests/day @ UTC"]},
        deployments=[{"name": "slot", "klass": "free"}],
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (429, 429)
    assert error["message"] == "Rate limit exceeded: free-models-per-day."
    headers = error["metadata"]["headers"]
    assert headers["X-RateLimit-Reset"] == "1700006400000"  # 2023-11-15 00:00 UTC
    assert error["metadata"]["limit_source"] == "openrouter_free_tier_daily"


async def test_groq_refusal() -> None:
    answer = await refused("groq", "1 requests/day refilling")

    assert answer.status_code == 429
    assert "requests per day (RPD)" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "86400"


async def test_together_refusal() -> None:
    answer = await refused("together_ai", "1 requests/second")

    assert answer.json()["error"]["type"] == "dynamic_request_limited"
    assert answer.headers["x-ratelimit-reset"] == "1"


async def test_mistral_refusal() -> None:
    answer = await refused("mistral", "1 requests/second")

    assert (answer.status_code, answer.json()["type"]) == (429, "rate_limited")
    assert answer.json()["code"] == "1300"


@pytest.mark.parametrize("provider", ["deepseek", "ollama"])
async def test_other_refusals_are_plain_429(provider: str) -> None:
    answer = await refused(provider, "1 requests/minute")

    assert answer.status_code == 429
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "provider", ["openrouter", "deepseek", "together_ai", "mistral"]
)
async def test_spent_money_is_402(provider: str) -> None:
    slot = {"name": "slot", "price": price("1000", "1000")}
    answer = await refused(provider, "0.009 usd/day @ UTC", deployments=[slot])

    assert answer.status_code == 402


async def test_real_server_answers_and_streams() -> None:
    async with over_tcp(make_settings()) as desk:
        assert (await desk.ask()).status_code == 200
        assert await stream(desk)
        assert (await desk.counts())["accepted"] == 2
