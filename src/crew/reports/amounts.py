"""Amounts as a person reads them: money, and lengths of time."""

from decimal import Decimal
from math import ceil


def shown_usd(amount: Decimal | None) -> str:
    """Dollars to four decimals; below a cent, to four digits."""
    if amount is None:
        return "unknown"
    decimals = 3 - amount.adjusted() if 0 < amount < Decimal("0.01") else 4
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.{decimals}f}"


def duration(seconds: float) -> str:
    """The two largest units, such as `3h 20m`, rounded up."""
    left = max(0, ceil(seconds))
    for size, unit, small, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if left >= size:
            return f"{left // size}{unit} {left % size // small}{name}"
    return f"{left // 60}m {left % 60}s" if left >= 60 else f"{left}s"
