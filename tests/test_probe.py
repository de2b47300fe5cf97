"""What providers say of an account, and what the guard makes of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, settings
from crew.calls.run import Run
from crew.errors import (
    BadAnswer,
    BadKey,
    ModelGone,
    ProviderError,
    TimedOut,
    Unreachable,
)
from crew.journal import CallRecord
from crew.providers import http as fetching
from crew.providers import probe as online
from crew.providers.http import Endpoint
from crew.providers.listing import Listed
from crew.providers.probe import Answered, Probe, ask_call, ask_credit, ask_models
from crew.quota.limit_syntax import parse_limit
from crew.settings import Plan, Provider, Settings
from scripted import Scripted, serving


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def asked(server: Scripted) -> Provider:
    return provider("router", base_url=server.url)


def endpoint(by: Provider, family: str = "openai") -> Endpoint:
    return Endpoint(provider=by, family=family, base_url=by.base_url)


def key_page(limit: object, remaining: object) -> tuple[int, object]:
    free = {"limit": limit, "remaining": remaining, "used": 10}
    return 200, {"data": {"label": "x", "free_model_daily_requests": free}}


def test_the_models_of_a_key_are_listed_whatever_the_family_calls_them(
    server: Scripted, asked: Provider
) -> None:
    for family, header, page in (
        ("openai", ("authorization", "Bearer sk-router"), {"data": [{"id": "m-1"}]}),
        (
            "gemini",
            ("x-goog-api-key", "sk-router"),
            {"models": [{"name": "models/m-1"}]},
        ),
    ):
        server.pages["/v1/models"] = 200, page

        probe = ask_models(endpoint(asked, family))

        assert probe == Probe(models={"m-1": Listed()})
        assert server.asked[-1][1][header[0]] == header[1]


def test_the_providers_own_headers_go_with_the_question_and_win(
    server: Scripted,
) -> None:
    own = {"x-portkey-provider": "openai", "Authorization": "Bearer own"}
    server.pages["/v1/models"] = 200, {"data": [{"id": "m-1"}]}

    ask_models(endpoint(provider("gate", base_url=server.url, headers=own)))

    ((_, headers),) = server.asked
    assert headers["x-portkey-provider"] == "openai"
    assert headers["authorization"] == "Bearer own"


def test_anthropic_is_asked_where_litellm_sends_its_calls(server: Scripted) -> None:
    root = server.url.removesuffix("/v1")
    server.pages["/v1/models"] = 200, {"data": [{"id": "m-1"}]}

    probe = ask_models(endpoint(provider("anthropic", base_url=root), "anthropic"))

    assert probe == Probe(models={"m-1": Listed()})
    ((path, headers),) = server.asked
    assert path == "/v1/models?limit=1000"  # 20 without it
    assert headers["x-api-key"] == "sk-anthropic"
    assert headers["anthropic-version"] == "2023-06-01"


def test_googles_list_is_asked_for_the_largest_page(
    server: Scripted, asked: Provider
) -> None:
    for family in ("gemini", "openai"):
        ask_models(endpoint(asked, family))

    assert [path for path, _ in server.asked] == [
        "/v1/models?pageSize=1000",
        "/v1/models",
    ]


def test_openrouters_open_list_says_nothing_of_the_key(
    server: Scripted, asked: Provider
) -> None:
    server.pages["/v1/models"] = 200, {"data": [{"id": "m-1"}]}
    unasked = ask_models(endpoint(asked, "openrouter"))
    server.pages["/v1/key"] = 401, {"error": {"message": "No auth", "code": 401}}

    refused = ask_models(endpoint(asked, "openrouter"))

    assert unasked == Probe(models={"m-1": Listed()})
    assert isinstance(refused.error, BadKey)


def test_ollama_is_asked_at_its_own_paths(server: Scripted) -> None:
    root = server.url.removesuffix("/v1")
    local = provider("ollama", api_key=None, local=True, base_url=root)
    server.pages["/api/tags"] = 200, {"models": [{"name": "qwen3:8b"}, {"name": "x"}]}

    probe = ask_models(endpoint(local, "ollama_chat"), ["qwen3:8b", "gone"])

    assert list(probe.models) == ["qwen3:8b", "x"]
    assert [path for path, _ in server.posted] == ["/api/show"]
    assert "authorization" not in server.posted[0][1]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, BadKey), (403, BadKey), (500, ProviderError)]
)
def test_a_failure_is_one_of_ours_and_shows_no_key(
    server: Scripted, asked: Provider, status: int, kind: type[ProviderError]
) -> None:
    server.pages["/v1/models"] = status, {"error": {"message": "bad key sk-router"}}

    error = ask_models(endpoint(asked)).error

    assert isinstance(error, kind)
    assert "sk-router" not in f"{error} {error.raw}"


@pytest.mark.parametrize(
    "page", ["no json", [], {"data": "x"}, {"data": [1, None]}, "[" * 100_000, "7"]
)
def test_an_answer_of_another_shape_says_nothing(
    server: Scripted, asked: Provider, page: object
) -> None:
    server.pages["/v1/models"] = server.pages["/v1/key"] = 200, page

    assert ask_models(endpoint(asked)).models == {}
    credit = ask_credit(asked, "openrouter")
    assert credit is not None
    assert (credit.bought, credit.reported) == (None, ())


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_cut_off(
    server: Scripted, asked: Provider, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_BYTES", 100_000)
    server.pages["/v1/models"] = status, "[" + " " * 1_000_000 + "]"

    error = ask_models(endpoint(asked)).error

    assert isinstance(error, BadAnswer)
    assert str(error) == "router: the answer is too long"


def test_a_packed_answer_is_not_unpacked(server: Scripted, asked: Provider) -> None:
    server.headers["content-encoding"] = "gzip"
    server.pages["/v1/models"] = 200, "\x1f\x8b"

    assert isinstance(ask_models(endpoint(asked)).error, BadAnswer)
    assert server.asked[0][1]["accept-encoding"] == "identity"


def test_a_redirect_takes_the_key_nowhere(server: Scripted, asked: Provider) -> None:
    with serving() as other:
        other.pages["/v1/models"] = 200, {"data": [{"id": "m-1"}]}
        server.headers["location"] = f"{other.url}/models"
        for status in (301, 302, 307, 308):
            server.pages["/v1/models"] = status, ""

            error = ask_models(endpoint(asked)).error

            assert (
                str(error) == f"router: it redirects; correct its base_url ({status})"
            )
        assert other.asked == []


@contextmanager
def dripping() -> Iterator[str]:
    """A server that sends one more byte, and one more, and never comes to an end."""
    stop = threading.Event()

    def serve() -> None:
        connection, _ = bound.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        finally:
            stop.set()
            thread.join()


def test_an_answer_in_drops_has_no_more_time_than_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(online, "SECONDS", 0.4)
    with dripping() as url:  # for eight minutes
        error = ask_models(endpoint(provider("slow", base_url=url))).error

    assert isinstance(error, TimedOut)


@pytest.mark.parametrize(
    "fields",
    [{"api_key": "sk-\u201cquoted\u201d"}, {"headers": {"x-team": "\u00e9quipe"}}],
)
def test_a_key_that_is_not_ascii_is_told_without_it(
    server: Scripted, fields: dict[str, object]
) -> None:
    error = ask_models(endpoint(provider("v", base_url=server.url, **fields))).error

    assert str(error) == "v: the key, or a header, is not ASCII"
    assert isinstance(error, BadKey)


def test_nobody_there_is_told_as_such() -> None:
    silent = provider("router", base_url="http://127.0.0.1:9/v1")

    assert isinstance(ask_models(endpoint(silent)).error, Unreachable)
    assert "address" in str(ask_models(endpoint(provider("x"), "unheard-of")).error)


def test_a_call_is_as_small_as_can_be_and_tells_what_it_took(
    server: Scripted, asked: Provider
) -> None:
    server.headers["x-ratelimit-remaining-requests"] = "7"

    answer = ask_call(endpoint(asked), "m-1")

    assert isinstance(answer, Answered)
    assert answer.charged == server.reported["m-1"][0]
    assert [reported.remaining for reported in answer.reported] == [7]
    (request,) = server.requests
    assert request == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
    }
    assert server.posted[0][0] == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("404", ModelGone),
        ("401", BadKey),
        ("no_choices", BadAnswer),
        ("error_in_200", BadAnswer),
        ("malformed", BadAnswer),
        ("html", BadAnswer),
    ],
)
def test_a_call_that_fails_is_one_of_our_classes(
    server: Scripted, asked: Provider, reply: str, kind: type[ProviderError]
) -> None:
    server.replies["m-1"] = [reply]

    assert isinstance(ask_call(endpoint(asked), "m-1"), kind)


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        "Could not finish the message because max_tokens or model output limit was "
        "reached. Please try again with higher max_tokens.",
    ],
)
def test_a_model_that_wants_more_tokens_answers(
    asked: Provider, message: str, server: Scripted
) -> None:
    error = {"message": message, "type": "invalid_request_error", "code": "x"}
    server.canned = 400, {"error": error}

    assert ask_call(endpoint(asked), "m-1") == Answered(charged=(0, 0))


def test_only_openrouter_tells_what_was_bought_for_nothing(asked: Provider) -> None:
    assert ask_credit(asked, "openai") is None


def planned(tmp_path: Path, server: Scripted) -> Settings:
    few = (parse_limit("50 requests/day @ UTC"),)
    many = (parse_limit("1000 requests/day @ UTC"),)
    router = provider(
        "router",
        base_url=server.url,
        plan="free",
        classes={"free": few},
        plans={
            "free": Plan(name="free", classes={"free": few}),
            "credit": Plan(name="credit", classes={"free": many}, bought=Decimal(10)),
        },
    )
    model = deployment("a", router, klass="free", model="openrouter/vendor/a:free")
    made = settings([model], tmp_path)
    return replace(made, store_url=f"sqlite:///{tmp_path}/quota.db")


@pytest.mark.parametrize(
    ("page", "plan", "left"),
    [
        (key_page(1000, 400), "credit", 400),
        (key_page(50, 45), "free", 45),
        ((401, {"error": {"message": "No auth"}}), "free", 50),
    ],
)
def test_a_run_asks_in_the_background_which_plan_the_account_is_on(
    tmp_path: Path, server: Scripted, page: tuple[int, object], plan: str, left: int
) -> None:
    server.pages["/v1/key"] = page
    made = planned(tmp_path, server)
    reported: list[str] = []

    Run.open(made, output=tmp_path / "out", listener=reported.append).close()

    run = Run.open(replace(made, rehearsal=True), output=tmp_path / "out2")
    assert run.guard.held_plans()["router"].plan == plan
    free = next(pool for pool in run.guard.status() if pool.name == "class:router/free")
    assert free.limits[0].left == left
    assert len(server.asked) == 1
    assert any("plan credit" in line for line in reported) == (plan == "credit")
    run.close()


def test_what_was_spent_advances_the_plan_at_the_next_start(tmp_path: Path) -> None:
    tiers = {
        "free": Plan(name="free", limits=(parse_limit("60 requests/minute"),)),
        "tier2": Plan(
            name="tier2",
            limits=(parse_limit("1800 requests/minute"),),
            spent=Decimal("0.0001"),
        ),
    }
    by = provider("together", plan="free", plans=tiers, limits=tiers["free"].limits)
    dear = deployment("a", by)
    made = settings([dear], tmp_path)
    run = Run.open(made, output=tmp_path / "out")
    assert run.guard.held_plans()["together"].plan == "free"
    run.journal.record(spent_on(run.id, Decimal("0.5")))
    run.close()

    again = Run.open(made, output=tmp_path / "out")

    held = again.guard.held_plans()["together"]
    assert (held.plan, held.reason) == ("tier2", "0.0001 usd spent, says the journal")
    again.close()


def spent_on(run: str, usd: Decimal) -> CallRecord:
    return CallRecord(
        run=run,
        task=None,
        role="coder",
        deployment="a",
        provider="together",
        input_tokens=1_000,
        output_tokens=300,
        cost_usd=usd,
        seconds=1.0,
        outcome="ok",
        reason="",
        at=1.0,
        characters=3_000,
    )


def test_a_new_run_estimates_as_the_last_ones_ended(tmp_path: Path) -> None:
    made = settings([deployment("a", provider("together"))], tmp_path)
    run = Run.open(made, output=tmp_path / "out")
    run.journal.record(spent_on(run.id, Decimal(0)))
    run.close()

    again = Run.open(made, output=tmp_path / "out")

    estimates = again.guard.estimates
    assert estimates.output_tokens("coder") == 360
    assert estimates.input_tokens("a", 3_000) == 1_100
    again.close()
