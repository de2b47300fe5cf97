"""Notices: one line of text for whoever watches a run."""

from collections.abc import Callable

Listener = Callable[[str], None]
"""Told in one line what a person may want to know: a wait, a swap, a wrong key."""
