"""Anthropic's Messages as the emulator speaks them, where no client shows it."""

import json
from typing import Any

import httpx
import pytest

from test_emulator_kit import HELLO, in_process, make_settings, over_tcp, price

HEADERS = {"x-api-key": "sk-ant-emulated", "anthropic-version": "2023-06-01"}
BODY = {"model": "slot", "max_tokens": 1000, "messages": HELLO}
TOOL = {
    "name": "write_file",
    "description": "Write.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
}


async def post(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    body = {**BODY, **more}
    return await client.post("/anthropic/v1/messages", json=body, headers=HEADERS)


async def answered(**more: Any) -> httpx.Response:
    """The answer of an emulator without limits."""
    async with in_process(make_settings("anthropic")) as desk:
        return await post(desk.client, **more)


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream; their names are those of their data."""
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


async def test_events_come_in_the_documented_order() -> None:
    kinds = [event["type"] for event in events((await answered(stream=True)).text)]

    assert kinds == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_same_conversation_is_the_same_in_every_protocol() -> None:
    async with in_process(make_settings("anthropic")) as desk:
        system = {"role": "system", "content": "You are Coder."}
        chat = (await desk.ask(messages=[system, *HELLO], max_tokens=1000)).json()
        native = (await post(desk.client, system="You are Coder.")).json()
        seen = (await desk.client.get("/_control/requests")).json()

    assert native["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert native["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]
    assert [{**s, "time": 0} for s in seen[:1]] == [{**s, "time": 0} for s in seen[1:]]


@pytest.mark.parametrize(
    ("more", "reason", "sequence"),
    [
        ({}, "end_turn", None),
        ({"max_tokens": 2}, "max_tokens", None),
        ({"stop_sequences": ["x", "rehearsed"]}, "stop_sequence", "rehearsed"),
        ({"tools": [TOOL]}, "tool_use", None),
    ],
)
async def test_stop_reason_says_why(
    more: dict[str, Any], reason: str, sequence: str | None
) -> None:
    whole = (await answered(**more)).json()
    delta = events((await answered(stream=True, **more)).text)[-2]["delta"]

    assert (whole["stop_reason"], whole["stop_sequence"]) == (reason, sequence)
    assert delta == {"stop_reason": reason, "stop_sequence": sequence}


async def test_forced_tool_is_called_with_what_its_schema_wants() -> None:
    tool = {**TOOL, "name": "json_tool_call"}
    choice = {"type": "tool", "name": "json_tool_call"}
    forced = (await answered(tools=[tool], tool_choice=choice)).json()
    none = (await answered(tools=[TOOL], tool_choice={"type": "none"})).json()

    assert forced["content"][-1]["name"] == "json_tool_call"
    assert set(forced["content"][-1]["input"]) == {"path"}
    assert none["stop_reason"] == "end_turn"


@pytest.mark.parametrize(("mark", "status"), [("", 200), ("x", 400), (None, 200)])
async def test_thoughts_of_somebody_else_are_refused(
    mark: str | None, status: int
) -> None:
    """A block comes back as it was, or not at all."""
    async with in_process(make_settings("anthropic")) as desk:
        kept, use = (await post(desk.client, tools=[TOOL])).json()["content"]
        if mark is not None:
            kept["signature"] += mark
        said = [use] if mark is None else [kept, use]
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": "done"}
        messages = [
            *HELLO,
            {"role": "assistant", "content": said},
            {"role": "user", "content": [result]},
        ]
        later = await post(desk.client, messages=messages, tools=[TOOL])

    assert later.status_code == status


async def test_image_by_its_address_is_seen_as_such() -> None:
    source = {"type": "url", "url": "https://example.org/a.png"}
    message = {"role": "user", "content": [{"type": "image", "source": source}]}
    body = (await answered(messages=[message])).json()

    assert "an image given by its address" in body["content"][0]["text"]


async def test_tool_results_are_heard_with_their_images() -> None:
    use = {"type": "tool_use", "id": "t", "name": "write_file", "input": {}}
    inner = [{"type": "text", "text": "done"}]
    result = {"type": "tool_result", "tool_use_id": "t", "content": inner}
    messages = [
        *HELLO,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {"type": "text", "text": "Go on."}]},
    ]
    body = (await answered(messages=messages, tools=[TOOL])).json()

    assert "It was told: done" in body["content"][0]["text"]


@pytest.mark.parametrize(
    ("without", "status", "kind"),
    [
        ("x-api-key", 401, "authentication_error"),
        ("anthropic-version", 400, "invalid_request_error"),
    ],
)
async def test_request_needs_its_headers(without: str, status: int, kind: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != without}
    async with in_process(make_settings("anthropic")) as desk:
        path = "/anthropic/v1/messages"
        answer = await desk.client.post(path, json=BODY, headers=headers)

    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


@pytest.mark.parametrize(
    "more", [{"max_tokens": None}, {"messages": [{}]}, {"tools": [{}]}, {"model": ""}]
)
async def test_malformed_request_is_400(more: dict[str, Any]) -> None:
    answer = await answered(**more)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["request_id"] == answer.headers["request-id"]


async def test_spend_cap_says_no_time() -> None:
    slot = {"name": "slot", "price": price("1000", "1000")}
    settings = make_settings("anthropic", "0.009 usd/month @ UTC", deployments=[slot])
    async with in_process(settings) as desk:
        await post(desk.client)
        answer = await post(desk.client)

    details = answer.json()["error"]["details"]
    assert answer.status_code == 429
    assert details["error_code"] == "enforced_spend_limit_reached"
    assert "retry-after" not in answer.headers


async def test_other_providers_do_not_speak_it() -> None:
    async with in_process(make_settings("openai")) as desk:
        path = "/openai/v1/messages"
        answer = await desk.client.post(path, json=BODY, headers=HEADERS)

    assert answer.status_code == 404


@pytest.mark.parametrize("streamed", [False, True])
async def test_broken_answers_are_broken_in_this_protocol_too(streamed: bool) -> None:
    said = {}
    async with in_process(make_settings("anthropic")) as desk:
        for fault in ("empty", "no_choices", "error_in_200", "malformed", "html"):
            await desk.order(fault)
            said[fault] = await post(desk.client, stream=streamed)

    assert {answer.status_code for answer in said.values()} == {200}
    assert "A rehearsed" not in said["empty"].text + said["no_choices"].text
    assert '"overloaded_error"' in said["error_in_200"].text
    assert '"output_tokens": 5' in said["empty"].text
    assert said["html"].text.startswith("<html>")
    if not streamed:
        assert said["no_choices"].json()["content"] == []
        with pytest.raises(json.JSONDecodeError):
            said["malformed"].json()


async def test_stream_is_cut_after_the_first_words() -> None:
    async with over_tcp(make_settings("anthropic")) as desk:
        await desk.order("broken_stream")
        with pytest.raises(httpx.RemoteProtocolError):
            await post(desk.client, stream=True)


async def test_id_of_a_call_has_its_pattern() -> None:
    use = {"type": "tool_use", "id": "a=b", "name": "write_file", "input": {}}
    answer = await answered(messages=[{"role": "assistant", "content": [use]}])

    assert answer.status_code == 400
    assert "tool_use.id" in answer.json()["error"]["message"]


async def test_body_must_be_an_object() -> None:
    async with in_process(make_settings("anthropic")) as desk:
        path = "/anthropic/v1/messages"
        answer = await desk.client.post(path, json=[], headers=HEADERS)

    assert answer.status_code == 400
