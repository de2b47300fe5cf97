"""The words in which several families name a limit that a call exceeds."""

from crew.emulator.enforcement import Breach
from crew.emulator.headers import Headers, go_duration
from crew.emulator.windows import whole_seconds
from crew.quota.limits import WindowKind

ORGANISATION = "org-emulated"
SPENT = "You exceeded your current quota, please check your plan and billing details."


def retry_after(breach: Breach) -> Headers:
    """The header that says when to come back, where that is known."""
    if breach.wait is None:
        return {}
    return {"retry-after": str(whole_seconds(breach.wait))}


def limit_name(breach: Breach) -> str:
    """The limit as OpenAI and Groq name it: `tokens per min (TPM)`."""
    limit = breach.limit
    if limit.kind is WindowKind.LEASE:
        return "concurrent requests"
    metric = limit.metric.value.replace("_", " ")
    unit = {"minute": "min"}.get(limit.unit, limit.unit)
    short = "".join(word[0] for word in f"{metric} per {limit.unit}".split())
    return f"{metric} per {unit} ({short.upper()})"


def amounts(breach: Breach) -> str:
    """The limit, what is used of it, what was asked, and when to try again."""
    again = "later" if breach.wait is None else f"in {go_duration(breach.wait)}"
    return (
        f"Limit {breach.limit.amount}, Used {breach.used}, Requested {breach.need}. "
        f"Please try again {again}."
    )
