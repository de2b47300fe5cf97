"""What providers say of an account, and what the guard makes of it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, settings
from crew.errors import BadKey, ProviderError, Unreachable
from crew.journal import Call
from crew.providers.online import Account, ask_credit, ask_models
from crew.quota.limits import parse_limit
from crew.run import Run
from crew.settings import Plan, Provider, Settings
from scripted import Scripted, serving


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def asked(server: Scripted) -> Provider:
    return provider("router", base_url=server.url)


def key_page(limit: object, remaining: object) -> tuple[int, object]:
    free = {"limit": limit, "remaining": remaining, "used": 10}
    return 200, {"data": {"label": "x", "free_model_daily_requests": free}}


def test_the_models_of_a_key_are_listed_whatever_the_family_calls_them(
    server: Scripted, asked: Provider
) -> None:
    for family, header, page in (
        ("openai", ("authorization", "Bearer sk-router"), {"data": [{"id": "m-1"}]}),
        ("anthropic", ("x-api-key", "sk-router"), {"data": [{"id": "m-1"}]}),
        (
            "gemini",
            ("x-goog-api-key", "sk-router"),
            {"models": [{"name": "models/m-1"}]},
        ),
    ):
        server.pages["/v1/models"] = 200, page

        account = ask_models(asked, family)

        assert account == Account(models=frozenset({"m-1"}))
        assert server.asked[-1][1][header[0]] == header[1]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, BadKey), (403, BadKey), (500, ProviderError)]
)
def test_a_failure_is_one_of_ours_and_shows_no_key(
    server: Scripted, asked: Provider, status: int, kind: type[ProviderError]
) -> None:
    server.pages["/v1/models"] = status, {"error": {"message": "bad key sk-router"}}

    error = ask_models(asked, "openai").error

    assert isinstance(error, kind)
    assert "sk-router" not in f"{error} {error.raw}"


@pytest.mark.parametrize("page", ["no json", [], {"data": "x"}, {"data": [1, None]}])
def test_an_answer_of_another_shape_says_nothing(
    server: Scripted, asked: Provider, page: object
) -> None:
    server.pages["/v1/models"] = server.pages["/v1/key"] = 200, page

    assert ask_models(asked, "openai").models == frozenset()
    credit = ask_credit(asked, "openrouter")
    assert credit is not None
    assert (credit.bought, credit.told) == (None, ())


def test_nobody_there_is_told_as_such() -> None:
    silent = provider("router", base_url="http://127.0.0.1:9/v1")

    assert isinstance(ask_models(silent, "openai").error, Unreachable)


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
    told: list[str] = []

    Run.open(made, output=tmp_path / "out", listener=told.append).close()

    run = Run.open(replace(made, rehearsal=True), output=tmp_path / "out2")
    assert run.guard.plans()["router"].plan == plan
    free = next(pool for pool in run.guard.status() if pool.name == "class:router/free")
    assert free.limits[0].left == left
    assert len(server.asked) == 1
    assert any("plan credit" in line for line in told) == (plan == "credit")
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
    assert run.guard.plans()["together"].plan == "free"
    run.journal.record(spent_on(run.id, Decimal("0.5")))
    run.close()

    again = Run.open(made, output=tmp_path / "out")

    held = again.guard.plans()["together"]
    assert (held.plan, held.reason) == ("tier2", "0.0001 usd spent, says the journal")
    again.close()


def spent_on(run: str, usd: Decimal) -> Call:
    return Call(
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

    estimates = again.guard.accounts.estimates
    assert estimates.output_tokens("coder") == 360
    assert estimates.input_tokens("a", 3_000) == 1_100
    again.close()
