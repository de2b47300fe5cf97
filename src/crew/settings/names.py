"""The names that a user gives to roles, tasks and the like, as they become names of
files, of branches and of counters on any system."""

import unicodedata
from collections.abc import Iterable, Mapping

import regex

NAME_BYTES = 200
"""A file system takes 255; a result is written under a longer, temporary name."""
_RESERVED = regex.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])",
    regex.IGNORECASE,
)
"""Names of devices on Windows, whatever follows after a dot."""
_INVISIBLE = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\U000E0000-\U000E007F]"
)
_IGNORED = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_FORBIDDEN = '/\\:*?"<>|'
_LOOSE = "/:"
"""Which of them a model's id has, and with it the name of a deployment."""


def flaw(name: str, *, loose: bool = False) -> str | None:
    """What keeps a text from being a name; None when it is one. `loose` also takes
    what looks like a model's id, such as `meta/llama:free`."""
    forbidden = _FORBIDDEN.translate({ord(one): None for one in _LOOSE * loose})
    if not _IGNORED.sub("", name).strip():
        return "a name cannot be empty"
    if _INVISIBLE.search(name):
        return "a name cannot hold control characters"
    if len(name.encode()) > NAME_BYTES:
        return f"a name has at most {NAME_BYTES} bytes"
    if found := next((one for one in name if one in forbidden), None):
        return f"a name cannot hold {found!r}; it becomes the name of a file"
    return next(filter(None, map(_flaw_of_part, name.split("/"))), None)


def _flaw_of_part(part: str) -> str | None:
    if not part.strip(" ."):
        return "a name cannot lead elsewhere, as a path does"
    if part != part.strip() or part.endswith("."):
        return "a name cannot begin or end with a space, or end with a dot"
    if _RESERVED.fullmatch(part.partition(".")[0].rstrip()):
        return "Windows keeps this name for a device"
    return None


def twins(names: Iterable[str]) -> Mapping[str, str]:
    """Names that a file system may take for an earlier one, with that one: it may
    ignore case, and how an accent is written."""
    first: dict[str, str] = {}
    found = {}
    for name in names:
        earlier = first.setdefault(_folded(name), name)
        if earlier != name:
            found[name] = earlier
    return found


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", _IGNORED.sub("", name)).casefold()
    return unicodedata.normalize("NFKD", plain)
