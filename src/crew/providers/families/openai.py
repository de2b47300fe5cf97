"""OpenAI, and whoever is reached under its name: a gateway, a local server."""

from crew.providers.families.family import Family
from crew.providers.families.gateways import own_entry
from crew.providers.headers import openai_limits
from crew.providers.rules import Meaning

OPENAI = Family(
    name="openai",
    base_url="https://api.openai.com/v1",
    # Whoever speaks as OpenAI: only what it sent itself goes back there.
    reasoning_fields=("reasoning_content",),
    passes_reasoning_on=True,
    reads_headers=openai_limits,
    reads_entry=own_entry,
    words={
        Meaning.CONTENT: ("safety system",),
        Meaning.MONEY: ("insufficient_quota", "credit_balance_exhausted"),
        Meaning.KEY: ("incorrect api key",),
        Meaning.LIMIT: ("slow_down",),
        Meaning.OTHERS: (
            "string_above_max_length",  # ids of calls that others make
            "invalid_function_parameters",
        ),
    },
)
