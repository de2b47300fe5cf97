"""The form of a captured answer, the moment at which the tests read it, and the limits
that many families name."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crew.errors import ProviderError
from crew.providers.signals import classify
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

NOW = datetime(2026, 4, 10, 12, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0
TO_MIDNIGHT_UTC = 12 * 3_600.0
TO_MIDNIGHT_PACIFIC = 19 * 3_600.0  # it is 05:00 there
TO_MAY = 20.5 * DAY
REQUESTS, TOKENS = Metric.REQUESTS, Metric.TOKENS
INPUT, OUTPUT = Metric.INPUT_TOKENS, Metric.OUTPUT_TOKENS


@dataclass(frozen=True)
class Case:
    """An answer of a provider, and what it says."""

    name: str
    family: str
    status: int
    body: object
    kind: type[ProviderError]
    wait: float | None = None
    reported: tuple[ReportedLimit, ...] = ()
    never: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    known: bool = True

    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    def error(self, now: float | None = NOW) -> ProviderError:
        return classify(
            "slot", self.status, self.text(), self.headers, family=self.family, now=now
        )


@dataclass(frozen=True)
class HeaderCase:
    """The headers of an answer, and the limits that they tell."""

    name: str
    family: str
    headers: dict[str, str]
    limits: tuple[ReportedLimit, ...]


def openai_error(
    message: str, kind: str | None = None, code: str | None = None
) -> dict[str, object]:
    """An error in OpenAI's form, which many families speak."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return {"error": error}


THINKING = (
    "The `reasoning_content` in the thinking mode must be passed back to the API."
)
