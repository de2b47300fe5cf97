"""A gate of our own; `my_gates.no_promise` in tasks.yaml names it."""

import re

_PROMISE = re.compile(r"\b(we guarantee|by tomorrow|immediately)\b", re.IGNORECASE)


def no_promise(result: str, workspace: object) -> str | None:
    """Why the answer goes back to its role, or None."""
    if found := _PROMISE.search(result):
        return f"The answer promises something: {found[0]!r}. Leave that out."
    return None
