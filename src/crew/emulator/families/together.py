"""Together AI."""

from collections.abc import Mapping, Sequence

from crew.emulator.dialects import SPENT, amounts, limit_name
from crew.emulator.enforcement import Breach, Reading
from crew.emulator.envelopes import Reply, openai_error
from crew.emulator.families.family import Family
from crew.emulator.headers import ALL_TOKENS, Headers, pick
from crew.emulator.model_entries import Entry
from crew.emulator.reasoning import FIELDS
from crew.emulator.windows import length_of, whole_seconds
from crew.quota.limits import Metric
from crew.settings import Deployment


class Together(Family):
    """Together AI: its list is a bare array, its limits are those of a second."""

    reasoning_taken = FIELDS
    ends_with_usage = True

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        headers = {}
        for name, metrics in (
            ("ratelimit", [Metric.REQUESTS]),
            ("tokenlimit", ALL_TOKENS),
        ):
            reading = pick(readings, metrics)
            if reading is not None:
                # What one second allows, whatever the window.
                rate = max(1, int(reading.limit.amount / length_of(reading.limit)))
                for end in ("", "-dynamic"):
                    headers[f"x-{name}-limit{end}"] = str(rate)
                    headers[f"x-{name}-remaining{end}"] = str(min(rate, reading.left))
                headers[f"x-{name}-reset"] = str(whole_seconds(reading.resets_in))
        return headers

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        worst = breaches[0]
        if worst.limit.metric is Metric.USD:
            return self.failure(402, "payment_required", SPENT)
        counts = worst.limit.metric is Metric.REQUESTS
        kind = "dynamic_request_limited" if counts else "dynamic_token_limited"
        message = (
            f"You have exceeded the rate limit on {limit_name(worst)}: {amounts(worst)}"
        )
        body = {"id": "emulated"} | openai_error(message, kind, None)
        return Reply(status=429, body=body)

    def entry(self, deployment: Deployment) -> Entry:
        sides = {"input": 0.0, "output": 0.0}
        if deployment.price is not None:
            price = deployment.price
            sides = {"input": float(price.input), "output": float(price.output)}
        return super().entry(deployment) | {
            "type": "chat",
            "display_name": deployment.name,
            "context_length": deployment.context_window,
            "pricing": {"hourly": 0, "base": 0, "finetune": 0, **sides},
        }

    def listing(
        self, models: Sequence[Deployment], path: str, query: Mapping[str, str]
    ) -> object:
        return [self.entry(model) for model in models]


TOGETHER = Together("together_ai")
