"""Moonshot, the maker of Kimi. Its models demand their reasoning as DeepSeek's do
(reported in 2026-03: "reasoning_content is missing")."""

from crew.providers.families.family import Family

MOONSHOT = Family(
    name="moonshot",
    # It has two hosts, of which the YAML names one.
    chat_completions=False,
    reasoning_fields=("reasoning_content",),
    passes_reasoning_on=True,
    makes=("kimi", "moonshot"),
    demands_reasoning=True,
)
