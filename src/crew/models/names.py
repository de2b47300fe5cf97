"""What the names of models have in common (pure): a line of models and its versions.

`claude-sonnet-4-5` and `claude-sonnet-5-5` are of one line; `claude-opus-5-5` is not.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_DATE = re.compile(r"(?<!\d)(?:20\d\d-?[01]\d-?[0-3]\d|[01]\d-20\d\d)(?!\d)")
_TOKEN = re.compile(r"[a-z]+|\d+(?:\.\d+)*[a-z]*")
_VERSION = re.compile(r"\d{1,2}(?:\.\d{1,2})*")
_STAMP = re.compile(r"\d{4}")
_NOTHING = frozenset({"v", "latest", "preview", "exp", "experimental"})
_SAFE = re.compile(r"[A-Za-z0-9](?:[\w.:/@+-]{0,198}[\w])?", re.ASCII)
MOST_COMPARED = 1_000
"""Names that are compared with another; a hostile provider may list ten thousand."""
_LONGEST_COMPARED = 80


def is_plain(name: str) -> bool:
    """Whether a name may stand in YAML as it is: no provider lists code."""
    return _SAFE.fullmatch(name) is not None


def model_name(own_id: str) -> str:
    """The name of the model without who made it and how it is offered."""
    return own_id.rpartition("/")[2].partition(":")[0].lower()


def line(own_id: str) -> tuple[str, ...]:
    """The words of a name without versions and dates: sizes (`120b`) stay."""
    return tuple(
        one
        for one in _tokens(own_id)
        if one not in _NOTHING and not _VERSION.fullmatch(one)
        if not _STAMP.fullmatch(one)
    )


def version(own_id: str) -> tuple[int, ...]:
    """The version in a name, to compare; empty where it has none."""
    return tuple(
        int(part)
        for one in _tokens(own_id)
        if _VERSION.fullmatch(one)
        for part in one.split(".")
    )


def likeliest(own_id: str, names: Iterable[str]) -> str | None:
    """The name that most likely follows another: the highest version of its line,
    else the one that is written most alike. A hint, for a person."""
    short = (name for name in names if len(name) <= _LONGEST_COMPARED)
    others = [name for name in islice(short, MOST_COMPARED) if name != own_id]
    wanted, variant = line(own_id), own_id.partition(":")[2]
    kin = [
        name
        for name in others
        if line(name) == wanted and name.partition(":")[2] == variant
        if version(name) >= version(own_id)
    ]
    if kin and wanted:
        return max(kin, key=version)
    found = get_close_matches(own_id, others, n=1)
    return found[0] if found else None


def _tokens(own_id: str) -> list[str]:
    return _TOKEN.findall(_DATE.sub("", model_name(own_id)))
