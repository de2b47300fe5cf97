"""Which style of prompt a deployment gets (pure)."""

from collections.abc import Mapping
from functools import lru_cache

from crew.settings.styles import FAMILIES, NONE, Style
from crew.settings.values import Deployment, Settings


def style_for(
    settings: Settings, deployment: Deployment, override: str | None = None
) -> Style:
    """The style of a deployment: `override`, else its own `prompt`, else that of its
    family by `prompts`, else the default of its family. Raises KeyError for a name
    that is neither built in nor among the settings' styles."""
    name = override or deployment.prompt or _of_family(settings.prompts, deployment)
    name = name or _of_family(FAMILIES, deployment)
    return settings.styles[name] if name else NONE


def _of_family(styles: Mapping[str, str], deployment: Deployment) -> str | None:
    return _first(tuple(styles.items()), deployment.model) if styles else None


@lru_cache(maxsize=1024)
def _first(styles: tuple[tuple[str, str], ...], model: str) -> str | None:
    """Kept: each call asks it of every deployment."""
    return next((name for word, name in styles if _holds(model, word)), None)


def is_of(deployment: Deployment, word: str) -> bool:
    """Whether a model belongs to a family: its id holds the word. litellm's prefix
    does not count, which names a service: `ollama_chat/qwen3` is no Llama."""
    return _holds(deployment.model, word)


def _holds(model: str, word: str) -> bool:
    return word.lower() in (model.partition("/")[2] or model).lower()
