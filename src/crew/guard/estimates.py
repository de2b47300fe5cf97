"""How many tokens a call will take: guessed from characters, corrected by actuals.

No tokenizer: it would have to be downloaded, and each provider has its own.
"""

import threading
from math import ceil

FIRST_RATIO = 0.25
"""Tokens per character before a deployment has reported any: English text has 4 to 5
characters to a token, code 3 to 4."""
FIRST_OUTPUT = 800
"""Output tokens that a role is expected to write before it has written anything."""
IMAGE_TOKENS = 1_000
"""What an image counts: its bytes are not its tokens."""

_WEIGHT = 0.3
_INPUT_MARGIN = 1.1
_OUTPUT_MARGIN = 1.2
_FEWEST = 200
"""Characters below which the chat format's own tokens hide the ratio."""


class Estimates:
    """Tokens per character of each deployment, and output tokens of each role."""

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._lock = threading.Lock()

    def input_tokens(self, deployment: str, characters: int, images: int = 0) -> int:
        """What a conversation of so many characters will count there."""
        ratio = self._ratios.get(deployment)
        known = FIRST_RATIO if ratio is None else ratio * _INPUT_MARGIN
        return max(1, ceil(characters * known)) + images * IMAGE_TOKENS

    def output_tokens(self, role: str) -> int:
        """What to reserve for a role's next answer."""
        written = self._written.get(role)
        return FIRST_OUTPUT if written is None else ceil(written * _OUTPUT_MARGIN)

    def learn_input(self, deployment: str, characters: int, tokens: int) -> None:
        """Take note of what a conversation without images counted."""
        if characters >= _FEWEST and tokens > 0:
            with self._lock:
                _mix(self._ratios, deployment, tokens / characters)

    def learn_output(self, role: str, tokens: int) -> None:
        """Take note of the length of an answer."""
        with self._lock:
            _mix(self._written, role, float(tokens))


def _mix(known: dict[str, float], name: str, seen: float) -> None:
    """Move the average towards what was seen; the first is taken as it is."""
    average = known.get(name, seen)
    known[name] = average + _WEIGHT * (seen - average)
