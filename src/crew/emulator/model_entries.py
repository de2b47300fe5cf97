"""One model in a provider's list, in the shape of each family.

Sources, as of 2026-11: see crew.providers.listing, which reads them.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from crew.emulator.dialects import family_of, upstream_id
from crew.settings import Deployment

Entry = dict[str, Any]
_CREATED = 1_770_000_000
_MILLION = 1_000_000


def entry_of(deployment: Deployment) -> Entry:
    """The deployment's model as its provider lists it."""
    return _ENTRIES.get(family_of(deployment), openai_entry)(deployment)


def openai_entry(deployment: Deployment) -> Entry:
    """As OpenAI lists a model, and whoever speaks as OpenAI does."""
    owner = {"owned_by": family_of(deployment)}
    plain = {"id": upstream_id(deployment), "object": "model", "created": _CREATED}
    return plain | owner


def _anthropic(deployment: Deployment) -> Entry:
    yes, no = {"supported": True}, {"supported": False}
    return {
        "type": "model",
        "id": upstream_id(deployment),
        "display_name": deployment.name,
        "created_at": datetime.fromtimestamp(_CREATED, UTC).isoformat(),
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": deployment.context_window,
        "max_tokens": deployment.max_output,
        "capabilities": {
            "batch": no,
            "image_input": yes if deployment.vision else no,
            "structured_outputs": yes if deployment.tools else no,
        },
    }


def _openrouter(deployment: Deployment) -> Entry:
    seen = ["text", "image"] if deployment.vision else ["text"]
    able = ["tools", "tool_choice"] if deployment.tools else []
    entry: Entry = {
        "id": upstream_id(deployment),
        "canonical_slug": upstream_id(deployment).partition(":")[0],
        "name": deployment.name,
        "created": _CREATED,
        "context_length": deployment.context_window,
        "architecture": {
            "modality": f"{'+'.join(seen)}->text",
            "input_modalities": seen,
            "output_modalities": ["text"],
            "tokenizer": "Other",
        },
        "top_provider": {
            "context_length": deployment.context_window,
            "max_completion_tokens": deployment.max_output,
            "is_moderated": False,
        },
        "supported_parameters": ["max_tokens", "temperature", *able],
        "expiration_date": None,
    }
    if deployment.price is not None:
        price = deployment.price
        sides = {"prompt": price.input, "completion": price.output}
        entry["pricing"] = {side: _per_token(usd) for side, usd in sides.items()}
    return entry


def _per_token(usd: Decimal) -> str:
    """Dollars for one token, as text."""
    return f"{(usd / _MILLION).normalize():f}"


def _mistral(deployment: Deployment) -> Entry:
    return openai_entry(deployment) | {
        "type": "base",
        "owned_by": "mistralai",
        "name": upstream_id(deployment),
        "aliases": [],
        "max_context_length": deployment.context_window,
        "capabilities": {
            "completion_chat": True,
            "function_calling": deployment.tools,
            "vision": deployment.vision,
        },
        "deprecation": None,
        "deprecation_replacement_model": None,
    }


def _gemini(deployment: Deployment) -> Entry:
    return {
        "name": f"models/{upstream_id(deployment)}",
        "displayName": deployment.name,
        "version": "001",
        "inputTokenLimit": deployment.context_window,
        "outputTokenLimit": deployment.max_output,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _groq(deployment: Deployment) -> Entry:
    return openai_entry(deployment) | {
        "active": True,
        "context_window": deployment.context_window,
        "max_completion_tokens": deployment.max_output,
        "public_apps": None,
    }


def _together(deployment: Deployment) -> Entry:
    sides = {"input": 0.0, "output": 0.0}
    if deployment.price is not None:
        price = deployment.price
        sides = {"input": float(price.input), "output": float(price.output)}
    return openai_entry(deployment) | {
        "type": "chat",
        "display_name": deployment.name,
        "context_length": deployment.context_window,
        "pricing": {"hourly": 0, "base": 0, "finetune": 0, **sides},
    }


def _ollama(deployment: Deployment) -> Entry:
    name = upstream_id(deployment)
    return {"name": name, "model": name, "size": 0, "details": {"format": "gguf"}}


_ENTRIES: Mapping[str, Callable[[Deployment], Entry]] = {
    "anthropic": _anthropic,
    "gemini": _gemini,
    "groq": _groq,
    "mistral": _mistral,
    "ollama": _ollama,
    "openrouter": _openrouter,
    "together_ai": _together,
}
