"""Asking all providers at once: the emulator's lists, gateways that list nothing, and
the guard that reserves what is called then."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from building import deployment, provider, settings
from crew.check.online import ask_all
from crew.clock import ManualClock
from crew.errors import (
    BadKey,
    BadRequest,
    ModelGone,
    ProviderError,
    StoreUnavailable,
)
from crew.guard import QuotaGuard
from crew.providers.listing import Listed
from crew.providers.probe import Probe
from crew.quota.store import PoolState
from crew.quota.stores.memory import MemoryStore
from crew.settings import Deployment, Settings
from hangs import HANGS_AFTER
from scripted import Scripted, serving
from test_emulator_kit import make_settings, price, served


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


def not_needed() -> QuotaGuard:
    raise AssertionError("nothing is called, so nothing is reserved")


# The emulator lists what it plays, in each family's own shape.

ABLE = Listed(vision=True, tools=False, context_window=64_000, max_output=4_000)


@pytest.mark.parametrize(
    ("family", "path", "listed"),
    [
        ("openrouter", "api/v1", replace(ABLE, price=price("0.065", "0.18"))),
        ("anthropic", "", replace(ABLE, tools=None)),
        ("mistral", "v1", replace(ABLE, max_output=None)),
        ("gemini", "v1beta", replace(ABLE, vision=None, tools=None)),
        ("groq", "openai/v1", replace(ABLE, vision=None, tools=None)),
        (
            "together_ai",
            "v1",
            Listed(context_window=64_000, price=price("0.065", "0.18")),
        ),
        ("deepseek", "", Listed()),
        ("openai", "v1", Listed()),
        ("ollama_chat", "", replace(ABLE, max_output=None)),
    ],
)
def test_every_family_tells_what_it_can_tell(
    tmp_path: Path, family: str, path: str, listed: Listed
) -> None:
    name = family.removesuffix("_chat")
    slot = {
        "name": "slot",
        "model": f"{family}/vendor/slot-1",
        "tools": False,
        "context_window": 64_000,
        "max_output": 4_000,
        "price": price("0.065", "0.18"),
    }
    with served(make_settings(name, deployments=[slot])) as root:
        by = provider(name, base_url=f"{root}/{name}/{path}".rstrip("/"))
        here = deployment("here", by, model=f"{family}/vendor/slot-1")
        accounts = ask_all(settings([here], tmp_path), not_needed)

    assert accounts == {"here": Probe(models={"vendor/slot-1": listed})}


@pytest.mark.parametrize("family", ["anthropic", "gemini"])
def test_what_is_on_a_late_page_is_found(tmp_path: Path, family: str) -> None:
    many = [{"name": f"slot{number}"} for number in range(60)]
    with served(make_settings(family, deployments=many)) as root:
        path = "/v1beta" if family == "gemini" else ""
        by = provider(family, base_url=f"{root}/{family}{path}")
        here = deployment("here", by, model=f"{family}/vendor/slot59-1")
        found = ask_all(settings([here], tmp_path), not_needed)["here"].find(here)

    assert found is not None


def test_openrouters_ways_to_ask_are_the_same_model(tmp_path: Path) -> None:
    probe = Probe(models={"v/m": Listed(), "v/m:free": Listed(tools=True)})
    by = provider("openrouter")

    for suffix, found in ((":nitro", Listed()), (":free", Listed(tools=True))):
        model = f"openrouter/v/m{suffix}"
        assert probe.find(deployment("d", by, model=model)) == found
    assert probe.find(deployment("d", by, model="openrouter/v/m:odd")) is None
    assert Probe(models={"m": Listed()}).find(deployment("d", by, model="m"))


# Who is asked, and how often.


def test_each_address_with_a_key_is_asked_once(
    tmp_path: Path, server: Scripted
) -> None:
    server.pages["/v1/models"] = 200, {"data": [{"id": "a"}]}
    server.pages["/other/models"] = 200, {"data": [{"id": "c"}]}
    one = provider("one", base_url=server.url)
    other = server.url.replace("/v1", "/other")
    made = settings(
        [
            deployment("a", one),
            deployment("b", one),
            deployment("c", one, base_url=other),
            deployment("none", provider("keyless", api_key=None)),
        ],
        tmp_path,
    )

    accounts = ask_all(made, not_needed)

    assert sorted(path for path, _ in server.asked) == ["/other/models", "/v1/models"]
    assert {name: list(one.models) for name, one in accounts.items()} == {
        "a": ["a"],
        "b": ["a"],
        "c": ["c"],
    }


def test_slow_providers_are_waited_for_together(tmp_path: Path) -> None:
    """Each of them answers when all nine are asked."""
    together = threading.Barrier(9)
    with ExitStack() as stack:
        slow = [stack.enter_context(serving()) for _ in range(9)]
        for script in slow:
            script.hold = partial(together.wait, HANGS_AFTER)
            script.pages["/v1/models"] = 200, {"data": [{"id": "x"}]}
        made = settings(
            [
                deployment(f"d{number}", provider(f"p{number}", base_url=script.url))
                for number, script in enumerate(slow)
            ],
            tmp_path,
        )
        accounts = ask_all(made, not_needed)

    assert [list(one.models) for one in accounts.values()] == [["x"]] * 9


# A gateway that lists nothing is called, and the guard knows of it.


def behind(server: Scripted, *limits: str) -> list[Deployment]:
    headers = {"x-portkey-provider": "openai"}
    gate = provider("gate", *limits, base_url=server.url, headers=headers)
    return [deployment("first", gate), deployment("second", gate)]


class Desk:
    """A guard on a store that outlives it."""

    def __init__(self, made: Settings) -> None:
        self.clock = ManualClock(1_700_000_000.0)
        self.store = MemoryStore(self.clock)
        self.settings = made
        self.asked = partial(ask_all, made, self.open)

    def open(self) -> QuotaGuard:
        return QuotaGuard(self.settings, self.store, self.clock)

    def pool(self, name: str) -> PoolState:
        return next(pool for pool in self.open().status() if pool.name == name)


@pytest.mark.parametrize(
    "page",
    [
        (404, {"error": "no page"}),
        (405, "not allowed"),
        (400, {"status": "failure", "message": "Invalid provider passed"}),
        (403, {"error": {"message": "this key may not list models"}}),
        (501, ""),
        (200, "<html>hello</html>"),
        (200, {"object": "list", "data": []}),
    ],
)
def test_a_gateway_that_lists_nothing_is_called_once_under_a_lease(
    tmp_path: Path, server: Scripted, page: tuple[int, object]
) -> None:
    server.pages["/v1/models"] = page
    limits = ("10 requests/minute", "10K tokens/minute")
    desk = Desk(settings(behind(server, *limits), tmp_path))

    accounts = desk.asked()

    assert accounts == dict.fromkeys(("first", "second"), Probe(called="first"))
    assert [request["model"] for request in server.requests] == ["first"]
    assert server.posted[0][1]["x-portkey-provider"] == "openai"
    requests, tokens = desk.pool("provider:gate").limits
    assert (requests.used, requests.reserved) == (1, 0)
    assert (tokens.used, tokens.reserved) == (sum(server.reported["first"][0]), 0)


def test_without_a_word_of_usage_the_estimate_stays(
    tmp_path: Path, server: Scripted
) -> None:
    choice = {"message": {"role": "assistant", "content": "H"}}
    for usage in (None, {"prompt_tokens": True, "completion_tokens": -1}):
        server.canned = 200, {"choices": [choice], "usage": usage}
        desk = Desk(settings(behind(server, "10K tokens/minute"), tmp_path))

        assert desk.asked()["first"] == Probe(called="first")
        (tokens,) = desk.pool("provider:gate").limits
        assert (tokens.used, tokens.reserved) == (101, 0)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (("0 usd/month @ UTC",), "0 usd/month"),
        (("50 tokens/minute",), "50 tokens/minute"),
    ],
)
def test_a_refusal_by_the_guard_is_told_and_nothing_is_called(
    tmp_path: Path, server: Scripted, limits: tuple[str, ...], why: str
) -> None:
    dear = [replace(one, price=price("5", "25")) for one in behind(server, *limits)]
    desk = Desk(settings(dear, tmp_path))

    probe = desk.asked()["first"]

    assert probe.called == "first"
    assert why in probe.refused
    assert server.requests == []


def test_a_full_limit_is_not_waited_for(tmp_path: Path, server: Scripted) -> None:
    desk = Desk(settings(behind(server, "1 requests/minute"), tmp_path, max_wait=300.0))
    desk.asked()

    probe = desk.asked()["first"]

    assert "1 requests/minute (provider:gate); opens " in probe.refused
    assert desk.clock.slept == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "kind"), [("401", BadKey), ("404", ModelGone), ("422", BadRequest)]
)
def test_a_call_that_fails_is_told_and_costs_nothing(
    tmp_path: Path, server: Scripted, reply: str, kind: type[ProviderError]
) -> None:
    server.replies["first"] = [reply]
    desk = Desk(settings(behind(server, "10K tokens/minute"), tmp_path))

    probe = desk.asked()["first"]

    assert isinstance(probe.error, kind)
    (tokens,) = desk.pool("provider:gate").limits
    assert (tokens.used, tokens.reserved) == (0, 0)


def test_what_a_refusal_teaches_holds_for_the_next_run(
    tmp_path: Path, server: Scripted
) -> None:
    server.replies["first"] = ["429"]
    server.headers["retry-after"] = "40"
    desk = Desk(settings(behind(server), tmp_path))

    desk.asked()

    cooled = [pool for pool in desk.open().status() if pool.cooldown_until]
    assert [pool.cooldown_until for pool in cooled] == [1_700_000_040.0]


def test_a_store_that_does_not_work_lets_no_call_go(
    tmp_path: Path, server: Scripted
) -> None:
    def broken() -> QuotaGuard:
        raise StoreUnavailable("quota.db cannot be opened")

    accounts = ask_all(settings(behind(server), tmp_path), broken)

    refused = Probe(called="first", refused="quota.db cannot be opened")
    assert accounts == dict.fromkeys(("first", "second"), refused)
    assert server.requests == []


@pytest.mark.parametrize("status", [401, 429, 500, 302])
def test_an_answer_that_says_enough_leads_to_no_call(
    tmp_path: Path, server: Scripted, status: int
) -> None:
    server.pages["/v1/models"] = status, {"error": "no"}

    accounts = ask_all(settings(behind(server), tmp_path), not_needed)

    assert accounts["first"].error is not None
    assert accounts["first"].called == ""


@pytest.mark.parametrize("model", ["anthropic/a", "gemini/a", "ollama_chat/a"])
def test_only_who_speaks_as_openai_does_is_called(
    tmp_path: Path, server: Scripted, model: str
) -> None:
    one = deployment("a", provider("v", base_url=server.url), model=model)

    probe = ask_all(settings([one], tmp_path), not_needed)["a"]

    assert isinstance(probe.error, ModelGone)
    assert server.requests == []
