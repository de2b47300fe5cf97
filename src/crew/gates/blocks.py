"""The fenced blocks of a Markdown text."""

import re
from collections.abc import Iterator

# A block that is never closed counts too: the answer may have broken off.
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)(?:^```|\Z)", re.MULTILINE | re.DOTALL)


def blocks(text: str, *languages: str) -> Iterator[tuple[str, str]]:
    """The name and the source of each block in one of these languages."""
    for number, (language, source) in enumerate(BLOCK.findall(text), 1):
        if language.lower() in languages:
            yield f"code block {number} of the result", source


def prose(text: str) -> str:
    """The text without its blocks."""
    return BLOCK.sub("", text)
