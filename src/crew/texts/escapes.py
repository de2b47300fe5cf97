"""Control characters made visible, in whatever models, providers and files wrote."""

import re

# By code point: `regex` has names for them, and takes long to load and to search.
_HOSTILE = re.compile(
    # Control characters and ANSI escapes, but for tab and newline.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    # What turns the direction of the text.
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    # Line ends that only some terminals know; tags, which nobody sees; lone surrogates.
    "\u2028\u2029\U000e0000-\U000e007f\ud800-\udfff]"
)


def escape_control(text: str) -> str:
    """A text as a terminal may show it: what would move the cursor, or show another
    text than is there, is written out, such as `\\x1b`."""
    return _HOSTILE.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
