"""The families of providers: one file each, on the guard's side and the emulator's."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from building import deployment, provider, settings
from crew.check.online import ask_all
from crew.emulator.families.registry import BY_PREFIX
from crew.errors import (
    BadKey,
    ModelGone,
    Overloaded,
    ProviderError,
    RateLimited,
)
from crew.guard import QuotaGuard
from crew.providers.families.family import Family
from crew.providers.families.registry import FAMILIES, family, makers
from crew.providers.http import Endpoint
from crew.providers.listing import Listed, read_listing
from crew.providers.probe import Probe, ask_models, takes_a_call
from crew.providers.prompt import Prompt, outgoing
from crew.providers.signals import classify, reported_by_headers
from crew.providers.words import SHARED
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit
from crew.settings import Deployment
from scripted import Scripted, serving
from test_emulator_kit import make_settings, served

SOURCE = Path(__file__).parents[1] / "src" / "crew"
NAMES = {one.name for one in FAMILIES} | set(BY_PREFIX)
# Protocols and a malformed request's envelope are named `openai`; of the transport's
# special cases only the transport knows.
NAMED_ELSEWHERE = {
    "providers/transport.py",
    "providers/litellm_setup.py",
    "providers/exchange.py",
}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as running:
        yield running


def _constants(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {value for value in found if isinstance(value, str)}


def test_only_a_familys_own_file_knows_its_name() -> None:
    named = {
        str(path.relative_to(SOURCE)): found
        for wing in ("providers", "emulator", "runs", "check", "guard", "calls")
        for path in (SOURCE / wing).rglob("*.py")
        if path.parent.name not in ("families", "protocols")
        and (found := _constants(path) & NAMES - {"openai"})
    }

    assert set(named) <= NAMED_ELSEWHERE, named


def test_each_family_has_one_name_and_no_word_twice() -> None:
    words = [
        (meaning, word)
        for given in (SHARED, *(one.words for one in FAMILIES))
        for meaning, found in given.items()
        for word in found
    ]

    assert len({one.name for one in FAMILIES}) == len(FAMILIES)
    assert len(set(words)) == len(words)
    assert all(word == word.lower() for _, word in words)


def test_the_emulator_plays_each_family_that_has_an_address_of_its_own() -> None:
    hosts = {one.name for one in FAMILIES if one.base_url is not None}

    # `ollama` is litellm's older way to the server of `ollama_chat`.
    assert hosts - {"ollama"} <= set(BY_PREFIX)


def test_a_family_that_is_named_and_no_more_speaks_as_openai_does() -> None:
    new = Family(name="new", base_url="https://new.example/v1")
    body = {"data": [{"id": "m", "context_length": 7}]}

    assert new.key_headers("sk-1") == {"authorization": "Bearer sk-1"}
    assert new.key_headers("") == {}
    assert new.chat_completions
    assert (new.bounds_output, new.reasoning_fields) == (False, ())
    assert new.call_id("call_0") == "call_0"
    assert read_listing(new.reads_entry, body) == {"m": Listed()}


def test_of_an_unknown_family_only_litellm_knows_the_protocol() -> None:
    assert family("fireworks_ai") == Family(name="fireworks_ai", chat_completions=False)


def test_an_unknown_familys_headers_are_read_by_their_names() -> None:
    signed = {"ratelimitbysize-limit": "500", "ratelimitbysize-remaining": "7"}
    plain = {"x-ratelimit-limit-requests": "60"}

    (tokens,) = reported_by_headers("fireworks_ai", signed, now=None)
    (requests,) = reported_by_headers("nvidia_nim", plain, now=None)

    assert (tokens.metric, tokens.unit, tokens.amount) == (Metric.TOKENS, "minute", 500)
    assert requests == ReportedLimit(metric=Metric.REQUESTS, unit="minute", amount=60)


def test_a_maker_is_known_by_its_models_wherever_they_are_served() -> None:
    found = {
        model: [one.name for one in makers(model)]
        for model in (
            "openrouter/mistralai/Devstral-2",
            "nvidia_nim/moonshotai/kimi-k3",
            "openai/gpt-5.6",
        )
    }

    assert list(found.values()) == [["mistral"], ["moonshot"], []]


TURN = [
    {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    {"role": "user", "content": "Go on."},
]


def _at(model: str) -> Deployment:
    return deployment("d", provider("p"), model=model)


def test_what_a_models_maker_wants_and_what_its_server_wants_are_apart() -> None:
    elsewhere, here = _at("openrouter/mistralai/x"), _at("mistral/x")

    sent = [outgoing(one, Prompt(messages=TURN)) for one in (elsewhere, here)]
    assert [len(messages) for messages in sent] == [3, 3]
    assert sent[0][0]["tool_call_id"] == "call_1"
    assert len(sent[1][0]["tool_call_id"]) == 9


# NVIDIA NIM: bodies as they were captured and reported, 2026-05 to 2026-08.


WORKERS = "ResourceExhausted: Worker local total request limit reached (163/32)"
ENDED = "The model 'z-ai/glm4.7' has reached its end of life on 2026-05-14T00:00:00Z"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"status": 429, "title": "Too Many Requests"}, RateLimited),
        # What follows is the provider's own lack of room, and no limit of ours.
        (503, {"error": {"message": WORKERS, "code": 503}}, Overloaded),
        (429, {"error": {"message": WORKERS, "code": 429}}, Overloaded),
        (
            400,
            {"detail": "Function id 'f-1': DEGRADED function cannot be invoked"},
            Overloaded,
        ),
        (410, {"title": "Gone", "status": 410, "detail": ENDED}, ModelGone),
        (404, {"detail": "Function 'f-1': Not found for account 'a-1'"}, ModelGone),
        (401, {"title": "Unauthorized", "detail": "Authentication failed"}, BadKey),
        (403, {"title": "Forbidden", "detail": "Authorization failed"}, BadKey),
    ],
)
def test_nvidias_refusals_are_what_they_are(
    status: int, body: dict[str, object], kind: type[ProviderError]
) -> None:
    error = classify("m", status, json.dumps(body), {}, family="nvidia_nim")

    assert type(error) is kind


def test_nvidias_list_comes_with_any_key_so_that_a_call_shows_the_key(
    server: Scripted,
) -> None:
    server.pages["/v1/models"] = 200, {"data": [{"id": "nvidia/m"}]}
    endpoint = Endpoint(
        provider=provider("nvidia_nim"), family="nvidia_nim", base_url=server.url
    )

    probe = ask_models(endpoint)

    assert list(probe.models) == ["nvidia/m"]
    assert takes_a_call(endpoint, probe)
    # It is the same at its own host, of which the YAML says nothing.
    own = Endpoint(provider=provider("nvidia_nim"), family="nvidia_nim")
    assert takes_a_call(own, probe)
    for known in ("openai", "openrouter"):
        other = Endpoint(provider=provider("p"), family=known, base_url=server.url)
        assert not takes_a_call(other, probe)


def test_nvidia_is_called_once_under_a_lease_when_it_is_checked(tmp_path: Path) -> None:
    slot = {"name": "slot", "model": "nvidia_nim/nvidia/slot-1"}
    with served(make_settings("nvidia_nim", deployments=[slot])) as root:
        by = provider("nvidia_nim", base_url=f"{root}/nvidia_nim/v1")
        here = deployment("here", by, model="nvidia_nim/nvidia/slot-1")
        made = settings([here], tmp_path)
        accounts = ask_all(made, lambda: QuotaGuard.open(made))

    assert accounts == {"here": Probe(called="here")}
