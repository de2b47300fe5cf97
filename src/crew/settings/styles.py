"""Styles of prompts: what stands before a conversation, worded for one model.

A style is a text of ours or of the user's. It never changes the conversation itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

FILE = ".md"
"""How the name of a style ends that is a file beside the YAML."""
_FORM = (
    "Where the text below asks for a form, or names tools, that goes before this style."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One style: its name in the YAML, and the text that is sent; without a text
    nothing is sent."""

    name: str
    text: str

    @property
    def characters(self) -> int:
        """How much a conversation grows by it, with the blank line behind it."""
        return len(self.text) + 2 if self.text else 0

    @property
    def tokens(self) -> int:
        """A first guess of the same in tokens."""
        return ceil(self.characters / 4)


def _style(name: str, text: str) -> Style:
    return Style(name=name, text=f"{text} {_FORM}")


NONE = Style(name="none", text="")
"""The conversation as it is."""
BUILT_IN: Mapping[str, Style] = {
    one.name: one
    for one in (
        _style(
            "step_by_step",
            "Work step by step. Find out what is asked and what you know, take one "
            "step after the other, and check each result before you build on it. "
            "Check the whole once more before you answer.",
        ),
        _style(
            "structured",
            "The text below has parts: who you are, what the task is, its context, "
            "and what the result must be. Read every part in detail. Structure your "
            "answer as clearly: one part for each thing that is asked, in the same "
            "order, with nothing left out.",
        ),
        _style("direct", "Be direct and short. Do what is asked and nothing else."),
        _style(
            "conversational",
            "You work on this with a colleague who knows the matter well. Take all of "
            "the context below into account, and write as you would to that "
            "colleague: whole sentences, with the reasons for what you decide. Nobody "
            "answers questions in between; decide what is open, and say so.",
        ),
        NONE,
    )
}
"""The styles that need no file, by name."""
FAMILIES: Mapping[str, str] = {
    "deepseek": "step_by_step",
    "gemini": "structured",
    "claude": "conversational",
    "llama": "direct",
}
"""The style of a family of models where the YAML gives none. A model belongs to the
first family whose word its id holds."""


def style_name(value: str) -> str:
    """The name of a style as it stands in the YAML. Raises ValueError."""
    if value in BUILT_IN or value.endswith(FILE):
        return value
    raise ValueError(f"{value!r} is no style; allowed: {', '.join(BUILT_IN)}, FILE.md")
