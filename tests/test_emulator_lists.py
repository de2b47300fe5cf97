"""The emulator's lists of models, as the providers' own clients read them."""

import anthropic
import groq
import openai
from google import genai
from google.genai.types import HttpOptions
from mistralai.client import Mistral

from loopback import http
from test_emulator_kit import make_settings, served

SLOT = {"name": "slot", "context_window": 64_000, "max_output": 4_000, "tools": False}


def test_anthropics_client_reads_sizes_abilities_and_pages() -> None:
    many = [{**SLOT, "name": f"slot{number}"} for number in range(3)]
    with (
        served(make_settings("anthropic", deployments=many)) as root,
        anthropic.Anthropic(base_url=f"{root}/anthropic", api_key="x") as client,
    ):
        page = client.models.list(limit=2)

    assert [model.id for model in page.data] == ["vendor/slot0-1", "vendor/slot1-1"]
    assert (page.has_more, page.last_id) == (True, "vendor/slot1-1")
    (model, _) = page.data
    assert (model.max_input_tokens, model.max_tokens) == (64_000, 4_000)
    assert model.capabilities is not None
    assert model.capabilities.image_input.supported
    assert (model.lifecycle, model.retires_at) == ("active", None)


def test_mistrals_client_reads_abilities() -> None:
    with (
        served(make_settings("mistral", deployments=[SLOT])) as root,
        Mistral(server_url=f"{root}/mistral", api_key="x") as client,
    ):
        (model,) = client.models.list().data or []

    assert model.id == "vendor/slot-1"
    assert model.capabilities.vision
    assert not model.capabilities.function_calling
    assert model.max_context_length == 64_000


def test_googles_client_reads_sizes() -> None:
    with served(make_settings("gemini", deployments=[SLOT])) as root:
        options = HttpOptions(base_url=f"{root}/gemini")
        with genai.Client(api_key="x", http_options=options) as client:
            (model,) = client.models.list()

    assert model.name == "models/vendor/slot-1"
    assert (model.input_token_limit, model.output_token_limit) == (64_000, 4_000)
    assert "generateContent" in (model.supported_actions or [])


def test_groqs_and_openais_clients_read_ids() -> None:
    with (
        served(make_settings("groq", deployments=[SLOT])) as root,
        groq.Groq(base_url=f"{root}/groq", api_key="x") as client,
    ):
        (model,) = client.models.list().data
        with openai.OpenAI(base_url=f"{root}/groq/v1", api_key="x") as other:
            (same,) = other.models.list()

    assert model.id == same.id == "vendor/slot-1"


def test_ollama_lists_as_openai_does_at_openais_path() -> None:
    slot = {**SLOT, "model": "ollama_chat/qwen3:8b"}
    with served(make_settings("ollama", deployments=[slot])) as root:
        listed = http.get(f"{root}/ollama/v1/models").json()

    assert [model["id"] for model in listed["data"]] == ["qwen3:8b"]


def test_together_lists_at_the_top() -> None:
    with served(make_settings("together_ai", deployments=[SLOT])) as root:
        listed = http.get(f"{root}/together_ai/v1/models").json()

    assert [model["id"] for model in listed] == ["vendor/slot-1"]
