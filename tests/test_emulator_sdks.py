"""The providers' own clients believe the emulator: each with its retries off."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from test_emulator_kit import make_settings, picture, served
from test_emulator_sdk_kit import (
    NOTE,
    Anthropic,
    Client,
    Failed,
    Gemini,
    Ollama,
    OpenAI,
)

CLIENTS: dict[str, Callable[[str], Client]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
    "gemini": Gemini,
    "ollama": Ollama,
}
# What each provider says: the word for the end of a text and for that of a tool call,
# a header with every answer, the words and the headers of its 429, and its overload.
ENDS = {
    "anthropic": ("end_turn", "tool_use"),
    "gemini": ("STOP", "STOP"),
    "ollama": ("stop", "stop"),
}
HEADERS = {
    "openai": {"x-ratelimit-remaining-requests": "3"},
    "anthropic": {
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:14:20Z",
    },
    "gemini": {"x-ratelimit-remaining-requests": None},
    "ollama": {},
}
REFUSED = {
    "openai": ("requests per min (RPM): Limit 4, Used 4", {"retry-after": "60"}),
    "anthropic": ("rate limit of 4 requests per minute", {"retry-after": "60"}),
    "gemini": ('"retryDelay": "60s"', {"retry-after": None}),
    "ollama": ("requests per min (RPM): Limit 4", {}),
}
FULL = {
    "openai": (503, "server_is_overloaded"),
    "anthropic": (529, "overloaded_error"),
    "gemini": (503, "The model is overloaded."),
    "ollama": (503, "server busy, please try again."),
}
SEEING = [name for name in CLIENTS if name not in ("groq", "deepseek")]
PNG = base64.b64decode(picture("PNG", (30, 20)).partition(",")[2])
LIMITS = ("4 requests/minute", "9K tokens/minute")


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """All providers, each with the same limits, behind one server."""
    accounts = [
        make_settings(
            name, *LIMITS, deployments=[{"name": name, "model": f"{name}/m-1"}]
        )
        for name in CLIENTS
    ]
    settings = replace(
        accounts[0],
        providers={n: p for a in accounts for n, p in a.providers.items()},
        deployments={n: d for a in accounts for n, d in a.deployments.items()},
    )
    with served(settings) as root:
        yield root


@pytest.fixture
def root(emulator: str) -> str:
    """The emulator, with nothing counted yet."""
    httpx.post(f"{emulator}/_control/reset", timeout=5).raise_for_status()
    return emulator


def order(root: str, provider: str, fault: str) -> None:
    """Let the next call fail."""
    body = {"provider": provider, "fault": fault}
    httpx.post(f"{root}/_control/faults", json=body, timeout=5).raise_for_status()


@pytest.mark.parametrize("provider", CLIENTS)
def test_text_usage_end_and_headers_are_understood(root: str, provider: str) -> None:
    said = CLIENTS[provider](root).ask()

    assert said.text == "A rehearsed answer."
    assert said.usage == (3, 5)
    assert said.finish == ENDS.get(provider, ("stop",))[0]
    assert {name: said.headers.get(name) for name in HEADERS[provider]} == (
        HEADERS[provider]
    )


@pytest.mark.parametrize("provider", CLIENTS)
def test_stream_is_the_same_answer_in_pieces(root: str, provider: str) -> None:
    client = CLIENTS[provider](root)
    whole, streamed = client.ask(), client.stream()

    assert (streamed.text, streamed.usage) == (whole.text, whole.usage)
    assert streamed.finish == whole.finish


@pytest.mark.parametrize("provider", CLIENTS)
def test_tool_is_called_and_its_result_is_heard(root: str, provider: str) -> None:
    client = CLIENTS[provider](root)
    first, last = client.converse()
    streamed = client.stream(tools=True)

    [(name, arguments)] = first.calls
    assert (name, arguments["path"]) == (NOTE, "rehearsal_note.py")
    assert first.finish == ENDS.get(provider, ("", "tool_calls"))[1]
    assert streamed.calls == first.calls
    assert "It was told: done" in last.text


@pytest.mark.parametrize("provider", CLIENTS)
def test_schema_is_satisfied(root: str, provider: str) -> None:
    said = CLIENTS[provider](root).ask(schema=True)

    assert json.loads(said.text) == {"verdict": "good"}


@pytest.mark.parametrize("provider", SEEING)
def test_image_is_seen(root: str, provider: str) -> None:
    said = CLIENTS[provider](root).ask(image=PNG)

    assert "a PNG image of 30x20 pixels" in said.text
    assert said.usage[0] == 3 + 85


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", CLIENTS)
def test_refusal_by_a_limit_is_understood(
    root: str, provider: str, streamed: bool
) -> None:
    words, headers = REFUSED[provider]
    client = CLIENTS[provider](root)
    for _ in range(4):
        client.ask()
    with pytest.raises(Failed) as refused:
        client.stream() if streamed else client.ask()

    assert refused.value.status == 429
    assert words in refused.value.text
    assert {n: refused.value.headers.get(n) for n in headers} == headers


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", CLIENTS)
def test_overload_is_understood(root: str, provider: str, streamed: bool) -> None:
    status, words = FULL[provider]
    client = CLIENTS[provider](root)
    order(root, provider, "capacity")
    with pytest.raises(Failed) as refused:
        client.stream() if streamed else client.ask()
    after = client.ask()

    assert refused.value.status == status
    assert words in refused.value.text
    assert after.text


@pytest.mark.parametrize("provider", CLIENTS)
def test_error_within_a_stream_is_understood(root: str, provider: str) -> None:
    order(root, provider, "error_in_stream")
    with pytest.raises(Failed) as broken:
        CLIENTS[provider](root).stream()

    assert broken.value.status in (200, -1)  # Ollama's client has no status then


@pytest.mark.parametrize("provider", CLIENTS)
def test_retired_model_is_not_found(root: str, provider: str) -> None:
    order(root, provider, "model_not_found")
    with pytest.raises(Failed) as refused:
        CLIENTS[provider](root).ask()

    assert refused.value.status == 404
    assert "m-1" in refused.value.text
