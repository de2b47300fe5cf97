"""Strategies by name, and the share of a tier that is kept for harder work."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from crew.quota.limits import SECONDS, Limit, WindowKind
from crew.settings.wording import shown

PRIORITY = "priority"
HEADROOM = "headroom"
LATENCY = "latency"
LEAST_BUSY = "least_busy"
COST = "cost"
MEASURED = "measured"
STRATEGIES = (PRIORITY, HEADROOM, LATENCY, LEAST_BUSY, COST, MEASURED)
"""How the deployments of a chain may be ordered."""

FIRST_COME = "first_come"
SAVE_FOR_LARGE = "save_for_large"
FREE_QUOTA = (FIRST_COME, SAVE_FOR_LARGE)
"""Which calls get the free requests that a provider counts by the day."""

_RESERVE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?% for (high|medium)")
_ORDER = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """The share of limits, above 0 and below 1, that is kept for work of this
    complexity and above."""

    share: Decimal
    complexity: str

    def is_for(self, complexity: str | None) -> bool:
        """Whether work of this complexity may take it. Work of no task may not."""
        if complexity not in _ORDER:
            return False
        return _ORDER.index(complexity) >= _ORDER.index(self.complexity)

    def without(self, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
        """What other work may take of those limits that last a day or longer."""
        return tuple(
            replace(
                one,
                amount=int(one.amount * (1 - self.share)),
                # What somebody approved more does not count under another name.
                written=one.written and int(one.written * (1 - self.share)),
            )
            for one in limits
            if is_kept(one)
        )

    def __str__(self) -> str:
        share = f"{self.share * 100:f}"
        share = share.rstrip("0").rstrip(".") if "." in share else share
        return f"{share} % for {self.complexity}"


def is_kept(limit: Limit) -> bool:
    """Whether a share of a limit can be kept: it has a window of a day or more."""
    return limit.kind is not WindowKind.RUN and limit.seconds >= SECONDS["day"]


def reserve(value: object) -> Reserve:
    """The share as it is written. Raises ValueError."""
    match = _RESERVE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not 0 < Decimal(match[1]) < 100:
        raise ValueError(
            f"found {shown(value)}; allowed: SHARE % for high, or for medium, such as "
            "30 % for high"
        )
    return Reserve(share=Decimal(match[1]) / 100, complexity=match[2])
