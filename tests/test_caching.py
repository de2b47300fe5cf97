"""The long prefix of a conversation is marked where the model caches by marks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from building import deployment, provider
from crew.errors import ProviderError
from crew.providers.prompt import Prompt
from crew.providers.transport import complete
from scripted import Scripted, serving

LONG = "The rules of the house. " * 400
MARK = {"type": "ephemeral"}
READ = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "read_file", "arguments": '{"path": "a.py"}'},
}
STEPS = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "print(1)"},
]
CLAUDE = ["anthropic/claude-sonnet-5", "openrouter/anthropic/claude-sonnet-5"]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


def asked(
    server: Scripted, model: str, messages: list[Any], tools: list[Any] | None = None
) -> bytes:
    """The request that goes out; the answer does not matter."""
    server.canned = (500, {"error": {"message": "down"}})
    family = model.partition("/")[0]
    url = server.url.removesuffix("/v1") if family == "anthropic" else server.url
    slot = deployment("slot", provider(family, base_url=url), model=model)
    with pytest.raises(ProviderError):
        complete(slot, Prompt(messages=messages, tools=tools), now=0.0)
    return server.bodies[-1]


def begun(system: str = LONG, user: str = LONG) -> list[Any]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def marks(value: object) -> int:
    """How many marks stand anywhere in a request."""
    if isinstance(value, dict):
        own = value.get("cache_control") == MARK
        return own + sum(marks(part) for part in value.values())
    return sum(marks(part) for part in value) if isinstance(value, list) else 0


@pytest.mark.parametrize("model", CLAUDE)
def test_the_long_system_prompt_and_the_first_message_are_marked(
    server: Scripted, model: str
) -> None:
    body = json.loads(asked(server, model, begun(), [READ]))

    system = body.get("system") or body["messages"][0]["content"]
    user = next(one for one in body["messages"] if one["role"] == "user")
    assert system[-1]["cache_control"] == MARK
    assert user["content"][-1]["cache_control"] == MARK
    assert marks(body) <= 4


@pytest.mark.parametrize("model", CLAUDE)
def test_what_is_short_is_not_marked(server: Scripted, model: str) -> None:
    assert marks(json.loads(asked(server, model, begun("Be brief.", "Hi.")))) == 0


@pytest.mark.parametrize("model", CLAUDE)
def test_an_image_behind_a_long_text_takes_the_mark(
    server: Scripted, model: str
) -> None:
    image = {"url": "data:image/png;base64,iVBORw0KGgo="}
    parts = [{"type": "text", "text": LONG}, {"type": "image_url", "image_url": image}]
    messages = [{"role": "user", "content": parts}]

    body = json.loads(asked(server, model, messages))

    assert body["messages"][0]["content"][-1]["cache_control"] == MARK
    assert marks(body) == 1


def test_many_long_parts_take_no_more_marks_than_four(server: Scripted) -> None:
    tools = [{**READ, "function": {**READ["function"], "description": LONG}}]  # type: ignore[dict-item]
    messages = [{"role": "system", "content": LONG}] * 5 + begun()

    assert marks(json.loads(asked(server, CLAUDE[0], messages, tools))) == 4


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-5.6",
        "groq/openai/gpt-oss-120b",
        "deepseek/deepseek-v4-flash",
        "openrouter/deepseek/deepseek-v4",
        "mistral/mistral-small-latest",
    ],
)
def test_nobody_else_gets_marks(server: Scripted, model: str) -> None:
    body = json.loads(asked(server, model, begun(), [READ]))

    assert marks(body) == 0
    assert body["messages"][0]["content"] == LONG


@pytest.mark.parametrize("model", [*CLAUDE, "openai/gpt-5.6"])
def test_two_calls_of_a_task_share_their_prefix_byte_for_byte(
    server: Scripted, model: str
) -> None:
    first = asked(server, model, begun(), [READ])
    second = asked(server, model, [*begun(), *STEPS], [READ])

    for name in ("tools", "system"):
        assert piece(first, name) == piece(second, name)
    earlier = piece(first, "messages").removesuffix(b"]")
    assert len(earlier) > len(LONG)
    assert piece(second, "messages").startswith(earlier)


def piece(body: bytes, name: str) -> bytes:
    """The bytes of one value of a JSON object; empty where there is none."""
    start = body.find(f'"{name}"'.encode())
    if start < 0:
        return b""
    text = body[start:].decode().partition(":")[2].lstrip()
    return text[: json.JSONDecoder().raw_decode(text)[1]].encode()
