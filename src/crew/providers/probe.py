"""Asking a provider about the account behind a key: is it alive, which models has it,
how much is left. All of it costs nothing, but for `ask_call`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from crew.errors import (
    BadAnswer,
    BadKey,
    BadRequest,
    Blocked,
    ProviderError,
    Unsupported,
)
from crew.providers.bodies import as_object
from crew.providers.durations import moment_of
from crew.providers.families.family import Details
from crew.providers.families.registry import family
from crew.providers.http import Endpoint, Reply, fetch
from crew.providers.listing import Listed, is_whole, read_listing
from crew.providers.signals import reported_by_headers
from crew.quota.reported import ReportedLimit
from crew.settings import Deployment, Provider

SECONDS = 5.0
"""How long a provider may take to answer."""
CALL_SECONDS = 20.0
"""How long a model may take to begin: some are loaded first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a provider answered. `models` are those it serves, by ids without litellm's
    prefix, empty where it was not asked; they are all there are if it is `whole`.

    `called` names the deployment that was called where no list came, and `refused` why
    the guard let no call go. `bought` is credit in US dollars, at least; `reported` are
    limits that all free models share. `error` is why the list, or the call, failed.
    """

    models: Mapping[str, Listed] = field(default_factory=dict)
    whole: bool = True
    called: str = ""
    refused: str = ""
    bought: Decimal | None = None
    reported: tuple[ReportedLimit, ...] = ()
    error: ProviderError | None = None

    def find(self, deployment: Deployment) -> Listed | None:
        """The deployment's model, if it is listed."""
        name = own_id(deployment)
        for variant in family(deployment.family).variants:
            name = name.removesuffix(variant)
        return self.models.get(name)

    def served(self, deployment: Deployment) -> Deployment:
        """The deployment as its server serves it, where the YAML leaves that open: the
        window, and at a server of one's own that has one model, which one it is."""
        if not deployment.window_assumed or not self.models:
            return deployment
        listed, name = self.find(deployment), own_id(deployment)
        if listed is None and deployment.provider.keyless and len(self.models) == 1:
            ((name, listed),) = self.models.items()
        if listed is None:
            return deployment
        window = listed.context_window
        return replace(
            deployment,
            model=f"{deployment.family}/{name}",
            context_window=window or deployment.context_window,
            window_assumed=window is None,
        )


def own_id(deployment: Deployment) -> str:
    """The provider's own id of the model: without litellm's prefix."""
    return deployment.model.partition("/")[2] or deployment.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A call was answered. `charged` is the input and output tokens it took, None if
    it was not reported; `reported` are the limits in the answer."""

    charged: tuple[int, int] | None = None
    reported: tuple[ReportedLimit, ...] = ()


def ask_models(endpoint: Endpoint, ids: Collection[str] = ()) -> Probe:
    """The models that the key may use. `ids` are those whose details are wanted, where
    these take a question each."""
    asked = family(endpoint.family)
    answer = fetch(
        endpoint,
        "GET",
        asked.list_path,
        seconds=SECONDS,
        query=asked.list_query or None,
    )
    if isinstance(answer, ProviderError):
        return Probe(error=answer)
    if asked.account_path:
        key = fetch(endpoint, "GET", asked.account_path, seconds=SECONDS)
        if isinstance(key, BadKey | Blocked):
            return Probe(error=key)
    models = read_listing(asked.reads_entry, answer.body)
    if asked.details is not None:
        _add_details(endpoint, asked.details, models, ids)
    return Probe(models=models, whole=is_whole(answer.body))


def _add_details(
    endpoint: Endpoint,
    details: Details,
    models: dict[str, Listed],
    ids: Collection[str],
) -> None:
    for name in ids:
        if name in models:
            shown = fetch(
                endpoint, "POST", details.path, seconds=SECONDS, body={"model": name}
            )
            if isinstance(shown, Reply):
                models[name] = details.adds(models[name], shown.body)


_NO_LIST = (400, 403, 404, 405, 406, 410, 415, 422, 501)
"""What a gateway says to a question that it does not know. (403: a key may be
restricted to calls.)"""


def takes_a_call(endpoint: Endpoint, probe: Probe) -> bool:
    """Whether only a call shows if a gateway works, as it does not list its models, or
    if a key does, where the list comes with any key."""
    asked = family(endpoint.family)
    if not asked.chat_completions:
        return False
    error = probe.error
    if error is None and asked.open_list and not asked.account_path:
        return True
    if endpoint.base_url is None:
        return False
    if error is None:
        return not probe.models
    if isinstance(error, BadKey):
        return error.status == 403
    return error.status in _NO_LIST or (
        isinstance(error, BadAnswer) and error.status is None
    )


def ask_call(endpoint: Endpoint, model: str) -> Answered | ProviderError:
    """The cheapest call there is; the caller holds the lease for it. `model` is the id
    without litellm's prefix."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
    }
    answer = fetch(
        endpoint, "POST", "chat/completions", seconds=CALL_SECONDS, body=body
    )
    if isinstance(answer, ProviderError):
        # Newer models of OpenAI's take no such small limit, or call it otherwise. The
        # model's own endpoint says so, behind the key and the gateway, for nothing.
        refused = isinstance(answer, Unsupported) or (
            isinstance(answer, BadRequest) and "max_tokens" in answer.raw
        )
        return Answered(charged=(0, 0), reported=answer.reported) if refused else answer
    completion = as_object(answer.body)
    if not completion.get("choices") or completion.get("error"):
        return BadAnswer(endpoint.provider.name, "no answer of a model came back")
    usage = as_object(completion.get("usage"))
    sent, wrote = (
        _count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")
    )
    lower = {name.lower(): value for name, value in answer.headers.items()}
    return Answered(
        charged=None if sent is None or wrote is None else (sent, wrote),
        reported=reported_by_headers(endpoint.family, lower, now=moment_of(lower)),
    )


def ask_credit(provider: Provider, name: str) -> Probe | None:
    """What the account has bought and what is left of it today; None for a family
    that has no free address to ask."""
    asked = family(name)
    if asked.reads_account is None:
        return None
    endpoint = Endpoint(provider=provider, family=name, base_url=provider.base_url)
    answer = fetch(endpoint, "GET", asked.account_path, seconds=SECONDS)
    if isinstance(answer, ProviderError):
        return Probe(error=answer)
    account = asked.reads_account(answer.body)
    return Probe(bought=account.bought, reported=account.reported)


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 10**15 else None
