"""OpenAI."""

import re
from collections.abc import Sequence

from crew.emulator.enforcement import Reading
from crew.emulator.families.family import Family
from crew.emulator.headers import ALL_TOKENS, Headers, pick, x_ratelimit
from crew.quota.limits import Metric


class OpenAI(Family):
    """OpenAI: limits of the minute in its headers."""

    call_ids = re.compile(r".{1,40}")

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        return x_ratelimit(
            pick(readings, [Metric.REQUESTS], "second", "minute"),
            pick(readings, ALL_TOKENS, "second", "minute"),
        )


OPENAI = OpenAI("openai")
