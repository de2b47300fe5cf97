"""Asking a provider about the account behind a key: is it alive, which models has it,
how much is left. Only requests that cost nothing are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import httpx

from crew.errors import ProviderError, TimedOut, Unreachable
from crew.providers.bodies import as_object, as_text
from crew.providers.signals import classify
from crew.providers.told import Told
from crew.quota.limits import Metric
from crew.settings import Provider

SECONDS = 5.0
"""How long a provider may take to answer."""

CREDIT_REQUESTS = 1_000
CREDIT_USD = Decimal(10)
"""OpenRouter grants 1,000 free requests a day once 10 dollars of credit were bought
(openrouter.ai/docs/api-reference/limits, 2026-08)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a provider said. `models` are the ids it serves, without litellm's prefix,
    empty where it was not asked. `bought` is credit in US dollars, at least; `told`
    are limits that all free models share. `error` is why it said nothing."""

    models: frozenset[str] = frozenset()
    bought: Decimal | None = None
    told: tuple[Told, ...] = ()
    error: ProviderError | None = None


_BASES = {
    "anthropic": "https://api.anthropic.com/v1",
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "deepseek": "https://api.deepseek.com",
}
"""Where litellm sends a family's calls when the YAML names no `base_url`."""


def ask_models(provider: Provider, family: str) -> Account:
    """The models that the key may use."""
    answer = _get(provider, family, "models")
    if isinstance(answer, ProviderError):
        return Account(error=answer)
    listed = answer.get("data", answer.get("models"))
    entries = [as_object(one) for one in listed] if isinstance(listed, list) else []
    names = (as_text(entry.get("id", entry.get("name"))) for entry in entries)
    return Account(
        models=frozenset(name.removeprefix("models/") for name in names if name)
    )


def ask_credit(provider: Provider, family: str) -> Account | None:
    """What the account has bought and what is left of it today; None for a family
    that has no free address to ask."""
    if family != "openrouter":
        return None
    answer = _get(provider, family, "key")
    if isinstance(answer, ProviderError):
        return Account(error=answer)
    free = as_object(as_object(answer.get("data")).get("free_model_daily_requests"))
    limit, left = _count(free.get("limit")), _count(free.get("remaining"))
    if limit is None:
        return Account()
    told = Told(metric=Metric.REQUESTS, unit="day", amount=limit, remaining=left)
    bought = CREDIT_USD if limit >= CREDIT_REQUESTS else None
    return Account(bought=bought, told=(told,))


def _get(
    provider: Provider, family: str, path: str
) -> Mapping[str, object] | ProviderError:
    base = provider.base_url or _BASES.get(family)
    if base is None:
        return Unreachable(provider.name, "its address is not known")
    try:
        answer = httpx.get(
            f"{base.rstrip('/')}/{path}",
            headers=_headers(family, provider.api_key or ""),
            timeout=SECONDS,
        )
    except httpx.TimeoutException:
        return TimedOut(provider.name, f"no answer in {SECONDS:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL):
        return Unreachable(provider.name, "no connection")
    if answer.status_code != 200:
        return classify(
            provider.name,
            answer.status_code,
            answer.text,
            answer.headers,
            family=family,
        )
    try:
        return as_object(answer.json())
    except ValueError:
        return Unreachable(provider.name, "no JSON came back")


def _headers(family: str, key: str) -> dict[str, str]:
    match family:
        case "anthropic":
            return {"x-api-key": key, "anthropic-version": "2023-06-01"}
        case "gemini":
            return {"x-goog-api-key": key}
        case _:
            return {"authorization": f"Bearer {key}"} if key else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 10**15 else None
