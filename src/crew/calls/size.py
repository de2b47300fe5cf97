"""How large a conversation is, in what can be counted without a tokenizer."""

import json
from dataclasses import dataclass
from math import ceil
from typing import Any

from crew.guard.estimates import FIRST_RATIO, IMAGE_TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSize:
    """Characters of text and tools, and the number of images."""

    characters: int
    images: int

    @property
    def tokens(self) -> int:
        """A first guess, the same for every deployment."""
        return ceil(self.characters * FIRST_RATIO) + self.images * IMAGE_TOKENS


def measure(messages: Any, tools: Any = None) -> ConversationSize:
    """The size of a conversation in OpenAI's form; a bare text is one message."""
    characters, images = len(json.dumps(tools, default=str)) if tools else 0, 0
    for block in _blocks(messages):
        if isinstance(block, dict) and block.get("type") == "image_url":
            images += 1
        else:
            text = block.get("text", "") if isinstance(block, dict) else block
            characters += len(text)
    return ConversationSize(characters=characters, images=images)


def _blocks(messages: Any) -> list[Any]:
    if isinstance(messages, str):
        return [messages]
    found: list[Any] = []
    for message in messages:
        content = message.get("content")
        found.extend(content if isinstance(content, list) else [content or ""])
        if calls := message.get("tool_calls"):
            found.append(str(calls))
    return found
