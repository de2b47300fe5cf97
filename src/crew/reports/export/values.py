"""Values of the journal as texts that every program reads the same way."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from crew.journal.columns import Column, Kind

_KNOWN = 4_096
"""Texts whose form is kept: nearly all of them come again and again."""
_PLAIN = re.compile(r"-?\d+(\.\d+)?")

Reader = Callable[[object], object]


def readers(columns: Sequence[Column], shown: Callable[[str], str]) -> list[Reader]:
    """What makes the values of each column, from what SQLite keeps: texts are as they
    may be `shown`, money is exact text, times are ISO 8601 in UTC."""
    known = lru_cache(_KNOWN)(shown)

    def text(value: object) -> object:
        return None if value is None else known(str(value))

    made: dict[Kind, Reader] = {
        Kind.TEXT: text,
        Kind.INTEGER: _same,
        Kind.NUMBER: _same,
        Kind.MONEY: _money,
        Kind.MOMENT: _moment,
        Kind.FLAG: _flag,
    }
    return [made[column.kind] for column in columns]


def _same(value: object) -> object:
    return value


def _money(value: object) -> object:
    if value is None:
        return None
    found = str(value)
    # Without an exponent, which not every program reads as exact.
    return found if _PLAIN.fullmatch(found) else f"{Decimal(found):f}"


def _moment(value: object) -> object:
    if not isinstance(value, int | float):
        return None
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")


def _flag(value: object) -> object:
    return bool(value)
