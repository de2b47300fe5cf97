"""Marks around a text that others wrote: a model sees where it begins and ends."""

import hashlib

from crew.texts.escapes import escape_control


def marked(text: str) -> str:
    """The text between two lines of a mark that cannot be part of it: the mark is
    made of the text's hash."""
    text = escape_control(text)
    mark = f"=== {hashlib.sha256(text.encode(errors='replace')).hexdigest()[:12]} ==="
    return f"{mark}\n{text}\n{mark}"
