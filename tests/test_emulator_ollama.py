"""Ollama's chat as the emulator speaks it, where no client shows it."""

import json
from typing import Any

import httpx
import ollama
import pytest

from loopback import http
from test_emulator_kit import HELLO, Desk, in_process, make_settings, over_tcp, served

TOOL = {"type": "function", "function": {"name": "write_file", "description": "W."}}


async def post(desk: Desk, **more: Any) -> httpx.Response:
    body = {"model": "slot", "messages": HELLO, "stream": False, **more}
    return await desk.client.post("/ollama/api/chat", json=body)


async def answered(**more: Any) -> httpx.Response:
    """The answer of an emulator without limits."""
    async with in_process(make_settings("ollama")) as desk:
        return await post(desk, **more)


async def test_answer_comes_line_by_line_unless_told_otherwise() -> None:
    answer = await answered(stream=None)
    *said, last = [json.loads(line) for line in answer.text.splitlines()]

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["done"] for line in said] == [False]
    assert last["done"] is True
    assert (last["prompt_eval_count"], last["eval_count"]) == (3, 5)
    assert last["created_at"] == "2023-11-14T22:13:20.000000Z"


async def test_same_conversation_is_the_same_in_every_protocol() -> None:
    async with in_process(make_settings("ollama")) as desk:
        chat = (await desk.ask()).json()
        native = (await post(desk)).json()
        seen = (await desk.client.get("/_control/requests")).json()

    said = chat["choices"][0]["message"]["content"]
    assert native["message"]["content"] == said
    assert native["eval_count"] == chat["usage"]["completion_tokens"]
    assert seen[0] == seen[1]


async def test_options_are_honoured() -> None:
    short = (await answered(options={"num_predict": 2})).json()
    stopped = (await answered(options={"stop": ["rehearsed"]})).json()
    endless = (await answered(options={"num_predict": -1})).json()

    assert (short["done_reason"], short["eval_count"]) == ("length", 2)
    assert stopped["message"]["content"] == "A "
    assert endless["done_reason"] == "stop"


async def test_json_is_an_object() -> None:
    said = (await answered(format="json")).json()["message"]["content"]

    assert "answer" in json.loads(said)


async def test_arguments_of_a_call_are_an_object() -> None:
    [call] = (await answered(tools=[TOOL])).json()["message"]["tool_calls"]

    assert call["function"]["arguments"]["path"] == "rehearsal_note.py"


@pytest.mark.parametrize(
    "more", [{"model": ""}, {"messages": [{}]}, {"tools": [{}]}, {"options": 1}]
)
async def test_malformed_request_says_why_in_one_string(more: dict[str, Any]) -> None:
    answer = await answered(**more)

    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


async def test_unknown_model_is_to_be_pulled() -> None:
    answer = await answered(model="gone")

    assert answer.status_code == 404
    assert answer.json() == {"error": 'model "gone" not found, try pulling it first'}


async def test_too_many_at_once_is_busy() -> None:
    async with in_process(make_settings("ollama", "0 concurrent")) as desk:
        answer = await post(desk)

    assert answer.status_code == 503
    assert answer.json()["error"].startswith("server busy, please try again.")


@pytest.mark.parametrize("streamed", [False, True])
async def test_broken_answers_are_broken_in_this_protocol_too(streamed: bool) -> None:
    said = {}
    async with in_process(make_settings("ollama")) as desk:
        for fault in ("empty", "no_choices", "error_in_200", "malformed", "html"):
            await desk.order(fault)
            said[fault] = await post(desk, stream=streamed)

    assert {answer.status_code for answer in said.values()} == {200}
    assert '"content": ""' in said["empty"].text
    assert '"eval_count": 5' in said["empty"].text
    assert '"message"' not in said["no_choices"].text
    assert "error" in said["error_in_200"].json()
    assert said["html"].text.startswith("<html>")


async def test_stream_is_cut_after_the_first_words() -> None:
    async with over_tcp(make_settings("ollama")) as desk:
        await desk.order("broken_stream")
        with pytest.raises(httpx.RemoteProtocolError):
            await post(desk, stream=True)


def test_models_are_listed_and_shown() -> None:
    slot = {"name": "slot", "model": "ollama_chat/qwen3:8b", "context_window": 32768}
    with served(make_settings("ollama", deployments=[slot])) as root:
        client = ollama.Client(host=f"{root}/ollama")
        listed = client.list()
        shown = client.show("qwen3:8b")
        version = http.get(f"{root}/ollama/api/version").json()["version"]
        with pytest.raises(ollama.ResponseError) as missing:
            client.show("gone")

    assert [model.model for model in listed.models] == ["qwen3:8b"]
    assert shown.capabilities == ["completion", "tools", "vision"]
    assert (shown.modelinfo or {})["emulated.context_length"] == 32768
    assert ".Tools" in (shown.template or "")
    assert missing.value.status_code == 404
    assert version
