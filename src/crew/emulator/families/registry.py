"""The families that are played, by name; everybody else speaks as OpenAI does."""

from crew.emulator.families.anthropic import ANTHROPIC
from crew.emulator.families.deepseek import DEEPSEEK
from crew.emulator.families.family import Family
from crew.emulator.families.gemini import GEMINI
from crew.emulator.families.groq import GROQ
from crew.emulator.families.mistral import MISTRAL
from crew.emulator.families.nvidia_nim import NVIDIA_NIM
from crew.emulator.families.ollama import OLLAMA
from crew.emulator.families.openai import OPENAI
from crew.emulator.families.openrouter import OPENROUTER
from crew.emulator.families.together import TOGETHER
from crew.emulator.families.zai import ZAI
from crew.settings import Deployment

FAMILIES: tuple[Family, ...] = (
    OPENAI,
    GROQ,
    ANTHROPIC,
    GEMINI,
    OPENROUTER,
    TOGETHER,
    MISTRAL,
    DEEPSEEK,
    NVIDIA_NIM,
    OLLAMA,
    ZAI,
)
_BY_NAME = {one.name: one for one in FAMILIES}
BY_PREFIX = {one.prefix: one for one in FAMILIES}
"""The families by litellm's prefix."""


def family(name: str) -> Family:
    """The family of this name."""
    return _BY_NAME.get(name) or Family(name)


def family_of(deployment: Deployment) -> Family:
    """How the deployment's provider speaks: by its name, else by litellm's prefix."""
    name = deployment.provider.name
    prefix = deployment.family.removesuffix("_chat")
    return _BY_NAME.get(name) or family(prefix)
