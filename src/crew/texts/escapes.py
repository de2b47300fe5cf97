"""Control characters made visible, in whatever models, providers and files wrote."""

import regex

_HOSTILE = regex.compile(
    # Control characters and ANSI escapes; what turns the direction of the text; line
    # ends that only some terminals know; tags, which nobody sees; lone surrogates.
    r"(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029\U000E0000-\U000E007F\p{Cs}]"
)


def escape_control(text: str) -> str:
    """A text as a terminal may show it: what would move the cursor, or show another
    text than is there, is written out, such as `\\x1b`."""
    return _HOSTILE.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: regex.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
