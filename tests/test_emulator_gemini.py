"""Google's Gemini as the emulator speaks it, where no client shows it."""

import json
from typing import Any

import httpx
import pytest

from test_emulator_kit import Desk, in_process, make_settings, over_tcp, picture

HELLO = {"role": "user", "parts": [{"text": "Say hello."}]}
DECLARED = {
    "name": "write_file",
    "description": "Write.",
    "parameters": {"type": "OBJECT", "properties": {"path": {"type": "STRING"}}},
}
TOOLS = {"tools": [{"functionDeclarations": [DECLARED]}]}
CALL = {"functionCall": {"name": "write_file", "args": {}}}


async def post(desk: Desk, model: str = "slot", **more: Any) -> httpx.Response:
    """One request, streamed if `stream` is set."""
    stream = more.pop("stream", False)
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return await desk.client.post(
        f"/gemini/v1beta/models/{model}:{method}",
        json={"contents": [HELLO], **more},
        headers={"x-goog-api-key": "emulated"},
    )


async def answered(*, limits: tuple[str, ...] = (), **more: Any) -> httpx.Response:
    """The answer of an emulator of its own."""
    async with in_process(make_settings("gemini", *limits)) as desk:
        return await post(desk, **more)


def parts(answer: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json()["candidates"][0]["content"]["parts"]
    return found


async def test_same_conversation_is_the_same_in_every_protocol() -> None:
    async with in_process(make_settings("gemini")) as desk:
        url = {"url": picture("JPEG", (9, 7))}
        shown = {"type": "image_url", "image_url": url}
        content = [{"type": "text", "text": "Say hello."}, shown]
        system = {"role": "system", "content": "You are Coder."}
        chat = await desk.ask(messages=[system, {"role": "user", "content": content}])
        data = {"mimeType": "image/jpeg", "data": url["url"].partition(",")[2]}
        inline = {"role": "user", "parts": [*HELLO["parts"], {"inlineData": data}]}
        instruction = {"parts": [{"text": "You are Coder."}]}
        native = await post(desk, contents=[inline], systemInstruction=instruction)
        seen = (await desk.client.get("/_control/requests")).json()

    [part] = parts(native)
    assert "JPEG image of 9x7" in part["text"]
    assert part["text"] == chat.json()["choices"][0]["message"]["content"]
    counted = native.json()["usageMetadata"]["promptTokenCount"]
    assert counted == chat.json()["usage"]["prompt_tokens"]
    assert seen[0] == seen[1]


async def test_fields_are_read_in_snake_case_too() -> None:
    parts_ = [{"text": "x"}, {"inline_data": {"mime_type": "image/png", "data": ""}}]
    answer = await answered(
        contents=[{"role": "user", "parts": parts_}],
        system_instruction={"parts": [{"text": "You are Coder."}]},
        generation_config={"max_output_tokens": 9, "stop_sequences": ["You"]},
    )

    assert parts(answer)[0]["text"] == "A rehearsed answer. "
    assert answer.json()["usageMetadata"]["promptTokenCount"] == 4 + 85


async def test_stream_ends_with_the_reason_and_every_chunk_has_the_usage() -> None:
    long = {"parts": [{"text": f"You are {'x' * 90}."}]}
    text = (await answered(stream=True, systemInstruction=long)).text
    chunks = [json.loads(line[6:]) for line in text.split("\n\n") if line]

    reasons = [c["candidates"][0].get("finishReason") for c in chunks]
    assert len(chunks) > 3
    assert reasons == [None] * (len(chunks) - 1) + ["STOP"]
    assert all(c["usageMetadata"]["totalTokenCount"] for c in chunks)


@pytest.mark.parametrize(
    ("field", "kinds"),
    [
        ("responseSchema", ("OBJECT", "INTEGER")),
        ("responseJsonSchema", ("object", "integer")),
    ],
)
async def test_schema_is_satisfied_in_both_spellings(
    field: str, kinds: tuple[str, str]
) -> None:
    schema = {"type": kinds[0], "properties": {"n": {"type": kinds[1]}}}
    config = {"responseMimeType": "application/json", field: schema}
    [part] = parts(await answered(generationConfig=config))

    assert json.loads(part["text"]) == {"n": 1}


async def test_json_without_a_schema_is_an_object() -> None:
    config = {"response_mime_type": "application/json"}
    [part] = parts(await answered(generationConfig=config))

    assert "answer" in json.loads(part["text"])


@pytest.mark.parametrize(
    ("mode", "name"), [("ANY", "other"), ("AUTO", "write_file"), ("NONE", None)]
)
async def test_tool_config_decides_whether_a_tool_is_called(
    mode: str, name: str | None
) -> None:
    tools = [{"functionDeclarations": [DECLARED, {**DECLARED, "name": "other"}]}]
    calling: dict[str, Any] = {"mode": mode}
    if mode == "ANY":
        calling["allowedFunctionNames"] = ["other"]
    config = {"functionCallingConfig": calling}
    [part] = parts(await answered(tools=tools, toolConfig=config))

    assert part.get("functionCall", {}).get("name") == name


async def test_key_comes_in_the_header_or_in_the_address() -> None:
    async with in_process(make_settings("gemini")) as desk:
        path = "/gemini/v1beta/models/slot:generateContent"
        body = {"contents": [HELLO]}
        stranger = await desk.client.post(path, json=body)
        known = await desk.client.post(f"{path}?key=emulated", json=body)

    assert stranger.status_code == 403
    assert stranger.json()["error"]["status"] == "PERMISSION_DENIED"
    assert known.status_code == 200


@pytest.mark.parametrize("more", [{"contents": []}, {"contents": [{}]}, {"tools": [1]}])
async def test_malformed_request_is_an_invalid_argument(more: dict[str, Any]) -> None:
    answer = await answered(**more)

    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_retired_model_is_not_found() -> None:
    answer = await answered(model="gemini-2.0-flash")

    assert answer.status_code == 404
    assert "models/gemini-2.0-flash is not found" in answer.json()["error"]["message"]


async def test_exhausted_day_advises_a_short_wait() -> None:
    limit = "1 requests/day @ America/Los_Angeles"
    async with in_process(make_settings("gemini", limit)) as desk:
        await post(desk)
        error = (await post(desk)).json()["error"]

    kinds = [detail["@type"].rpartition(".")[2] for detail in error["details"]]
    assert kinds == ["Help", "QuotaFailure", "RetryInfo"]
    assert error["details"][2]["retryDelay"] == "47s"
    assert "Please retry in 47s." in error["message"]


async def test_quota_of_nothing_is_refused_as_if_it_would_pass() -> None:
    answer = await answered(limits=("0 requests/day @ UTC",))

    error = answer.json()["error"]
    assert "limit: 0, model:" in error["message"]
    assert error["details"][1]["violations"][0]["quotaValue"] == "0"
    assert error["details"][2]["retryDelay"] == "47s"


@pytest.mark.parametrize(
    ("contents", "status"),
    [
        ([HELLO, {"role": "model", "parts": [CALL]}], 400),
        ([HELLO, {"role": "model", "parts": [{**CALL, "thoughtSignature": "x"}]}], 200),
        ([HELLO, {"role": "model", "parts": [CALL]}, HELLO], 200),
    ],
)
async def test_gemini_3_wants_its_calls_back_signed(
    contents: list[Any], status: int
) -> None:
    slot = {"name": "slot", "model": "gemini/gemini-3.5-flash-lite"}
    async with in_process(make_settings("gemini", deployments=[slot])) as desk:
        made = await post(desk, "gemini-3.5-flash-lite", **TOOLS)
        answer = await post(desk, "gemini-3.5-flash-lite", contents=contents, **TOOLS)

    assert parts(made)[0]["thoughtSignature"]
    assert answer.status_code == status
    assert ("thought_signature" in answer.text) is (status == 400)


@pytest.mark.parametrize("streamed", [False, True])
async def test_broken_answers_are_broken_in_this_protocol_too(streamed: bool) -> None:
    said = {}
    async with in_process(make_settings("gemini")) as desk:
        for fault in ("empty", "no_choices", "error_in_200", "malformed", "html"):
            await desk.order(fault)
            said[fault] = await post(desk, stream=streamed)

    assert {answer.status_code for answer in said.values()} == {200}
    assert '"text": ""' in said["empty"].text
    assert '"candidatesTokenCount": 5' in said["empty"].text
    assert "candidates" not in said["no_choices"].text.partition("usage")[0]
    assert '"UNAVAILABLE"' in said["error_in_200"].text
    assert said["html"].text.startswith("<html>")


async def test_stream_is_cut_after_the_first_words() -> None:
    async with over_tcp(make_settings("gemini")) as desk:
        await desk.order("broken_stream")
        with pytest.raises(httpx.RemoteProtocolError):
            await post(desk, stream=True)


@pytest.mark.parametrize(
    ("method", "status"),
    [("countTokens", 404), ("streamGenerateContent", 400)],
)
async def test_other_methods_are_not_emulated(method: str, status: int) -> None:
    async with in_process(make_settings("gemini")) as desk:
        path = f"/gemini/v1beta/models/slot:{method}?key=emulated"
        answer = await desk.client.post(path, json={"contents": [HELLO]})

    assert answer.status_code == status


async def test_models_are_listed() -> None:
    async with in_process(make_settings("gemini")) as desk:
        listed = (await desk.client.get("/gemini/v1beta/models")).json()

    assert listed["models"][0]["name"] == "models/vendor/slot-1"
