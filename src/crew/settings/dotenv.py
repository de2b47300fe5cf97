"""`.env` files: which variables one sets, and where it cannot be read."""

import io
import re

from dotenv import dotenv_values
from dotenv.parser import parse_stream

_KEY = re.compile(r"\w+_(?:KEY|TOKEN)")
"""The variables whose value is the user's to change: keys, and nothing else."""


class Broken(Exception):
    """Some lines cannot be read; they count from 1, and None is the file as a whole."""

    def __init__(self, lines: list[int | None], message: str) -> None:
        super().__init__(message)
        self.lines = lines


def variables(content: bytes) -> dict[str, str]:
    """What an `.env` sets; a name without `=` sets nothing. Raises Broken."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Broken([None], "not UTF-8; save the file as UTF-8") from None
    # dotenv passes over what it cannot read: a key would be missing silently.
    broken = [one.original for one in parse_stream(io.StringIO(text)) if one.error]
    if broken:
        lines: list[int | None] = [
            one.line + _blank_lines(one.string) for one in broken
        ]
        raise Broken(lines, "it cannot be read; write NAME=value, quotes closed")
    written = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in written.items() if value is not None}


def without_keys(content: bytes) -> bytes:
    """What of an `.env` counts where it came with a repository: all but its keys."""
    try:
        text = content.decode("utf-8-sig")
        written = dotenv_values(stream=io.StringIO(text), interpolate=False)
    except UnicodeDecodeError:
        return content
    # A key that is made of another variable could be somebody else's.
    kept = {
        name: value
        for name, value in written.items()
        if value and not (_KEY.fullmatch(name) and "$" not in value)
    }
    return repr(sorted(kept.items())).encode("utf-8", "surrogateescape")


def _blank_lines(text: str) -> int:
    """How many lines are empty before the text begins."""
    return text[: len(text) - len(text.lstrip())].count("\n")
