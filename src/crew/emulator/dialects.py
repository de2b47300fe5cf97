"""How each provider refuses a call that exceeds its limits, as documented (2026-11).

A family is a provider's way of speaking; who is not listed speaks as OpenAI does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crew.emulator.capacity import out_of_capacity
from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply, failure, openai_error
from crew.emulator.headers import Headers, go_duration
from crew.emulator.windows import whole_seconds
from crew.quota.limits import Metric, WindowKind
from crew.settings import Deployment

_ORGANISATION = "org-emulated"


def upstream_id(deployment: Deployment) -> str:
    """The model's id as the provider knows it: without litellm's prefix."""
    return deployment.model.partition("/")[2] or deployment.model


def family_of(deployment: Deployment) -> str:
    """How the deployment's provider speaks: by its name, else by litellm's prefix."""
    name = deployment.provider.name
    prefix = deployment.model.partition("/")[0]
    return name if name in _REFUSALS else prefix.removesuffix("_chat")


def _retry_after(breach: Breach) -> Headers:
    if breach.wait is None:
        return {}
    return {"retry-after": str(whole_seconds(breach.wait))}


def _name(breach: Breach) -> str:
    """The limit as OpenAI and Groq name it: `tokens per min (TPM)`."""
    limit = breach.limit
    if limit.kind is WindowKind.LEASE:
        return "concurrent requests"
    metric = limit.metric.value.replace("_", " ")
    unit = {"minute": "min"}.get(limit.unit, limit.unit)
    short = "".join(word[0] for word in f"{metric} per {limit.unit}".split())
    return f"{metric} per {unit} ({short.upper()})"


def _amounts(breach: Breach) -> str:
    return (
        f"Limit {breach.limit.amount}, Used {breach.used}, Requested {breach.need}. "
        + (
            "Please try again later."
            if breach.wait is None
            else f"Please try again in {go_duration(breach.wait)}."
        )
    )


def _openai(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    worst, model = breaches[0], upstream_id(deployment)
    where = f"for {model} in organization {_ORGANISATION} on {_name(worst)}"
    kind = "requests" if worst.limit.metric is Metric.REQUESTS else "tokens"
    if worst.limit.metric is Metric.USD:
        return failure("openai", 429, "insufficient_quota", _SPENT)
    if worst.impossible:
        message = (
            f"Request too large {where}: Limit {worst.limit.amount}, Requested "
            f"{worst.need}. The input or output tokens must be reduced in order to "
            "run successfully."
        )
    else:
        message = f"Rate limit reached {where}: {_amounts(worst)}"
    error = openai_error(message, kind, "rate_limit_exceeded")
    return Reply(status=429, body=error, headers=_retry_after(worst))


_SPENT = "You exceeded your current quota, please check your plan and billing details."


def _groq(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    worst, model = breaches[0], upstream_id(deployment)
    kind = "requests" if worst.limit.metric is Metric.REQUESTS else "tokens"
    start = "Request too large" if worst.impossible else "Rate limit reached"
    message = (
        f"{start} for model `{model}` in organization `{_ORGANISATION}` service tier "
        f"`on_demand` on {_name(worst)}: {_amounts(worst)} Need more tokens? Upgrade "
        "to Dev Tier today at https://console.groq.com/settings/billing"
    )
    error = {"message": message, "type": kind, "code": "rate_limit_exceeded"}
    status = 413 if worst.impossible else 429
    return Reply(status=status, body={"error": error}, headers=_retry_after(worst))


def _anthropic(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    worst = breaches[0]
    metric = worst.limit.metric.value.replace("_", " ")
    message = (
        "This request would exceed your organization's rate limit of "
        f"{worst.limit.amount:,} {metric} per {worst.limit.unit} (org: {_ORGANISATION},"
        f" model: {upstream_id(deployment)}). For details, refer to: "
        "https://docs.claude.com/en/api/rate-limits."
    )
    if worst.limit.metric is not Metric.USD:
        reply = failure("anthropic", 429, "rate_limit_error", message)
        return Reply(status=429, body=reply.body, headers=_retry_after(worst))
    error = {
        "type": "rate_limit_error",
        "message": "Your organization has reached its monthly spend limit.",
        "details": {"error_code": "enforced_spend_limit_reached"},
    }
    return Reply(status=429, body={"type": "error", "error": error})


_HELP = {
    "@type": "type.googleapis.com/google.rpc.Help",
    "links": [
        {
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
        }
    ],
}
_SHORT_DELAY = 47.0
"""Gemini advises a short delay even when the day is exhausted."""


def _gemini(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    model = upstream_id(deployment)
    plan = "Paid" if deployment.provider.plan not in (None, "free") else "Free"
    violations = [_violation(breach, model, plan) for breach in breaches]
    wait = breaches[0].wait
    if breaches[0].limit.amount == 0:
        delay: float | None = _SHORT_DELAY  # it will never pass, and yet
    elif wait is not None and breaches[0].limit.unit in ("day", "month"):
        delay = min(wait, _SHORT_DELAY)
    else:
        delay = wait
    details: list[dict[str, Any]] = [
        _HELP,
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": violations,
        },
    ]
    advice = ""
    if delay is not None:
        advice = f"\nPlease retry in {delay:g}s."
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
        details.append(retry | {"retryDelay": f"{delay:g}s"})
    exceeded = "".join(
        f"\n* Quota exceeded for metric: {v['quotaMetric']}, limit: "
        f"{v['quotaValue']}, model: {model}"
        for v in violations
    )
    error = {
        "code": 429,
        "message": f"{_SPENT} For more information on this error, head to: "
        f"https://ai.google.dev/gemini-api/docs/rate-limits. {exceeded}{advice}",
        "status": "RESOURCE_EXHAUSTED",
        "details": details,
    }
    return Reply(status=429, body={"error": error})


def _violation(breach: Breach, model: str, plan: str) -> dict[str, Any]:
    limit = breach.limit
    per = f"Per{limit.unit.capitalize()}" if limit.unit else "Concurrent"
    if limit.metric is Metric.REQUESTS:
        quota, counted = f"GenerateRequests{per}PerProjectPerModel", "requests"
    elif limit.metric is Metric.INPUT_TOKENS:
        quota, counted = f"GenerateContentInputTokensPerModel{per}", "input_token_count"
    else:
        name = "".join(word.capitalize() for word in limit.metric.value.split("_"))
        quota, counted = f"GenerateContent{name}PerModel{per}", limit.metric.value
    tier = "free_tier" if plan == "Free" else "paid_tier"
    return {
        "quotaMetric": "generativelanguage.googleapis.com/"
        f"generate_content_{tier}_{counted}",
        "quotaId": f"{quota}-{plan}Tier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit.amount),
    }


def _openrouter(
    deployment: Deployment, breaches: Sequence[Breach], now: float
) -> Reply:
    worst = breaches[0]
    if worst.limit.metric is Metric.USD:
        message = "Insufficient credits. Add more using https://openrouter.ai/credits"
        return failure("openrouter", 402, "payment_required", message)
    per = {"minute": "min"}.get(worst.limit.unit, worst.limit.unit)
    period = {"day": "daily"}.get(worst.limit.unit, f"{worst.limit.unit}ly")
    group = "free-models" if worst.scope == "free" else worst.scope
    headers = {"X-RateLimit-Limit": str(worst.limit.amount)}
    headers["X-RateLimit-Remaining"] = str(max(0, worst.limit.amount - worst.used))
    if worst.wait is not None:
        headers["X-RateLimit-Reset"] = str(round((now + worst.wait) * 1000))
    metadata = {
        "headers": headers,
        "provider_name": None,
        "error_type": "rate_limit_exceeded",
        "limit_source": f"openrouter_{worst.scope}_tier_{period}",
    }
    error = {
        "message": f"Rate limit exceeded: {group}-per-{per}.",
        "code": 429,
        "metadata": metadata,
    }
    body = {"error": error, "user_id": "user_emulated"}
    return Reply(status=429, body=body, headers=headers)


def _together(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    worst = breaches[0]
    if worst.limit.metric is Metric.USD:
        return failure("together_ai", 402, "payment_required", _SPENT)
    counts = worst.limit.metric is Metric.REQUESTS
    kind = "dynamic_request_limited" if counts else "dynamic_token_limited"
    message = f"You have exceeded the rate limit on {_name(worst)}: {_amounts(worst)}"
    body = {"id": "emulated"} | openai_error(message, kind, None)
    return Reply(status=429, body=body)


def _mistral(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    if breaches[0].limit.metric is Metric.USD:
        return failure("mistral", 402, "payment_required", _SPENT)
    return failure("mistral", 429, "rate_limited", "Rate limit exceeded")


def _deepseek(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    if breaches[0].limit.metric is Metric.USD:
        return failure("deepseek", 402, "invalid_request_error", "Insufficient Balance")
    message = f"Rate limit reached on {_name(breaches[0])}"
    return failure("deepseek", 429, "rate_limit_exceeded", message)


def _ollama(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    if breaches[0].limit.kind is WindowKind.LEASE:
        return out_of_capacity("ollama", upstream_id(deployment))
    return _openai(deployment, breaches, now)


_REFUSALS: Mapping[str, Callable[[Deployment, Sequence[Breach], float], Reply]] = {
    "openai": _openai,
    "groq": _groq,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "openrouter": _openrouter,
    "together_ai": _together,
    "mistral": _mistral,
    "deepseek": _deepseek,
    "ollama": _ollama,
}


def refusal(deployment: Deployment, breaches: Sequence[Breach], now: float) -> Reply:
    """What the provider says to a call that exceeds these limits, the worst first."""
    return _REFUSALS.get(family_of(deployment), _openai)(deployment, breaches, now)
