"""The shape of `journal` in tiers.yaml."""

import re
from typing import Annotated

from pydantic import BeforeValidator

from crew.settings.document import Document
from crew.settings.schema import Shape
from crew.settings.validation import read
from crew.settings.wording import shown

DAY = 86_400.0
LEAST = 32 * DAY
"""Seconds that the journal keeps a run, at least: reports and budgets of a calendar
month read it."""
_AGE = re.compile(r"(\d{1,5})\s*([dw])")
_DAYS = {"d": 1, "w": 7}


def _keep(value: object) -> float:
    found = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = int(found[1]) * _DAYS[found[2]] * DAY if found else 0.0
    if seconds < LEAST:
        raise ValueError(
            f"found {shown(value)}; allowed: days or weeks, such as 90d, from "
            f"{LEAST / DAY:.0f}d on"
        )
    return seconds


Keep = Annotated[float, BeforeValidator(_keep)]


class JournalShape(Shape):
    """`journal` of tiers.yaml."""

    keep: Keep | None = None


def read_keep(tiers: Document) -> float | None:
    """For how many seconds the journal keeps a run; None: always."""
    if "journal" not in (tiers.data or {}):
        return None
    shape = read(tiers, JournalShape, ("journal",))
    return shape.keep if shape is not None else None
