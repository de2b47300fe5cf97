"""The guard: who serves, who waits, who is swapped, and what is told."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import DEAR, deployment, provider, settings
from crew.clock import ManualClock
from crew.errors import (
    BadKey,
    BadRequest,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    QuotaExceeded,
    RateLimited,
)
from crew.guard import QuotaGuard
from crew.guard.guard import Attempts
from crew.quota.limit_syntax import parse_limit
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Settings
from test_clock_jumps import JumpingClock

ASK = Request(tier="mid", input_tokens=100, output_tokens=50, role="coder", run="r1")


class Bench:
    """A guard on a clock of the test's own, and what it told."""

    def __init__(self, made: Settings) -> None:
        self.clock = ManualClock()
        self.reported: list[str] = []
        self.store = MemoryStore(self.clock)
        self.guard = QuotaGuard(made, self.store, self.clock, self.reported.append)

    def served(self, request: Request = ASK) -> tuple[str, str]:
        """Which deployment serves a call now, and why not the first."""
        lease = self.guard.begin(request).acquire()
        lease.settle(input_tokens=100, output_tokens=50)
        return lease.deployment.name, lease.reason

    def fail(self, error: type[ProviderError], **fields: object) -> Attempts:
        attempts = self.guard.begin(ASK)
        lease = attempts.acquire()
        attempts.failed(lease, error(lease.deployment.name, **fields))
        return attempts


@pytest.fixture
def two(tmp_path: Path) -> Callable[..., Bench]:
    def make(*limits: str, **fields: object) -> Bench:
        chain = [
            deployment("first", provider("one", *limits)),
            deployment("second", provider("two")),
        ]
        return Bench(settings(chain, tmp_path, **fields))

    return make


def test_the_first_deployment_serves_while_it_is_open(
    two: Callable[..., Bench],
) -> None:
    assert two("10 requests/minute").served() == ("first", "")


def test_a_full_limit_swaps_and_the_reset_brings_the_better_one_back(
    two: Callable[..., Bench],
) -> None:
    bench = two("2 requests/minute")
    bench.served()
    bench.served()

    name, reason = bench.served()

    assert name == "second"
    assert reason.startswith("first: 2 requests/minute (provider:one); opens 2023-")
    bench.clock.advance(62)
    assert bench.served() == ("first", "")


def test_patience_waits_for_the_better_one_and_says_so(
    two: Callable[..., Bench],
) -> None:
    bench = two("1 requests/minute")
    bench.served()
    bench.clock.advance(50)

    impatient = bench.served(replace(ASK, patience=5.0))
    patient = bench.served(replace(ASK, patience=15.0))

    assert impatient[0] == "second"
    assert patient == ("first", "")
    assert sum(bench.clock.slept) == pytest.approx(11, abs=1)
    assert bench.reported == [f"coder waits 11 s: {impatient[1]}"]


def test_a_closed_chain_waits_for_the_soonest_up_to_max_wait(tmp_path: Path) -> None:
    chain = [
        deployment("first", provider("one", "1 requests/hour")),
        deployment("second", provider("two", "1 requests/minute")),
    ]
    bench = Bench(settings(chain, tmp_path, max_wait=70.0))
    bench.served()
    bench.served()

    assert bench.served()[0] == "second"
    assert 60 <= sum(bench.clock.slept) <= 62
    assert "every deployment is closed" in bench.reported[0]


def test_past_max_wait_every_closed_deployment_is_named(tmp_path: Path) -> None:
    chain = [
        deployment("first", provider("one", "1 requests/hour")),
        deployment("keyless", provider("none", api_key=None)),
    ]
    bench = Bench(settings(chain, tmp_path, max_wait=60.0))
    bench.served()

    with pytest.raises(QuotaExceeded) as caught:
        bench.served()

    first, keyless = caught.value.closed
    assert (first.deployment, first.limit) == (
        "first",
        "1 requests/hour (provider:one)",
    )
    assert first.opens_at == pytest.approx(bench.clock.now() + 3600, abs=40)
    assert (keyless.deployment, keyless.opens_at) == ("keyless", None)
    assert keyless.limit == "no key: NONE_API_KEY is not set"
    assert caught.value.opens_at == first.opens_at
    assert bench.clock.slept == []


def test_a_429_cools_down_for_everybody_as_long_as_the_provider_says(
    two: Callable[..., Bench],
) -> None:
    bench = two()

    attempts = bench.fail(RateLimited, status=429, retry_after=7.0)

    assert attempts.acquire().deployment.name == "second"
    assert bench.served()[0] == "second"
    bench.clock.advance(7.01)
    assert bench.served() == ("first", "")


def test_patience_waits_out_a_short_429_on_the_same_deployment(
    two: Callable[..., Bench],
) -> None:
    bench = two()
    attempts = bench.guard.begin(replace(ASK, patience=10.0))
    lease = attempts.acquire()
    attempts.failed(lease, RateLimited("first", status=429, retry_after=3.0))

    assert attempts.acquire().deployment.name == "first"
    assert bench.clock.slept == [pytest.approx(3.0)]


def test_a_broken_provider_is_left_at_once_whatever_the_patience(
    two: Callable[..., Bench],
) -> None:
    bench = two()
    attempts = bench.guard.begin(replace(ASK, patience=60.0))
    lease = attempts.acquire()
    attempts.failed(lease, Overloaded("first", status=503))

    assert attempts.acquire().deployment.name == "second"
    assert bench.clock.slept == []


def test_when_all_are_broken_the_first_to_recover_is_tried_again(
    two: Callable[..., Bench],
) -> None:
    bench = two()
    attempts = bench.fail(Overloaded, status=503)
    second = attempts.acquire()
    attempts.failed(second, Overloaded("second", status=529))

    assert attempts.acquire().deployment.name == "first"
    assert sum(bench.clock.slept) == pytest.approx(15.0)


def test_a_refused_key_closes_the_provider_for_this_run(tmp_path: Path) -> None:
    both = provider("one")
    chain = [deployment("a", both), deployment("b", both)]
    bench = Bench(settings(chain, tmp_path))

    attempts = bench.fail(BadKey, status=401)

    with pytest.raises(QuotaExceeded) as caught:
        attempts.acquire()
    assert [entry.limit for entry in caught.value.closed] == [
        "ONE_API_KEY was refused (401); check it"
    ] * 2
    assert bench.reported == [
        "ALERT: the key of one fails: ONE_API_KEY was refused (401); check it"
    ]


def test_a_retired_model_is_never_asked_again_and_said_loudly(
    two: Callable[..., Bench],
) -> None:
    bench = two()

    bench.fail(ModelGone, status=404)

    bench.clock.advance(10_000)
    assert bench.served()[0] == "second"
    assert bench.reported == [
        "ALERT: first is gone: openai/first is unknown or retired (404)"
    ]


def test_an_empty_account_closes_the_whole_provider(tmp_path: Path) -> None:
    shared = provider("one")
    chain = [
        deployment("a", shared),
        deployment("b", shared),
        deployment("c", provider("two")),
    ]
    bench = Bench(settings(chain, tmp_path))

    attempts = bench.fail(OutOfMoney, status=402)

    assert attempts.acquire().deployment.name == "c"


def test_a_bad_request_is_put_to_one_other_provider_and_not_to_all(
    tmp_path: Path,
) -> None:
    one = provider("one")
    chain = [
        deployment("first", one),
        deployment("same account", one),
        deployment("second", provider("two")),
        deployment("third", provider("three")),
    ]
    bench = Bench(settings(chain, tmp_path))
    attempts = bench.fail(BadRequest, status=400)

    lease = attempts.acquire()

    assert lease.deployment.name == "second"
    assert lease.reason == "first: BadRequest (400)"
    with pytest.raises(BadRequest, match="second"):
        attempts.failed(lease, BadRequest("second", status=400))
    assert bench.served() == ("first", "")


def test_a_bad_request_that_nobody_else_can_be_asked_about_stops(
    tmp_path: Path,
) -> None:
    chain = [
        deployment("first", provider("one")),
        deployment("second", provider("two", "1 requests/hour")),
    ]
    bench = Bench(settings(chain, tmp_path, max_wait=7_200.0))
    bench.guard.begin(ASK).acquire()
    bench.fail(Overloaded, status=500)
    bench.served()  # by the second, which is full with that
    bench.clock.advance(60)
    attempts = bench.fail(BadRequest, status=400)

    with pytest.raises(BadRequest, match="first"):
        attempts.acquire()
    assert bench.clock.slept == []


def test_tokens_of_a_refused_call_are_given_back(two: Callable[..., Bench]) -> None:
    bench = two("1000 tokens/minute", "10 requests/minute")

    bench.fail(RateLimited, status=429, retry_after=1.0)

    state = next(pool for pool in bench.guard.status() if pool.name == "provider:one")
    assert [(limit.used, limit.reserved) for limit in state.limits] == [(0, 0), (1, 0)]


def test_in_doubt_the_estimate_stays_charged(two: Callable[..., Bench]) -> None:
    bench = two("1000 tokens/minute")

    bench.fail(Overloaded, status=500)

    state = next(pool for pool in bench.guard.status() if pool.name == "provider:one")
    assert state.limits[0].used == 150


def test_a_spent_budget_closes_what_costs_and_not_what_is_free(tmp_path: Path) -> None:
    chain = [
        deployment("dear", provider("one"), price=DEAR),
        deployment("free", provider("two")),
    ]
    made = settings(chain, tmp_path, budgets=(parse_limit("0.003 usd/run"),))
    bench = Bench(made)

    first, second = bench.served(), bench.served()

    assert first == ("dear", "")
    assert second[0] == "free"
    assert "0.003 usd/run (budget:r1)" in second[1]
    assert bench.served(replace(ASK, run="r2"))[0] == "dear"


@pytest.mark.parametrize("scope", ["user", "team", "role", "run"])
def test_a_quota_counts_its_scope(tmp_path: Path, scope: str) -> None:
    chain = [deployment("only", provider("one"))]
    quotas = {scope: (parse_limit("1 requests/day @ UTC"),)}
    bench = Bench(settings(chain, tmp_path, quotas=quotas, max_wait=1.0))
    bench.served()

    with pytest.raises(QuotaExceeded, match=f"{scope}:"):
        bench.served()


def test_a_class_of_deployments_shares_one_bucket(tmp_path: Path) -> None:
    shared = provider("router", classes={"free": (parse_limit("1 requests/minute"),)})
    chain = [
        deployment("a", shared, klass="free"),
        deployment("b", shared, klass="free"),
        deployment("paid", shared),
    ]
    bench = Bench(settings(chain, tmp_path))

    assert [bench.served()[0] for _ in range(3)] == ["a", "paid", "paid"]


def test_a_rule_goes_first_then_the_tier_then_what_follows_it(tmp_path: Path) -> None:
    chain = [
        deployment(name, provider(f"p-{name}", "1 requests/hour"))
        for name in ("senior-1", "mid-1", "coding-1", "coding-low")
    ]
    tiers = {"mid": (["mid-1"], "senior"), "senior": (["senior-1"], None)}
    routing = {"coding": ("coding-1",), "coding.low": ("coding-low",)}
    bench = Bench(settings(chain, tmp_path, tiers=tiers, routing=routing))
    ask = replace(ASK, kind="coding", complexity="high")

    assert [bench.served(ask)[0] for _ in range(3)] == ["coding-1", "mid-1", "senior-1"]
    low = replace(ask, complexity="low")
    assert bench.served(low)[0] == "coding-low"


def test_what_cannot_take_the_conversation_is_left_out(tmp_path: Path) -> None:
    chain = [
        deployment("blind", provider("a")),
        deployment("short", provider("c"), vision=True, context_window=120),
        deployment("able", provider("d"), vision=True),
    ]
    bench = Bench(settings(chain, tmp_path))

    assert bench.served(replace(ASK, vision=True, tools=True)) == ("able", "")


def test_what_takes_no_native_tools_stays_where_the_chain_has_it(
    tmp_path: Path,
) -> None:
    chain = [
        deployment("by-text", provider("b"), tools=False),
        deployment("native", provider("d")),
    ]
    bench = Bench(settings(chain, tmp_path))

    assert bench.served(replace(ASK, tools=True)) == ("by-text", "")


def test_a_conversation_too_long_for_every_window_is_told_as_such(
    two: Callable[..., Bench],
) -> None:
    with pytest.raises(ContextTooLong, match="maximum context length"):
        two().served(replace(ASK, input_tokens=1_000_000))


def test_a_conversation_is_shortened_when_only_smaller_windows_are_open(
    tmp_path: Path,
) -> None:
    large = deployment("large", provider("a", "1 requests/hour"))
    chain = [
        deployment("small", provider("b"), context_window=200),
        large,
        deployment("tiny", provider("c"), context_window=100),
    ]
    bench = Bench(settings(chain, tmp_path, max_wait=60.0))
    long = replace(ASK, input_tokens=1_000)

    assert bench.served(long)[0] == "large"
    with pytest.raises(ContextTooLong) as caught:
        bench.served(long)
    assert caught.value.window == 200
    assert bench.served() == ("small", "")


def test_a_large_window_that_opens_soon_is_waited_for(tmp_path: Path) -> None:
    chain = [
        deployment("small", provider("b"), context_window=200),
        deployment("large", provider("a", "1 requests/minute")),
    ]
    bench = Bench(settings(chain, tmp_path, max_wait=90.0))
    long = replace(ASK, input_tokens=1_000)

    assert [bench.served(long)[0] for _ in range(2)] == ["large", "large"]
    assert sum(bench.clock.slept) == pytest.approx(61, abs=2)


def test_a_small_window_whose_key_was_refused_is_no_way_out(tmp_path: Path) -> None:
    chain = [
        deployment("small", provider("b"), context_window=200),
        deployment("large", provider("a", "1 requests/hour")),
    ]
    bench = Bench(settings(chain, tmp_path, max_wait=60.0))
    bench.fail(BadKey, status=401)
    long = replace(ASK, input_tokens=1_000)

    assert bench.served(long)[0] == "large"
    with pytest.raises(QuotaExceeded):
        bench.served(long)


def test_a_lease_in_a_script_is_settled_by_it_or_kept(
    two: Callable[..., Bench],
) -> None:
    bench = two("1000 tokens/minute")
    with bench.guard.lease(tier="mid", input_tokens=12, output_tokens=8) as lease:
        usage = lease.settle(input_tokens=11, output_tokens=7)
    with bench.guard.lease(tier="mid", input_tokens=30, output_tokens=10):
        pass

    state = bench.guard.status()[0]
    assert (lease.deployment.name, lease.deployment.model) == ("first", "openai/first")
    assert usage.usd == Decimal(0)
    assert state.limits[0].used == 18 + 40


def test_a_full_concurrency_is_polled_until_a_place_is_free(tmp_path: Path) -> None:
    chain = [deployment("only", provider("one", "1 concurrent"))]
    bench = Bench(settings(chain, tmp_path, max_wait=2.0))
    lease = bench.guard.begin(ASK).acquire()

    with pytest.raises(QuotaExceeded, match="1 concurrent") as caught:
        bench.guard.begin(ASK).acquire()

    # The lease ends by then, whatever becomes of its holder.
    assert caught.value.opens_at == lease.reservation.expires_at
    lease.settle(input_tokens=1, output_tokens=1)
    assert bench.served() == ("only", "")


def test_who_waits_long_for_a_place_reports_how_long_at_most(tmp_path: Path) -> None:
    made = provider("one", "1 concurrent", timeout=120.0)
    bench = Bench(settings([deployment("only", made)], tmp_path, max_wait=1_000.0))
    bench.guard.begin(ASK).acquire()
    began = bench.clock.now()

    assert bench.served() == ("only", "")
    assert bench.clock.now() - began == pytest.approx(180, abs=1)
    (notice,) = bench.reported
    assert notice.startswith("coder waits at most 175 s: every deployment is closed")


class JumpingBench(Bench):
    """A bench whose time of day goes to three days ahead, or comes back from there,
    when the test says so."""

    def __init__(self, made: Settings) -> None:
        super().__init__(made)
        self.clock = JumpingClock()
        self.store = MemoryStore(self.clock)
        self.guard = QuotaGuard(made, self.store, self.clock, self.reported.append)


@pytest.mark.parametrize("seconds", [3 * 86_400.0, -3 * 86_400.0])
def test_a_call_waits_no_longer_and_no_shorter_when_the_clock_jumps(
    tmp_path: Path, seconds: float
) -> None:
    chain = [deployment("only", provider("one"))]
    bench = JumpingBench(settings(chain, tmp_path, max_wait=60.0))
    bench.guard.deadline = bench.clock.monotonic() + 40
    attempts = bench.fail(Overloaded, retry_after=20.0)
    bench.clock.jump(seconds)

    assert attempts.acquire().deployment.name == "only"
    assert sum(bench.clock.slept) == pytest.approx(20, abs=0.2)
    bench.clock.jump(-seconds)
    attempts = bench.fail(Overloaded, retry_after=30.0)
    with pytest.raises(QuotaExceeded):
        attempts.acquire()


def test_a_local_provider_that_does_not_answer_is_left_out(tmp_path: Path) -> None:
    silent = provider("ollama", local=True, api_key=None, base_url="http://127.0.0.1:9")
    chain = [deployment("local", silent), deployment("cloud", provider("one"))]

    assert Bench(settings(chain, tmp_path)).served() == ("cloud", "")


async def test_waiting_does_not_block_the_event_loop(two: Callable[..., Bench]) -> None:
    bench = two("1 requests/minute")
    bench.served()

    lease = await bench.guard.begin(replace(ASK, patience=90.0)).acquire_async()

    assert lease.deployment.name == "first"
    assert sum(bench.clock.slept) == pytest.approx(61, abs=1)
