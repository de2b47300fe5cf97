"""The parameters of a deployment, as litellm sends them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import litellm
from litellm.constants import DEFAULT_CHAT_COMPLETION_PARAM_VALUES

from crew.providers.prompt import kept_parameters
from crew.settings import Deployment


def own_parameters(deployment: Deployment) -> Mapping[str, Any]:
    """What the YAML has sent with each call, and what tells litellm to leave none of
    it out: it does so, without a word, where it does not know that a model takes it."""
    given = deployment.parameters
    taken = _untranslated(deployment.model, tuple(given))
    kept = kept_parameters(deployment).get("allowed_openai_params", [])
    allowed = {"allowed_openai_params": [*kept, *taken]} if kept or taken else {}
    return {**given, **allowed}


@lru_cache(maxsize=256)
def _untranslated(model: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of OpenAI's parameters for which litellm knows no other form there. Those
    that it translates must not go out twice."""
    openais = [name for name in names if name in DEFAULT_CHAT_COMPLETION_PARAM_VALUES]
    if not openais:
        return ()
    bare, provider, _, _ = litellm.get_llm_provider(model, api_key="none")
    supported = litellm.get_supported_openai_params(bare, provider) or ()
    return tuple(name for name in openais if name not in supported)
