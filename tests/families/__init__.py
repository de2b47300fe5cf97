"""Captured answers of the providers, one module per family.

The bodies are captured ones, shortened; ids of organisations are made up.
"""

from families import (
    anthropic,
    cerebras,
    deepseek,
    gemini,
    groq,
    mistral,
    moonshot,
    ollama_chat,
    openai,
    openrouter,
    together_ai,
    unknown,
)
from families.captured import Case, HeaderCase

REFUSALS: tuple[Case, ...] = (
    *gemini.REFUSALS,
    *openai.REFUSALS,
    *groq.REFUSALS,
    *anthropic.REFUSALS,
    *openrouter.REFUSALS,
    *mistral.REFUSALS,
    *together_ai.REFUSALS,
    *deepseek.REFUSALS,
    *ollama_chat.REFUSALS,
)
HEADERS: tuple[HeaderCase, ...] = (
    *anthropic.HEADERS,
    *cerebras.HEADERS,
    *gemini.HEADERS,
    *groq.HEADERS,
    *mistral.HEADERS,
    *openai.HEADERS,
    *together_ai.HEADERS,
    *unknown.HEADERS,
)
UNSUPPORTED: tuple[tuple[str, int, str], ...] = (
    *anthropic.UNSUPPORTED,
    *deepseek.UNSUPPORTED,
    *gemini.UNSUPPORTED,
    *groq.UNSUPPORTED,
    *mistral.UNSUPPORTED,
    *moonshot.UNSUPPORTED,
    *ollama_chat.UNSUPPORTED,
    *openai.UNSUPPORTED,
    *together_ai.UNSUPPORTED,
)
