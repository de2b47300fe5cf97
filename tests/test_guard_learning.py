"""The guard learns from what providers tell, shares out what opens, and follows the
account's plan."""

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import DEAR, deployment, provider, settings
from crew.clock import ManualClock
from crew.errors import (
    ModelGone,
    OutOfMoney,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    StoreUnavailable,
)
from crew.guard import QuotaGuard
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit
from crew.quota.store import PoolState, Store
from crew.quota.stores.fallback import FallbackStore
from crew.quota.stores.memory import MemoryStore
from crew.settings import Plan, Settings
from hangs import HANGS_AFTER
from test_guard import ASK, Bench


@pytest.fixture
def one(tmp_path: Path) -> Callable[..., Bench]:
    def make(*limits: str, **fields: object) -> Bench:
        chain = [deployment("only", provider("p", *limits, **fields))]
        return Bench(settings(chain, tmp_path, max_wait=10.0))

    return make


def state_of(bench: Bench, name: str) -> PoolState:
    return next(pool for pool in bench.guard.status() if pool.name == name)


def reported(**fields: object) -> ReportedLimit:
    return replace(ReportedLimit(metric=Metric.REQUESTS, unit="minute"), **fields)


def test_headers_of_an_answer_correct_the_counts_for_everybody(
    one: Callable[..., Bench],
) -> None:
    bench = one("10 requests/minute")
    lease = bench.guard.begin(ASK).acquire()

    lease.settle(
        input_tokens=1,
        output_tokens=1,
        reported=[reported(amount=6, remaining=1, resets_in=30.0)],
    )

    (limit,) = state_of(bench, "provider:p").limits
    assert (limit.used, limit.learned, limit.left) == (5, 6, 1)


def test_a_told_remainder_is_believed_only_as_far_as_it_is_exact(
    one: Callable[..., Bench],
) -> None:
    bench = one("30K input_tokens/minute")
    tokens = reported(metric=Metric.INPUT_TOKENS, amount=30_000, slack=1_000)
    for remaining, used in ((29_000, 100), (28_000, 1_000), (0, 30_000)):
        lease = bench.guard.begin(ASK).acquire()
        lease.settle(
            input_tokens=0 if used > 100 else 100,
            output_tokens=1,
            reported=[replace(tokens, remaining=remaining)],
        )

        assert state_of(bench, "provider:p").limits[0].used == used


def test_the_narrowest_pool_that_counts_the_same_is_corrected(tmp_path: Path) -> None:
    wide = provider("p", "100 requests/minute")
    limits = (parse_limit("20 requests/minute"),)
    bench = Bench(settings([deployment("only", wide, limits=limits)], tmp_path))
    lease = bench.guard.begin(ASK).acquire()

    lease.settle(input_tokens=1, output_tokens=1, reported=[reported(remaining=5)])

    assert state_of(bench, "deployment:only").limits[0].used == 15
    assert state_of(bench, "provider:p").limits[0].used == 1


def test_a_refusal_without_a_reason_throttles_and_says_so(
    one: Callable[..., Bench],
) -> None:
    bench = one("10 requests/minute")

    bench.fail(RateLimited, status=429, retry_after=1.0)

    assert state_of(bench, "provider:p").throttle == 0.5
    assert "50% of its limits" in bench.reported[0]
    bench.clock.advance(301)
    assert state_of(bench, "provider:p").throttle is None


def test_a_refusal_that_says_what_is_used_up_corrects_the_books_instead(
    one: Callable[..., Bench],
) -> None:
    bench = one("10 requests/minute", "50 requests/day @ UTC")

    bench.fail(
        RateLimited,
        status=429,
        retry_after=5_000.0,
        reported=(reported(unit="day", remaining=0),),
    )

    state = state_of(bench, "provider:p")
    assert state.throttle is None
    assert state.limits[1].left == 0
    assert state.cooldown_until == pytest.approx(bench.clock.now() + 5_000)


def test_a_request_larger_than_the_providers_limit_goes_elsewhere_alone(
    tmp_path: Path,
) -> None:
    chain = [
        deployment("first", provider("a", "9K tokens/minute")),
        deployment("second", provider("b")),
    ]
    bench = Bench(settings(chain, tmp_path))

    attempts = bench.fail(RateLimited, status=413, never=True)

    assert attempts.acquire().deployment.name == "second"
    assert bench.served()[0] == "first"  # others are not kept away
    assert state_of(bench, "provider:a").throttle is None


class Shared(ManualClock):
    """A clock of several threads: time passes when all of them wait for it."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._wakes: dict[int, float] = {}
        self._running = threads
        self._moved = threading.Condition()

    def sleep(self, seconds: float) -> None:
        me = threading.get_ident()
        with self._moved:
            self._wakes[me] = self.time + seconds
            self._running -= 1
            self._move_on()
            self._moved.wait_for(lambda: me not in self._wakes, HANGS_AFTER)

    def end(self) -> None:
        """The calling thread will not wait any more."""
        with self._moved:
            self._running -= 1
            self._move_on()

    def _move_on(self) -> None:
        if self._running or not self._wakes:
            return
        self.time = min(self._wakes.values())
        for thread in [one for one, at in self._wakes.items() if at <= self.time]:
            del self._wakes[thread]
            self._running += 1
        self._moved.notify_all()


def test_who_came_first_is_served_first_when_the_window_opens(tmp_path: Path) -> None:
    clock = Shared(threads=7)
    chain = [deployment("only", provider("p", "2 requests/minute"))]
    made = settings(chain, tmp_path, max_wait=1_000.0)
    guard = QuotaGuard(made, MemoryStore(clock), clock)
    served: list[int] = []
    tick = threading.Event()

    def call(number: int) -> None:
        guard.begin(ASK).acquire()
        served.append(number)
        clock.end()

    def arrived() -> int:
        return len(served) + guard.status()[0].waiting

    threads = []
    for number in range(6):
        threads.append(threading.Thread(target=call, args=(number,)))
        threads[-1].start()
        while arrived() <= number:
            tick.wait(0.001)
    clock.end()  # the seventh is this one
    for thread in threads:
        thread.join(HANGS_AFTER)

    pairs = [set(served[at : at + 2]) for at in range(0, 6, 2)]
    assert pairs == [{0, 1}, {2, 3}, {4, 5}]


def test_who_gives_up_waiting_holds_nobody_up(one: Callable[..., Bench]) -> None:
    bench = one("1 requests/minute")
    bench.served()

    with pytest.raises(QuotaExceeded):
        bench.served()

    assert state_of(bench, "provider:p").waiting == 0


def test_nobody_waits_past_the_runs_deadline(tmp_path: Path) -> None:
    chain = [deployment("only", provider("p", "1 requests/minute"))]
    bench = Bench(settings(chain, tmp_path, max_wait=1_000.0))
    bench.guard.deadline = bench.clock.now() + 30
    bench.served()

    with pytest.raises(QuotaExceeded, match="1 requests/minute"):
        bench.served()
    assert bench.clock.slept == []


def test_estimates_follow_what_each_deployment_really_counts(tmp_path: Path) -> None:
    chain = [deployment("only", provider("p", "100K tokens/minute"))]
    bench = Bench(settings(chain, tmp_path))
    ask = replace(ASK, characters=4_000, input_tokens=1_000)
    estimates = bench.guard.estimates
    before = bench.guard.begin(ask).acquire().estimate.input_tokens

    for _ in range(20):
        estimates.learn_input("only", 4_000, 2_000)
        estimates.learn_output("coder", 100)

    after = bench.guard.begin(ask).acquire().estimate.input_tokens
    assert (before, after) == (1_000, 2_200)
    assert estimates.output_tokens("coder") == 120
    assert estimates.output_tokens("architect") == 800


def test_a_tier_and_a_named_role_have_limits_of_their_own(tmp_path: Path) -> None:
    chain = [deployment("dear", provider("a")), deployment("cheap", provider("b"))]
    made = settings(
        chain,
        tmp_path,
        tiers={"senior": (["dear"], None), "mid": (["dear", "cheap"], None)},
        quotas={"role:tester": (parse_limit("1 requests/day"),)},
        max_wait=1.0,
    )
    senior = replace(made.tiers["senior"], limits=(parse_limit("2 requests/day"),))
    bench = Bench(replace(made, tiers={**made.tiers, "senior": senior}))

    names = [bench.served()[0] for _ in range(3)]

    assert names == ["dear", "dear", "cheap"]
    bench.served(replace(ASK, role="tester"))
    with pytest.raises(QuotaExceeded, match="role:tester"):
        bench.served(replace(ASK, role="tester"))
    assert bench.served()[0] == "cheap"


def planned(tmp_path: Path) -> Settings:
    def plan(name: str, amount: int, **fields: object) -> Plan:
        limits = (parse_limit(f"{amount} requests/day"),)
        return replace(Plan(name=name, classes={"free": limits}), **fields)

    plans = {
        "free": plan("free", 1),
        "credit": plan("credit", 2, bought=Decimal(10)),
        "big": plan("big", 3, spent=Decimal(50)),
    }
    by = provider(
        "router", plan="free", plans=plans, classes=plans["free"].classes, limits=()
    )
    return settings([deployment("a", by, klass="free")], tmp_path, max_wait=1.0)


@pytest.mark.parametrize(
    ("reached", "plan", "room"),
    [
        ({"spent": Decimal(49)}, "free", 1),
        ({"bought": Decimal(10)}, "credit", 2),
        ({"spent": Decimal("50.01"), "bought": Decimal(10)}, "big", 3),
    ],
)
def test_an_account_moves_to_the_last_plan_whose_price_is_paid(
    tmp_path: Path, reached: dict[str, Decimal], plan: str, room: int
) -> None:
    bench = Bench(planned(tmp_path))
    router = bench.guard.settings.providers["router"]

    bench.guard.plans.advance(router, **reached)

    assert bench.guard.held_plans()["router"].plan == plan
    for _ in range(room):
        bench.served()
    with pytest.raises(QuotaExceeded):
        bench.served()
    assert len(bench.reported) == (plan != "free")


def test_a_plan_is_never_taken_back(tmp_path: Path) -> None:
    bench = Bench(planned(tmp_path))
    router = bench.guard.settings.providers["router"]
    bench.guard.plans.advance(router, spent=Decimal(60))

    bench.guard.plans.advance(router, spent=Decimal(0), bought=Decimal(10))

    held = bench.guard.held_plans()["router"]
    assert (held.plan, held.reason) == ("big", "50 usd spent, says the journal")


class Broken:
    """A store that always fails."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        def fail(*_: object, **__: object) -> object:
            raise StoreUnavailable("the store is away")

        return fail


def test_without_its_store_the_guard_stops(tmp_path: Path) -> None:
    made = settings([deployment("only", provider("p"))], tmp_path)
    guard = QuotaGuard(made, Broken(), ManualClock())  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailable):
        guard.begin(ASK).acquire()


def test_by_choice_it_goes_on_with_limits_of_its_own_and_warns_once(
    tmp_path: Path,
) -> None:
    clock, said = ManualClock(), list[str]()
    shared: list[Store] = [Broken()]  # type: ignore[list-item]

    class Shared:
        def __getattr__(self, name: str) -> object:
            return getattr(shared[0], name)

    store = FallbackStore(lambda: Shared(), clock, said.append)  # type: ignore[arg-type, return-value]
    made = settings(
        [deployment("only", provider("p", "2 requests/hour"))], tmp_path, max_wait=1.0
    )
    guard = QuotaGuard(made, store, clock, said.append)
    guard.begin(ASK).acquire().settle(input_tokens=1, output_tokens=1)
    guard.begin(ASK).acquire().keep()

    with pytest.raises(QuotaExceeded):
        guard.begin(ASK).acquire()
    assert [line.startswith("WARNING: the store does not work") for line in said] == [
        True
    ]

    shared[0] = MemoryStore(clock)
    clock.advance(31)
    guard.begin(ASK).acquire()
    assert said[1] == "the store works again: limits are shared with all"


def test_a_broken_deployment_is_not_throttled(one: Callable[..., Bench]) -> None:
    bench = one("10 requests/minute")

    bench.fail(Overloaded, status=503)

    assert state_of(bench, "provider:p").throttle is None


def test_the_price_bounds_what_is_reserved_of_a_budget(tmp_path: Path) -> None:
    chain = [deployment("dear", provider("p"), price=DEAR, max_output=10)]
    bench = Bench(settings(chain, tmp_path))

    lease = bench.guard.begin(replace(ASK, output_tokens=5_000)).acquire()

    assert lease.estimate.output_tokens == 10
    assert lease.estimate.usd == DEAR.cost(100, 10)


def test_without_money_the_free_models_of_a_provider_go_on(tmp_path: Path) -> None:
    router = provider("router", classes={"free": (parse_limit("9 requests/day"),)})
    chain = [deployment("paid", router), deployment("free", router, klass="free")]
    bench = Bench(settings(chain, tmp_path))

    attempts = bench.fail(OutOfMoney, status=402)

    assert attempts.acquire().deployment.name == "free"


def test_a_model_that_the_plan_does_not_offer_is_named_with_its_reason(
    one: Callable[..., Bench],
) -> None:
    bench = one()

    with pytest.raises(QuotaExceeded, match="is not offered on this plan"):
        bench.fail(ModelGone, status=429, reason="not offered on this plan").acquire()


def test_what_was_refused_at_the_door_costs_no_tokens(
    one: Callable[..., Bench],
) -> None:
    bench = one("1000 tokens/minute")

    bench.fail(Overloaded, status=429)

    assert state_of(bench, "provider:p").limits[0].used == 0


def test_a_request_larger_than_any_limit_is_refused_at_once_with_the_reason(
    tmp_path: Path,
) -> None:
    chain = [
        deployment("small", provider("a", "100 tokens/minute refilling")),
        deployment("large", provider("b", "1K tokens/minute refilling")),
    ]
    bench = Bench(settings(chain, tmp_path))

    assert bench.served(replace(ASK, input_tokens=500, patience=60.0)) == (
        "large",
        "small: 550 tokens never fit into 100 tokens/minute refilling (provider:a)",
    )
    assert bench.clock.slept == []


@pytest.mark.parametrize("tokens", [-1, 1.5, float("nan"), True, "7"])
def test_what_is_no_number_of_tokens_gives_nothing_away(
    one: Callable[..., Bench], tokens: object
) -> None:
    bench = one("1000 tokens/minute")
    lease = bench.guard.begin(ASK).acquire()

    lease.settle(input_tokens=tokens, output_tokens=1)  # type: ignore[arg-type]
    with (
        pytest.raises(ValueError, match="whole number"),
        bench.guard.lease(tier="mid", input_tokens=1, output_tokens=tokens),  # type: ignore[arg-type]
    ):
        pass

    assert state_of(bench, "provider:p").limits[0].used == 150


def test_an_unknown_tier_is_told_with_those_that_are(one: Callable[..., Bench]) -> None:
    with (
        pytest.raises(ValueError, match="unknown tier 'nope'; allowed: mid"),
        one().guard.lease(tier="nope", input_tokens=1, output_tokens=1),
    ):
        pass
