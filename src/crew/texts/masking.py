"""Secrets masked by their values: the keys are known, whatever their shape."""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 6
"""Characters of a secret that is masked: a shorter one is in too many words."""
NO_WORD = 16
"""Characters from which on a secret is no word that somebody may have meant."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The values that no text may show. One shorter than SHORTEST is not masked."""

    values: frozenset[str] = field(default=frozenset(), repr=False)
    _all: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _long: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_all", _pattern(self.values, SHORTEST))
        object.__setattr__(self, "_long", _pattern(self.values, NO_WORD))

    def masked(self, text: str) -> str:
        """A text for a person, a file or a log."""
        return self._all.sub(MASK, text) if self._all else text

    def masked_answer(self, text: str) -> str:
        """A text that a model works on: a short secret may be a word there."""
        return self._long.sub(MASK, text) if self._long else text

    def masked_document(self, value: object) -> object:
        """A document of JSON with each of its texts masked."""
        match value:
            case str():
                return self.masked(value)
            case Mapping():
                return {key: self.masked_document(one) for key, one in value.items()}
            case list() | tuple():
                return [self.masked_document(one) for one in value]
            case _:
                return value


def _pattern(values: Iterable[str], shortest: int) -> re.Pattern[str] | None:
    found: dict[str, None] = {}
    for value in values:
        if len(value.strip()) >= shortest:
            for form in _forms(value.strip()):
                found[_flexible(form)] = None
            # A text may have been cut in the middle of a key.
            if len(value) >= 2 * NO_WORD:
                found[re.escape(value[: len(value) // 2]) + r"[\w\-.+/=]*"] = None
    longest_first = sorted(found, key=len, reverse=True)
    return re.compile("|".join(longest_first), re.IGNORECASE) if found else None


def _forms(value: str) -> Iterator[str]:
    """A secret as it is written in JSON, in an address and the like."""
    for plain in (
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    ):
        yield plain
        yield json.dumps(plain)[1:-1]  # JSON in JSON
        yield repr(plain)[1:-1]
        yield quote(plain, safe="")
        yield quote(plain)
        yield quote_plus(plain)
        yield html.escape(plain)
    yield value.encode("unicode_escape").decode("ascii")
    yield quote(quote(value, safe=""), safe="")
    yield value.replace("/", "\\/")


def _flexible(form: str) -> str:
    """A pattern of a form; where it has spaces, a text may have others."""
    return r"\s+".join(re.escape(part) for part in form.split())
