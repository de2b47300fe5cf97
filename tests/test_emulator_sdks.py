"""The providers' own clients believe the emulator: each with its retries off."""

import base64
import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import test_emulator_sdk_kit as kit
from crew.emulator import process
from crew.emulator.guide import guide
from crew.settings.loader import load_settings
from hangs import HANGS_AFTER
from test_emulator_kit import make_settings, picture, served
from test_emulator_sdk_kit import NOTE, Client, Failed

CLIENTS: dict[str, Callable[[str, str], Client]] = {
    "openai": kit.OpenAI,
    "anthropic": kit.Anthropic,
    "gemini": kit.Gemini,
    "openrouter": kit.OpenRouter,
    "together_ai": kit.Together,
    "groq": kit.Groq,
    "mistral": kit.Mistral,
    "deepseek": kit.DeepSeek,
    "ollama": kit.Ollama,
}
SEEING = [name for name in CLIENTS if name != "deepseek"]
PNG = base64.b64decode(picture("PNG", (30, 20)).partition(",")[2])
LIMITS = ("4 requests/minute", "100 requests/day @ UTC", "9K tokens/minute")

# The provider's words for the end of a text, and for a call.
ENDS = {
    "anthropic": ("end_turn", "tool_use"),
    "gemini": ("STOP", "STOP"),
    "ollama": ("stop", "stop"),
}
# Headers of the first answer.
HEADERS: dict[str, dict[str, str | None]] = {
    "openai": {
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "1m0s",
    },
    "anthropic": {
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:14:20Z",
    },
    "gemini": {"x-ratelimit-remaining-requests": None},
    "openrouter": {"x-ratelimit-remaining": None},
    "together_ai": {"x-ratelimit-limit": "1", "x-tokenlimit-limit-dynamic": "150"},
    "groq": {
        "x-ratelimit-remaining-requests": "99",
        "x-ratelimit-limit-tokens": "9000",
        "x-ratelimit-reset-tokens": "1m0s",
    },
    "mistral": {"ratelimitbysize-limit": "9000", "ratelimitbysize-reset": "60"},
    "deepseek": {},
    "ollama": {},
}
# Words and headers of the fifth.
REFUSED: dict[str, tuple[str, dict[str, str | None]]] = {
    "openai": ("requests per min (RPM): Limit 4, Used 4", {"retry-after": "60"}),
    "anthropic": ("rate limit of 4 requests per minute", {"retry-after": "60"}),
    "gemini": ('"retryDelay": "60s"', {"retry-after": None}),
    "openrouter": ('"X-RateLimit-Reset": "1700000060000"', {"retry-after": None}),
    "together_ai": ("dynamic_request_limited", {"x-ratelimit-remaining": "0"}),
    "groq": ("`on_demand` on requests per min (RPM)", {"retry-after": "60"}),
    "mistral": ('"1300"', {"retry-after": None}),
    "deepseek": ("Rate limit reached", {"retry-after": None}),
    "ollama": ("requests per min (RPM): Limit 4", {}),
}
# Status and words of an overload.
FULL = {
    "openai": (503, "server_is_overloaded"),
    "anthropic": (529, "overloaded_error"),
    "gemini": (503, "The model is overloaded."),
    "openrouter": (429, "temporarily rate-limited upstream"),
    "together_ai": (503, "server_is_overloaded"),
    "groq": (503, "server_is_overloaded"),
    "mistral": (429, "Service tier capacity exceeded"),
    "deepseek": (503, "Server Overloaded"),
    "ollama": (503, "server busy, please try again."),
}


class Emulator:
    """All providers, each with the same limits, behind one server."""

    def __init__(self, root: str, http: httpx.Client) -> None:
        self.http = http
        # A client takes a tenth of a second to make.
        self.clients = {name: made(root, name) for name, made in CLIENTS.items()}

    def order(self, provider: str, fault: str) -> None:
        """Let the next call fail."""
        body = {"provider": provider, "fault": fault}
        self.http.post("/_control/faults", json=body).raise_for_status()


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    deployments = {n: {"name": n, "model": f"{n}/{kit.MODEL}"} for n in CLIENTS}
    accounts = [
        make_settings(name, *LIMITS, deployments=[deployment])
        for name, deployment in deployments.items()
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


@pytest.mark.parametrize("provider", CLIENTS)
def test_text_and_headers_are_understood(emulator: Emulator, provider: str) -> None:
    said = emulator.clients[provider].ask()

    assert said.text == "A rehearsed answer."
    assert said.usage == (3, 5)
    assert said.finish == ENDS.get(provider, ("stop",))[0]
    assert {name: said.headers.get(name) for name in HEADERS[provider]} == (
        HEADERS[provider]
    )


@pytest.mark.parametrize("provider", CLIENTS)
def test_stream_is_the_same_answer_in_pieces(emulator: Emulator, provider: str) -> None:
    client = emulator.clients[provider]
    whole, streamed = client.ask(), client.stream()

    assert (streamed.text, streamed.usage) == (whole.text, whole.usage)
    assert streamed.finish == whole.finish


@pytest.mark.parametrize("provider", CLIENTS)
def test_tool_is_called_and_its_result_heard(emulator: Emulator, provider: str) -> None:
    client = emulator.clients[provider]
    first, last = client.converse()
    streamed = client.stream(tools=True)

    [(name, arguments)] = first.calls
    assert (name, arguments["path"]) == (NOTE, "rehearsal_note.py")
    assert first.finish == ENDS.get(provider, ("", "tool_calls"))[1]
    assert streamed.calls == first.calls
    assert "It was told: done" in last.text


@pytest.mark.parametrize("provider", CLIENTS)
def test_schema_is_satisfied(emulator: Emulator, provider: str) -> None:
    said = emulator.clients[provider].ask(schema=True)

    assert json.loads(said.text) == {"verdict": "good"}


@pytest.mark.parametrize("provider", SEEING)
def test_image_is_seen(emulator: Emulator, provider: str) -> None:
    said = emulator.clients[provider].ask(image=PNG)

    assert "a PNG image of 30x20 pixels" in said.text
    assert said.usage[0] == 3 + 85


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", CLIENTS)
def test_refusal_by_a_limit_is_understood(
    emulator: Emulator, provider: str, streamed: bool
) -> None:
    words, headers = REFUSED[provider]
    client = emulator.clients[provider]
    for _ in range(4):
        client.ask()
    with pytest.raises(Failed) as refused:
        client.stream() if streamed else client.ask()

    assert refused.value.status == 429
    assert words in refused.value.text
    assert {n: refused.value.headers.get(n) for n in headers} == headers


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", CLIENTS)
def test_overload_is_understood(
    emulator: Emulator, provider: str, streamed: bool
) -> None:
    status, words = FULL[provider]
    client = emulator.clients[provider]
    emulator.order(provider, "capacity")
    with pytest.raises(Failed) as refused:
        client.stream() if streamed else client.ask()
    after = client.ask()

    assert refused.value.status == status
    assert words in refused.value.text
    assert after.text


@pytest.mark.parametrize("provider", CLIENTS)
def test_error_within_a_stream_is_understood(emulator: Emulator, provider: str) -> None:
    emulator.order(provider, "error_in_stream")
    with pytest.raises(Failed) as broken:
        emulator.clients[provider].stream()

    assert broken.value.status in (200, -1)  # Ollama's client has no status then


@pytest.mark.parametrize("provider", CLIENTS)
def test_retired_model_is_not_found(emulator: Emulator, provider: str) -> None:
    emulator.order(provider, "model_not_found")
    with pytest.raises(Failed) as refused:
        emulator.clients[provider].ask()

    assert refused.value.status == 404
    assert "m-1" in refused.value.text


def test_a_client_of_each_kind_calls_the_emulator_as_its_guide_shows() -> None:
    config = Path(__file__).parents[1] / "config"
    settings = load_settings(config, environ={})
    listed: dict[str, Callable[[Any], object]] = {
        "anthropic": lambda client: client.models.list(),
        "openai": lambda client: client.models.list(),
        "google": lambda client: list(client.models.list()),
        "ollama": lambda client: client.list(),
    }

    with process.running(config) as root:
        lines = [line.strip() for line in guide(settings, root)]
        for example in lines[lines.index("Clients (any text is a key):") + 1 :]:
            package = example.partition(".")[0]
            importlib.import_module("google.genai")
            names = {package: importlib.import_module(package)}

            assert listed.pop(package)(eval(example, names))

    assert listed == {}
