"""What is known of free plans: which models cost nothing there, within which limits.

Providers change these often, and few of them publish the numbers: each has the month in
which it was true, and where it was read.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FreePlan:
    """The free plan of a family for the models whose own ids `pattern` finds."""

    family: str
    pattern: str
    limits: str
    as_of: str
    source: str

    @property
    def shown(self) -> str:
        """The limits, and when they held."""
        return f"{self.limits} ({self.as_of})"


_GOOGLE = "ai.google.dev and aistudio.google.com, by reports"
FREE_PLANS = (
    FreePlan(
        family="openrouter",
        pattern=r":free$",
        limits="20 requests/minute, 50 a UTC day (1,000 once 10 usd were bought), "
        "shared by all free models",
        as_of="2026-08",
        source="openrouter.ai/docs",
    ),
    FreePlan(
        family="gemini",
        pattern=r"^gemini-(?:3[\d.]*-flash-lite|flash-lite-latest)",
        limits="15 requests/minute, 250K input_tokens/minute, 500 requests/day",
        as_of="2026-08",
        source=_GOOGLE,
    ),
    FreePlan(
        family="gemini",
        pattern=r"^gemini-(?:[23][\d.]*-flash|flash-latest)(?:-preview)?$",
        limits="20 requests/day",
        as_of="2026-08",
        source=_GOOGLE,
    ),
    FreePlan(
        family="gemini",
        pattern=r"^gemma-4-",
        limits="30 requests/minute, 14,400 requests/day",
        as_of="2026-08",
        source=_GOOGLE,
    ),
    FreePlan(
        family="groq",
        pattern=r"^(?:openai/gpt-oss-\d+b|qwen/qwen3)",
        limits="30 requests/minute, 1K requests/day, 8K tokens/minute, 200K tokens/day",
        as_of="2026-07",
        source="console.groq.com/docs/rate-limits",
    ),
    FreePlan(
        family="zai",
        pattern=r"^glm-4\.[57]-flash$",
        limits="limits published nowhere, 1 concurrent by reports",
        as_of="2026-11",
        source="docs.z.ai",
    ),
    FreePlan(
        family="nvidia_nim",
        pattern=r"",
        limits="about 40 requests/minute, contested",
        as_of="2026-08",
        source="by reports",
    ),
)


def free_plan(family: str, own_id: str) -> FreePlan | None:
    """The free plan that a model is in, if one is known."""
    for plan in FREE_PLANS:
        if plan.family == family and re.search(plan.pattern, own_id):
            return plan
    return None
