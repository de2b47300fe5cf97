"""Captured answers of Ollama."""

from crew.errors import ModelGone
from families.captured import Case

REFUSALS: tuple[Case, ...] = (
    Case(
        "no such model",
        "ollama_chat",
        404,
        {"error": 'model "qwen3" not found, try pulling it first'},
        ModelGone,
    ),
)

UNSUPPORTED = (
    ("ollama_chat", 400, "library/gemma3:4b does not support tools"),
    ("ollama_chat", 500, "this model is missing data required for image input"),
)
