"""Z.ai, the maker of GLM, as of 2026-11: docs.z.ai/api-reference. It speaks OpenAI's
protocol; its headers say nothing of limits."""

from crew.providers.families.family import Family
from crew.providers.headers import no_limits
from crew.providers.rules import Meaning

ZAI = Family(
    name="zai",
    base_url="https://api.z.ai/api/paas/v4",
    reasoning_fields=("reasoning_content",),
    passes_reasoning_on=True,
    reads_headers=no_limits,
    words={
        # Its code 1113, with the status 429.
        Meaning.MONEY: ("no resource package",),
    },
)
