"""The words of a mistake: what was found, and what is allowed."""

from collections.abc import Iterable
from difflib import get_close_matches

import yaml

SHORT = 16
"""Characters of a text that a message may quote where no text is expected."""

_COMPARED, _LISTED, _LONGEST = 200, 60, 100
"""Names that are compared with the one found, names that a message lists, and
characters of a name that count."""


def unknown(noun: str, found: str, allowed: Iterable[str]) -> str:
    """The message for a name that does not exist, with the nearest that does."""
    names = list(allowed)
    # Comparing takes long for many names, and for long ones.
    few = [name for name in names[:_COMPARED] if len(name) <= _LONGEST]
    close = get_close_matches(found[:_LONGEST], few, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(names[:_LISTED]) or "none is defined"
    if len(names) > _LISTED:
        listed += f" and {len(names) - _LISTED} more"
    cut = "..." if len(found) > _LONGEST else ""
    return f"unknown {noun} {found[:_LONGEST]!r}{cut}; {hint}allowed: {listed}"


def shown(value: object) -> str:
    """What was found, in words. A longer text is not quoted: it may be a key."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return repr(value) if len(value) <= SHORT else "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


def broken_yaml(error: yaml.YAMLError, text: str) -> tuple[int | None, str, str]:
    """The line, the key (none) and the message of a syntax error."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return None, "", "broken YAML: a character that is not allowed"
    lines = text.splitlines() or [""]
    number = min(mark.line, len(lines) - 1)
    indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
    if "\t" in indent:
        return number + 1, "", "a tab; YAML is indented with spaces"
    problem = getattr(error, "problem", None) or "it cannot be understood"
    if "alias" in problem:
        problem = "an alias (*name) whose anchor (&name) is missing"
    context = getattr(error, "context_mark", None)
    if context is not None and context.line != number:
        problem += f" (in what starts on line {context.line + 1})"
    return number + 1, "", f"broken YAML: {problem}"
