"""One model in a provider's list, as OpenAI lists it."""

from typing import Any

from crew.settings import Deployment

Entry = dict[str, Any]
CREATED = 1_770_000_000


def upstream_id(deployment: Deployment) -> str:
    """The model's id as the provider knows it: without litellm's prefix."""
    return deployment.model.partition("/")[2] or deployment.model


def openai_entry(deployment: Deployment, *, owner: str) -> Entry:
    """As OpenAI lists a model, and whoever speaks as OpenAI does."""
    return {
        "id": upstream_id(deployment),
        "object": "model",
        "created": CREATED,
        "owned_by": owner,
    }
