"""DeepSeek, as of 2026-11: api-docs.deepseek.com. Its list has ids only, and its
headers say nothing of limits."""

from crew.providers.families.family import Family
from crew.providers.headers import no_limits
from crew.providers.rules import Meaning

DEEPSEEK = Family(
    name="deepseek",
    base_url="https://api.deepseek.com",
    # Where it takes the strict schemas of tools (2026-11).
    call_path="beta",
    # A 400 without (guides/thinking_mode; thinking is on by default); a blank is
    # enough where another model made the calls.
    reasoning_fields=("reasoning_content",),
    passes_reasoning_on=True,
    makes=("deepseek",),
    demands_reasoning=True,
    reads_headers=no_limits,
    words={
        Meaning.CONTENT: ("content exists risk",),
        Meaning.UNSUPPORTED: (
            "unknown variant `image_url`",
            "reasoning_content",  # Moonshot says it as well
            "content[].thinking",
        ),
        Meaning.MONEY: ("insufficient balance",),
        Meaning.KEY: ("authentication fails",),
        Meaning.GONE: ("model not exist",),
    },
)
