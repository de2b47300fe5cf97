"""litellm's own path to each provider ends at the emulator's door."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import litellm
import openai
import pytest

import crew.providers.transport  # noqa: F401  sets litellm up as the crew does
from hangs import HANGS_AFTER
from test_emulator_kit import make_settings, picture, served

# Below the emulator's root, by the `path` of each of `crew.emulator.families`.
BASES = {
    "openai/gpt-5.6": "openai/v1",
    "anthropic/claude-sonnet-5": "anthropic",
    "gemini/gemini-3.5-flash-lite": "gemini/v1beta",
    "openrouter/z-ai/glm-5.2:free": "openrouter/api/v1",
    "together_ai/openai/gpt-oss-120b": "together_ai/v1",
    "groq/openai/gpt-oss-120b": "groq/openai/v1",
    "mistral/mistral-small-latest": "mistral/v1",
    "deepseek/deepseek-v4-flash": "deepseek/beta",
    "ollama_chat/qwen3:8b": "ollama",
}
MODELS = list(BASES)
REASONS = "openai/gpt-5.6"
"""It takes tools only when it is not to reason."""
# litellm keeps its clients, and with them the loop on which they were made.
on_one_loop = pytest.mark.asyncio(loop_scope="module")
TOOL = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["path", "content"],
        },
    },
}
HELLO = {"role": "user", "content": "Say hello."}
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["verdict"],
    "additionalProperties": False,
}


class Emulator:
    """All providers behind one server, asked through litellm."""

    def __init__(self, root: str, http: httpx.Client) -> None:
        self.root = root
        self.http = http

    def arguments(self, model: str, **more: Any) -> dict[str, Any]:
        return {
            "model": model,
            "messages": [HELLO],
            "api_base": f"{self.root}/{BASES[model]}",
            "api_key": "emulated",
            "timeout": HANGS_AFTER,
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
            "_skip_mcp_handler": True,
            **({"reasoning_effort": "none"} if model == REASONS else {}),
            **more,
        }

    def ask(self, model: str, **more: Any) -> Any:
        return litellm.completion(**self.arguments(model, **more))

    async def ask_later(self, model: str, **more: Any) -> Any:
        return await litellm.acompletion(**self.arguments(model, **more))

    def order(self, model: str, fault: str, **more: object) -> None:
        body = {"provider": provider_of(model), "fault": fault, **more}
        self.http.post("/_control/faults", json=body).raise_for_status()

    def seen(self) -> list[dict[str, Any]]:
        """The requests that came."""
        found: list[dict[str, Any]] = self.http.get("/_control/requests").json()
        return found


# What litellm makes of an overload where it is not the status that was sent.
SEEN_AS = {"anthropic": 500, "gemini": 500, "openrouter": 429, "mistral": 429}


def status(error: openai.APIError) -> int:
    """litellm's classes all have one, its base does not say so."""
    found: int = error.status_code  # type: ignore[attr-defined]
    return found


def provider_of(model: str) -> str:
    return BASES[model].partition("/")[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    accounts = [
        make_settings(
            provider_of(model),
            "9 requests/minute",
            "9K tokens/minute",
            deployments=[{"name": provider_of(model), "model": model}],
        )
        for model in MODELS
    ]
    settings = replace(
        accounts[0],
        providers={n: p for a in accounts for n, p in a.providers.items()},
        deployments={n: d for a in accounts for n, d in a.deployments.items()},
    )
    with (
        served(settings) as root,
        httpx.Client(base_url=root, timeout=HANGS_AFTER) as http,
    ):
        yield Emulator(root, http)


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    """The emulator, with nothing counted yet."""
    running.http.post("/_control/reset").raise_for_status()
    return running


@on_one_loop
@pytest.mark.parametrize("model", MODELS)
async def test_text_and_usage_arrive(emulator: Emulator, model: str) -> None:
    for response in (emulator.ask(model), await emulator.ask_later(model)):
        choice, usage = response.choices[0], response.usage
        assert choice.message.content == "A rehearsed answer."
        assert choice.finish_reason == "stop"
        assert (usage.prompt_tokens, usage.completion_tokens) == (3, 5)

    assert len(emulator.seen()) == 2


@on_one_loop
@pytest.mark.parametrize("model", MODELS)
async def test_stream_arrives(emulator: Emulator, model: str) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(emulator.ask(model, **options))
    later = [chunk async for chunk in await emulator.ask_later(model, **options)]

    for found in (chunks, later):
        whole: Any = litellm.stream_chunk_builder(found, messages=[HELLO])
        assert whole.choices[0].message.content == "A rehearsed answer."
        assert whole.choices[0].finish_reason == "stop"
        usage = whole.usage
        assert (usage.prompt_tokens, usage.completion_tokens) == (3, 5)
    assert [seen["stream"] for seen in emulator.seen()] == [True, True]


@on_one_loop
@pytest.mark.parametrize("model", MODELS)
async def test_tools_are_called_and_heard(emulator: Emulator, model: str) -> None:
    for streamed in (False, True):
        response = emulator.ask(model, tools=[TOOL], stream=streamed)
        if streamed:
            response = litellm.stream_chunk_builder(list(response), messages=[HELLO])
        message = response.choices[0].message
        [call] = message.tool_calls
        assert call.function.name == "write_file"
        assert json.loads(call.function.arguments)["path"] == "rehearsal_note.py"
        assert response.choices[0].finish_reason == "tool_calls"
        said = message.model_dump(exclude_none=True)
        result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
        messages = [HELLO, said, result]
        last = await emulator.ask_later(model, messages=messages, tools=[TOOL])
        assert "It was told: done" in last.choices[0].message.content
    assert [seen["tools"] for seen in emulator.seen()] == [["write_file"]] * 4


def test_conversation_moves_from_any_to_any_in_mid_turn(emulator: Emulator) -> None:
    refusals = []
    for source in MODELS:
        call = emulator.ask(source, tools=[TOOL]).choices[0].message.tool_calls[0]
        function = {"name": call.function.name, "arguments": call.function.arguments}
        said = {"id": call.id, "type": "function", "function": function}
        turn = [
            HELLO,
            {"role": "assistant", "content": None, "tool_calls": [said]},
            {"role": "tool", "tool_call_id": call.id, "content": "done"},
        ]
        for target in MODELS:
            emulator.http.post("/_control/reset").raise_for_status()
            try:
                heard = emulator.ask(target, messages=turn, tools=[TOOL])
            except litellm.BadRequestError:
                refusals.append((source, target))
            else:
                assert "It was told: done" in heard.choices[0].message.content

    # litellm hands the ids on as they are; Mistral takes back only such as its own.
    # DeepSeek wants to hear what it thought before it called, which nobody kept here.
    wanting = {"deepseek/deepseek-v4-flash", "mistral/mistral-small-latest"}
    assert {target for _, target in refusals} == wanting
    assert len(refusals) == 2 * len(MODELS) - 1


@pytest.mark.parametrize("model", MODELS)
def test_schema_is_satisfied(emulator: Emulator, model: str) -> None:
    named = {"name": "verdict", "schema": SCHEMA, "strict": True}
    form = {"type": "json_schema", "json_schema": named}
    said = emulator.ask(model, response_format=form).choices[0].message.content

    assert json.loads(said) == {"verdict": "good"}


@pytest.mark.parametrize("model", [m for m in MODELS if "deepseek" not in m])
def test_image_is_seen(emulator: Emulator, model: str) -> None:
    parts = [
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": picture("PNG", (30, 20))}},
    ]
    said = emulator.ask(model, messages=[{"role": "user", "content": parts}])

    assert "PNG image of 30x20" in said.choices[0].message.content


@on_one_loop
@pytest.mark.parametrize("model", MODELS)
async def test_refusal_arrives_as_one(emulator: Emulator, model: str) -> None:
    emulator.order(model, "rate_limit", times=4, retry_after=7)
    for streamed in (False, True):
        # Gemini's stream raises another class than the other eight.
        with pytest.raises(openai.APIError) as refused:
            list(emulator.ask(model, stream=streamed))
        with pytest.raises(openai.APIError) as refused_later:
            chunks = await emulator.ask_later(model, stream=streamed)
            [chunk async for chunk in chunks]
        assert status(refused.value) == status(refused_later.value) == 429

    assert len(emulator.seen()) == 4


@pytest.mark.parametrize("model", MODELS)
def test_overload_is_no_answer(emulator: Emulator, model: str) -> None:
    emulator.order(model, "capacity")
    with pytest.raises(openai.APIError) as failed:
        emulator.ask(model)

    assert status(failed.value) == SEEN_AS.get(provider_of(model), 503)
    assert emulator.ask(model).choices[0].message.content


HEADERS = {
    "openai/gpt-5.6": "x-ratelimit-remaining-requests",
    "anthropic/claude-sonnet-5": "anthropic-ratelimit-requests-remaining",
    "together_ai/openai/gpt-oss-120b": "x-tokenlimit-limit",
    "groq/openai/gpt-oss-120b": "x-ratelimit-limit-tokens",
    "mistral/mistral-small-latest": "ratelimitbysize-limit",
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", HEADERS)
def test_headers_arrive(emulator: Emulator, model: str, streamed: bool) -> None:
    response = emulator.ask(model, stream=streamed)
    reported = response._hidden_params.get("additional_headers") or {}
    if streamed:
        list(response)

    # Of Groq's answers in one piece litellm below 1.110 drops them; `transport` keeps
    # its own.
    if (provider_of(model), streamed) != ("groq", False):
        assert f"llm_provider-{HEADERS[model]}" in reported
