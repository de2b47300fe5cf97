"""The families that are known, by litellm's prefix; everybody else speaks OpenAI."""

from collections.abc import Mapping

from crew.providers.families.anthropic import ANTHROPIC
from crew.providers.families.deepseek import DEEPSEEK
from crew.providers.families.family import Family
from crew.providers.families.gateways import (
    HOSTED_VLLM,
    LITELLM_PROXY,
    LLAMA_CPP,
    OWN_SERVERS,
)
from crew.providers.families.gemini import GEMINI
from crew.providers.families.groq import GROQ
from crew.providers.families.mistral import MISTRAL
from crew.providers.families.moonshot import MOONSHOT
from crew.providers.families.nvidia_nim import NVIDIA_NIM
from crew.providers.families.ollama import OLLAMA, OLLAMA_CHAT
from crew.providers.families.openai import OPENAI
from crew.providers.families.openrouter import OPENROUTER
from crew.providers.families.together import TOGETHER

# The first that knows a refusal's shape reads it: OpenRouter quotes others' bodies.
FAMILIES: tuple[Family, ...] = (
    GEMINI,
    OPENROUTER,
    ANTHROPIC,
    MISTRAL,
    TOGETHER,
    DEEPSEEK,
    GROQ,
    HOSTED_VLLM,
    LITELLM_PROXY,
    LLAMA_CPP,
    MOONSHOT,
    NVIDIA_NIM,
    OLLAMA,
    OLLAMA_CHAT,
    OPENAI,
    *OWN_SERVERS,
)
_BY_NAME: Mapping[str, Family] = {one.name: one for one in FAMILIES}


def family(name: str) -> Family:
    """The family of this name. Of an unknown one only litellm knows where its calls
    go, and in which protocol."""
    return _BY_NAME.get(name) or Family(name=name, chat_completions=False)


def makers(model: str) -> tuple[Family, ...]:
    """Whoever made the model, by its id."""
    lower = model.lower()
    return tuple(one for one in FAMILIES if any(mark in lower for mark in one.makes))
