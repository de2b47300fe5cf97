"""What a provider reported: of one of its limits, and of what a call took."""

from dataclasses import dataclass
from decimal import Decimal

from crew.quota.limits import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedLimit:
    """One limit as the provider reported it; None where it did not.

    `unit` is "second", "minute", "hour", "day" or "month". `amount` is the limit and
    `remaining` what is left of it, in the metric's base unit; below zero where the
    provider charged more than the limit afterwards. `remaining` may be off by `slack`.
    `resets_in` is the seconds until all of it is back, which for a bucket that
    refills is later than the moment when the next request fits.
    """

    metric: Metric
    unit: str
    amount: int | None = None
    remaining: int | None = None
    resets_in: float | None = None
    slack: int = 0


MOST_TOKENS = 100_000_000
"""A count of tokens above this is none: the largest window holds ten million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedUsage:
    """What one call took, as the provider reported it.

    `input_tokens` are all of them; of these `cached_tokens` were read from the
    provider's cache, `cache_write_tokens` written to it, and `uncounted_tokens` do not
    count against its limits. `output_tokens` hold the reasoning. `usd` is its own
    bill; None where it reports none.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    uncounted_tokens: int = 0
    usd: Decimal | None = None

    @property
    def is_possible(self) -> bool:
        """Whether the numbers can be: what comes from outside may be anything."""
        parts = (self.cached_tokens, self.cache_write_tokens, self.uncounted_tokens)
        counts = (self.input_tokens, self.output_tokens, *parts)
        if not all(is_count(value) for value in counts):
            return False
        most = self.input_tokens
        fits = self.cached_tokens + self.cache_write_tokens <= most
        return fits and self.uncounted_tokens <= most and is_bill(self.usd)


MOST_USD = 10_000
"""A bill of one call above this is none."""


def is_count(value: object) -> bool:
    """Whether this can be a number of tokens."""
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return 0 <= value <= MOST_TOKENS


def is_bill(value: object) -> bool:
    """Whether this can be the bill of one call, or that there is none."""
    if value is None:
        return True
    if not isinstance(value, Decimal) or not value.is_finite():
        return False
    return 0 <= value <= MOST_USD
