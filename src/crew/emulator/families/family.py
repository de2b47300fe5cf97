"""A family of providers as the emulator plays it: how it answers, refuses and lists.

The base speaks as OpenAI does, without limits in its headers. What a family does
otherwise stands in its own file, as documented or captured by 2026-11.
"""

import re
from collections.abc import Mapping, Sequence

from starlette.routing import Route

from crew.emulator.conversation import Conversation
from crew.emulator.dialects import ORGANISATION, SPENT, amounts, limit_name, retry_after
from crew.emulator.enforcement import Breach, Reading
from crew.emulator.envelopes import Reply, openai_error
from crew.emulator.headers import Headers
from crew.emulator.model_entries import Entry, openai_entry, upstream_id
from crew.emulator.protocols.openai import CHAT_COMPLETIONS
from crew.emulator.protocols.openai_variants import Variant
from crew.emulator.protocols.wire import Wire
from crew.emulator.state import State
from crew.quota.limits import Metric
from crew.settings import Deployment


def chat_at(*bases: str) -> tuple[tuple[str, Wire], ...]:
    """Chat completions below each of these paths."""
    return tuple((f"{base}/chat/completions", CHAT_COMPLETIONS) for base in bases)


class Family(Variant):
    """Whoever speaks as OpenAI does."""

    path = "v1"
    """What a client of litellm has behind the provider's own path."""
    client = 'openai.OpenAI(base_url="{address}", api_key="any")'
    """How a client of its own is opened, with `{address}` in it."""
    client_path: str | None = None
    """What that client has behind the provider's path, where it is not `path`."""
    endpoints: tuple[tuple[str, Wire], ...] = chat_at("/v1")
    """Where calls go, below the provider's own path, as on its real host."""
    lists: tuple[str, ...] = ("/v1/models",)
    """Where the models are listed."""
    call_ids: re.Pattern[str] | None = None
    """The ids of tool calls that it takes; None: it takes any."""
    repeated_id: str = ""
    """What it says to an id that two calls have; empty: it takes that."""
    reasoning_taken: frozenset[str] = frozenset()
    """The fields of earlier reasoning that it passes over; it refuses all others."""

    def __init__(self, name: str, prefix: str = "") -> None:
        """`prefix` is litellm's, where it is another than the name."""
        self.name, self.prefix = name, prefix or name

    # Limits.

    def limit_headers(self, readings: Sequence[Reading], now: float) -> Headers:
        """The headers that come with every answer."""
        return {}

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        """What it says to a call that exceeds these limits, the worst first."""
        worst, model = breaches[0], upstream_id(deployment)
        if worst.limit.metric is Metric.USD:
            return self.failure(429, "insufficient_quota", SPENT)
        where = f"for {model} in organization {ORGANISATION} on {limit_name(worst)}"
        kind = "requests" if worst.limit.metric is Metric.REQUESTS else "tokens"
        if worst.impossible:
            message = (
                f"Request too large {where}: Limit {worst.limit.amount}, Requested "
                f"{worst.need}. The input or output tokens must be reduced in order to "
                "run successfully."
            )
        else:
            message = f"Rate limit reached {where}: {amounts(worst)}"
        error = openai_error(message, kind, "rate_limit_exceeded")
        return Reply(status=429, body=error, headers=retry_after(worst))

    # Failures.

    def failure(self, status: int, code: str, message: str) -> Reply:
        """A failure in its envelope. `code` is OpenAI's word for it."""
        kind = "server_error" if status >= 500 else "invalid_request_error"
        kind = code if code == "insufficient_quota" else kind
        return Reply(status=status, body=openai_error(message, kind, code))

    def unknown_model(self, model: str) -> Reply:
        """What it says about a model that it does not have."""
        message = f"The model `{model}` does not exist or you do not have access to it."
        return self.failure(404, "model_not_found", message)

    def out_of_capacity(self, model: str) -> Reply:
        """What it says when too many others ask: no limit of the caller's is hit."""
        message = "The server is overloaded. Please try again later."
        kind = "service_unavailable_error"
        error = openai_error(message, kind, "server_is_overloaded")
        return Reply(status=503, body=error)

    def out_of_money(self) -> Reply:
        """What it says to an account without credit."""
        return self.failure(402, "payment_required", "Insufficient credits.")

    def too_long(self, tokens: int, most: int) -> Reply:
        """What it says to a conversation that does not fit."""
        message = (
            f"This model's maximum context length is {most} tokens. However, your "
            f"messages resulted in {tokens} tokens. Please reduce the length of the "
            "messages."
        )
        return self.failure(400, "context_length_exceeded", message)

    # Conversations that began with another provider.

    def wrong_call_id(self, call_id: str) -> Reply:
        """What it says to an id that it would not have given."""
        message = (
            "Invalid 'messages.tool_calls.id': string too long. Expected a string with "
            f"maximum length 40, but got a string with length {len(call_id)} instead."
        )
        return self.failure(400, "string_above_max_length", message)

    def missing_reasoning(self, model: str, talk: Conversation) -> Reply | None:
        """What it says to a tool call without the reasoning before it, if anything."""
        return None

    def wrong_parameters(self, model: str, talk: Conversation) -> Reply | None:
        """What it says to parameters that the model does not take, if anything."""
        return None

    def wrong_order(self, roles: Sequence[str]) -> Reply | None:
        """What it says to an order of roles that it does not know, if anything."""
        return None

    # Models.

    def entry(self, deployment: Deployment) -> Entry:
        """One model in its list."""
        return openai_entry(deployment, owner=self.name)

    def listing(
        self, models: Sequence[Deployment], path: str, query: Mapping[str, str]
    ) -> object:
        """Its list, as it is at that path."""
        return {"object": "list", "data": [self.entry(model) for model in models]}

    def routes(self, state: State) -> list[Route]:
        """What else it answers."""
        return []


def page(
    entries: list[Entry], query: Mapping[str, str], name: str, usual: int
) -> tuple[list[Entry], list[Entry]]:
    """The first page, as large as the client wants it, and what is not on it."""
    wanted = query.get(name, "")
    size = int(wanted) if wanted.isdecimal() else usual
    return entries[:size], entries[size:]


def lacks(talk: Conversation, wanted: frozenset[str]) -> bool:
    """Whether a message with calls has none of these fields."""
    return not all(given & wanted for given in talk.reasoning)
