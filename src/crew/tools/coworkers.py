"""Which coworker a manager means (pure).

Models drop an emoji, write the key of the YAML, another Unicode form of é, or half of
the name. A spelling that a person would accept is accepted, if it fits one alone.
"""

import unicodedata
from collections.abc import Callable, Mapping


def find(name: str, coworkers: Mapping[str, str]) -> str | None:
    """The key of the coworker that is meant; `coworkers` maps keys to roles. None
    where nobody fits, or more than one."""
    for spelled in (str.strip, _plain, _joined, _unaccented):
        wanted = spelled(name)
        for fits in (_is, _begins, _is_within):
            if wanted and (found := _fitting(wanted, coworkers, spelled, fits)):
                return found[0] if len(found) == 1 else None
    return None


def _fitting(
    wanted: str,
    coworkers: Mapping[str, str],
    spelled: Callable[[str], str],
    fits: Callable[[str, str], bool],
) -> list[str]:
    return [
        key
        for key, role in coworkers.items()
        if any(name and fits(wanted, name) for name in (spelled(key), spelled(role)))
    ]


def _is(wanted: str, name: str) -> bool:
    return wanted == name


def _begins(wanted: str, name: str) -> bool:
    return len(wanted) > 1 and name.startswith(wanted)


def _is_within(wanted: str, name: str) -> bool:
    """`the coder`, `Software engineer (coder)`: the name is there in whole words."""
    return len(name) > 1 and f" {name} " in f" {wanted} "


def _plain(text: str) -> str:
    """Letters, marks and digits, in one form and case; all else is a space."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    kept = (
        one if unicodedata.category(one)[0] in "LN" or _is_mark(one) else " "
        for one in unicodedata.normalize("NFKC", normal)
    )
    return " ".join("".join(kept).split())


def _is_mark(character: str) -> bool:
    """A mark of a script; the selectors of an emoji's look are none."""
    is_selector = "\ufe00" <= character <= "\ufe0f"
    return unicodedata.category(character)[0] == "M" and not is_selector


def _joined(text: str) -> str:
    return _plain(text).replace(" ", "")


def _unaccented(text: str) -> str:
    parts = unicodedata.normalize("NFKD", _plain(text))
    return "".join(one for one in parts if unicodedata.category(one)[0] != "M")
