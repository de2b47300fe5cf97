"""What a provider reported about one of its limits."""

from dataclasses import dataclass

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
