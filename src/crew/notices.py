"""Notices: one line of text for the person who watches a run."""

from collections.abc import Callable

Listener = Callable[[str], None]
"""Called with one line that a person may want to read: a wait, a swap, a wrong key."""

PAST = "PAST THE GUARD: "
"""How a line begins that names what no limit and no count holds for."""
