"""Google's Gemini."""

from collections.abc import Mapping, Sequence
from typing import Any

from crew.emulator.dialects import SPENT
from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family, page
from crew.emulator.model_entries import Entry, upstream_id
from crew.emulator.protocols.gemini import GenerateContent, google_error
from crew.quota.limits import Metric
from crew.settings import Deployment

_PAGE = 50
"""How many models a page has by default (2026-11)."""
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
"""It advises a short delay even when the day is exhausted."""
_METHOD = "/models/{model:path}:{method}"
_GENERATE_CONTENT = GenerateContent()


class Gemini(Family):
    """Google's Gemini: all violated quotas in the body of a refusal."""

    path = "v1beta"
    client = (
        'google.genai.Client(api_key="any", http_options={{"base_url": "{address}"}})'
    )
    client_path = ""
    endpoints = (
        (f"/v1{_METHOD}", _GENERATE_CONTENT),
        (f"/v1beta{_METHOD}", _GENERATE_CONTENT),
    )
    lists = ("/v1beta/models", "/v1/models")

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        model = upstream_id(deployment)
        plan = "Paid" if deployment.provider.plan not in (None, "free") else "Free"
        violations = [_violation(breach, model, plan) for breach in breaches]
        failed = "type.googleapis.com/google.rpc.QuotaFailure"
        details: list[dict[str, Any]] = [
            _HELP,
            {"@type": failed, "violations": violations},
        ]
        advice, delay = "", _delay(breaches[0])
        if delay is not None:
            advice = f"\nPlease retry in {delay:g}s."
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
            details.append(retry | {"retryDelay": f"{delay:g}s"})
        exceeded = "".join(
            f"\n* Quota exceeded for metric: {v['quotaMetric']}, limit: "
            f"{v['quotaValue']}, model: {model}"
            for v in violations
        )
        message = (
            f"{SPENT} For more information on this error, head to: "
            f"https://ai.google.dev/gemini-api/docs/rate-limits. {exceeded}{advice}"
        )
        error = google_error(429, message)["error"] | {"details": details}
        return Reply(status=429, body={"error": error})

    def failure(self, status: int, code: str, message: str) -> Reply:
        return Reply(status=status, body=google_error(status, message))

    def unknown_model(self, model: str) -> Reply:
        message = (
            f"models/{model} is not found for API version v1beta, or is not supported "
            "for generateContent. Call ListModels to see the list of available models "
            "and their supported methods."
        )
        return self.failure(404, "model_not_found", message)

    def out_of_capacity(self, model: str) -> Reply:
        message = "The model is overloaded. Please try again later."
        return self.failure(503, "unavailable", message)

    def too_long(self, tokens: int, most: int) -> Reply:
        message = (
            f"The input token count ({tokens}) exceeds the maximum number of tokens "
            f"allowed ({most})."
        )
        return self.failure(400, "context_length_exceeded", message)

    def entry(self, deployment: Deployment) -> Entry:
        return {
            "name": f"models/{upstream_id(deployment)}",
            "displayName": deployment.name,
            "version": "001",
            "inputTokenLimit": deployment.context_window,
            "outputTokenLimit": deployment.max_output,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }

    def listing(
        self, models: Sequence[Deployment], path: str, query: Mapping[str, str]
    ) -> object:
        entries = [self.entry(model) for model in models]
        shown, rest = page(entries, query, "pageSize", _PAGE)
        return {"models": shown} | ({"nextPageToken": "emulated"} if rest else {})


def _delay(worst: Breach) -> float | None:
    if worst.limit.amount == 0:
        return _SHORT_DELAY  # it will never pass, and yet
    if worst.wait is not None and worst.limit.unit in ("day", "month"):
        return min(worst.wait, _SHORT_DELAY)
    return worst.wait


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


GEMINI = Gemini("gemini")
