"""Captured answers of Cerebras."""

from crew.quota.reported import ReportedLimit
from families.captured import REQUESTS, TOKENS, HeaderCase

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase(
        "the window is in the name",
        "cerebras",
        {
            "x-ratelimit-limit-requests-day": "14400",
            "x-ratelimit-remaining-requests-day": "14399",
            "x-ratelimit-reset-requests-day": "3600.5",
            "x-ratelimit-limit-tokens-minute": "60000",
        },
        (
            ReportedLimit(
                metric=REQUESTS,
                unit="day",
                amount=14_400,
                remaining=14_399,
                resets_in=3_600.5,
            ),
            ReportedLimit(metric=TOKENS, unit="minute", amount=60_000),
        ),
    ),
)
