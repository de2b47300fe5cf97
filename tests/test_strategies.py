"""The strategies: each does under load what it promises, beside a shuffled control."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import DEAR, FREE, deployment, provider, settings
from crew.clock import ManualClock
from crew.errors import Overloaded, QuotaExceeded
from crew.guard import QuotaGuard
from crew.journal import ServedCall, Try
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Refusal, Usage
from crew.quota.store import Store
from crew.quota.stores import open_store
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Deployment, LadderSpec, Price, Settings, Tier
from crew.settings.strategies import Reserve
from redis_server import fresh_url

ASK = Request(tier="mid", input_tokens=1000, output_tokens=200, role="coder")
CACHED = Price(input=Decimal(5), output=Decimal(25), cached_input=Decimal("0.5"))


class Record:
    """A journal of the test's own, which counts how often it is read."""

    def __init__(
        self, calls: Sequence[ServedCall] = (), tries: Sequence[Try] = ()
    ) -> None:
        self.calls, self.tries, self.reads = list(calls), list(tries), 0

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]:
        self.reads += 1
        return len(self.calls), self.calls[row:]

    def tries_after(self, row: int) -> tuple[int, list[Try]]:
        self.reads += 1
        return len(self.tries), self.tries[row:]


class CountingStore(MemoryStore):
    """A store that counts how often it is asked for levels."""

    reads = 0

    def levels(self, pools: Sequence[Pool]) -> list:
        self.reads += 1
        return super().levels(pools)


class Bench:
    """A guard on a clock of the test's own."""

    def __init__(self, made: Settings, record: Record | None = None) -> None:
        self.clock = ManualClock()
        self.store = CountingStore(self.clock)
        self.record = record or Record()
        self.guard = QuotaGuard(made, self.store, self.clock, record=self.record)

    def served(self, request: Request = ASK) -> tuple[str, str]:
        lease = self.guard.begin(request).acquire()
        lease.settle(
            input_tokens=request.input_tokens, output_tokens=request.output_tokens
        )
        return lease.deployment.name, lease.reason

    def order(self, request: Request = ASK) -> list[str]:
        return [one.name for one in self.guard.begin(request).route.candidates]


def tiered(
    chain: Sequence[Deployment], tmp_path: Path, strategy: str, **fields: object
) -> Settings:
    tier = Tier(name="mid", chain=tuple(one.name for one in chain), strategy=strategy)
    tiers = fields.pop("tiers", {"mid": tier})
    return replace(settings(chain, tmp_path), tiers=tiers, **fields)


def timed(
    name: str, *seconds: float, at: float, tokens: int = 1000
) -> list[ServedCall]:
    return [
        ServedCall(
            deployment=name, input_tokens=tokens, seconds=one, failed=False, at=at
        )
        for one in seconds
    ]


def tries(name: str, passed: int, failed: int, usd: str, at: float) -> list[Try]:
    return [
        Try(
            deployment=name,
            kind="coding",
            complexity="low",
            at=at,
            number=1,
            is_retry=False,
            task_trust="tests",
            trust="tests",
            passed=one < passed,
            usd=Decimal(usd),
            premium_usd=Decimal("0.10"),
            seconds=1.0,
        )
        for one in range(passed + failed)
    ]


def test_priority_is_the_order_of_the_yaml_and_reads_nothing(tmp_path: Path) -> None:
    chain = [deployment(name, provider(name), price=DEAR) for name in ("a", "b")]
    bench = Bench(tiered(chain, tmp_path, "priority"))

    assert bench.served() == ("a", "")
    assert (bench.store.reads, bench.record.reads) == (0, 0)


@pytest.mark.parametrize("strategy", ["headroom", "least_busy", "latency", "measured"])
def test_a_decision_reads_the_store_or_the_journal_once(
    tmp_path: Path, strategy: str
) -> None:
    chain = [deployment(name, provider(name, "9 requests/day")) for name in "abc"]
    made = tiered(chain, tmp_path, strategy)
    senior = Tier(name="senior", chain=("a",))
    bench = Bench(replace(made, tiers={**made.tiers, "senior": senior}))

    bench.served(replace(ASK, trust="tests", kind="coding", complexity="low"))

    assert bench.store.reads + bench.record.reads == 1


def spent(strategy: str, tmp_path: Path, chance: random.Random | None) -> list[int]:
    """Which of a day's 300 calls was the first that found an allowance used up: six
    free deployments with 40 to 90 requests a day."""
    chain = [
        deployment(f"d{at}", provider(f"p{at}", f"{40 + 10 * at} requests/day @ UTC"))
        for at in range(6)
    ]
    names = [one.name for one in chain]
    bench = Bench(tiered(chain, tmp_path, strategy))
    left, closed = {f"d{at}": 40 + 10 * at for at in range(6)}, []
    for call in range(300):
        request = ASK
        if chance is not None:
            request = replace(ASK, chain=tuple(chance.sample(names, len(names))))
        name, _ = bench.served(request)
        bench.clock.advance(240)
        left[name] -= 1
        if left[name] == 0:
            closed.append(call)
    return closed


def test_headroom_lets_daily_allowances_last_the_day(tmp_path: Path) -> None:
    shuffled = [spent("priority", tmp_path, random.Random(seed)) for seed in range(5)]

    assert spent("headroom", tmp_path, None) == []
    assert len(spent("priority", tmp_path, None)) == 4
    assert all(len(one) >= 1 for one in shuffled)


def test_headroom_puts_what_is_free_first_and_says_why(tmp_path: Path) -> None:
    chain = [
        deployment("paid", provider("one"), price=DEAR),
        deployment("low", provider("two", "4 requests/day @ UTC")),
        deployment("high", provider("three", "40 requests/day @ UTC")),
    ]
    bench = Bench(tiered(chain, tmp_path, "headroom"))

    name, reason = bench.served()

    assert name == "high"
    assert reason == (
        "mid goes by headroom; 98% left of 40 requests/day @ UTC (provider:three)"
    )
    assert bench.order() == ["high", "low", "paid"]


def test_latency_takes_the_median_and_its_spread_of_calls_of_that_size(
    tmp_path: Path,
) -> None:
    chain = [deployment(name, provider(name)) for name in ("slow", "wild", "quick")]
    now = ManualClock().now()
    record = Record(
        [
            *timed("slow", 5, 5, 5, 5, at=now),
            *timed("wild", 1, 1, 9, 9, at=now),
            *timed("quick", 4, 4, 4, 4, at=now),
            *timed("quick", 60, 60, 60, at=now, tokens=30_000),
            *timed("slow", 20, 20, 20, at=now, tokens=30_000),
            *timed("wild", 90, 90, 90, at=now, tokens=30_000),
        ]
    )
    bench = Bench(tiered(chain, tmp_path, "latency"), record)

    assert bench.order() == ["quick", "slow", "wild"]
    assert bench.order(replace(ASK, input_tokens=30_000)) == ["slow", "quick", "wild"]
    assert bench.served()[1] == "mid goes by latency; 4.0 s ± 0.0 s in 4 calls"


def test_latency_under_load_beats_the_shuffled_order(tmp_path: Path) -> None:
    def seconds(strategy: str, seed: int, *, shuffled: bool) -> float:
        chance, record = random.Random(seed), Record()
        typical = {"a": 9.0, "b": 3.0, "c": 6.0}
        chain = [deployment(name, provider(name)) for name in typical]
        bench, total = Bench(tiered(chain, tmp_path, strategy), record), 0.0
        for _ in range(100):
            order = tuple(chance.sample("abc", 3)) if shuffled else ()
            name, _ = bench.served(replace(ASK, chain=order))
            took = typical[name] * chance.uniform(0.8, 1.4)
            record.calls += timed(name, took, at=bench.clock.now())
            bench.clock.advance(5)
            total += took
        return total

    measured = seconds("latency", 1, shuffled=False)

    assert measured < 0.65 * min(
        seconds("priority", seed, shuffled=True) for seed in range(3)
    )


def test_a_deployment_that_gives_no_answer_counts_as_slow(tmp_path: Path) -> None:
    chain = [deployment(name, provider(name)) for name in ("broken", "works")]
    now = ManualClock().now()
    broken = [replace(one, failed=True) for one in timed("broken", 1, 1, 1, at=now)]
    record = Record([*broken, *timed("works", 9, 9, 9, at=now)])

    assert Bench(tiered(chain, tmp_path, "latency"), record).order() == [
        "works",
        "broken",
    ]


def test_least_busy_spreads_calls_that_are_in_flight(tmp_path: Path) -> None:
    chain = [deployment(name, provider(name)) for name in "abc"]
    bench = Bench(tiered(chain, tmp_path, "least_busy"))
    leases = [bench.guard.begin(ASK).acquire() for _ in range(9)]

    assert Counter(one.deployment.name for one in leases) == {"a": 3, "b": 3, "c": 3}
    next(one for one in leases if one.deployment.name == "b").keep()
    assert bench.served() == ("b", "mid goes by least_busy; 2 calls in flight")
    assert not any("in flight" in pool.name for pool in bench.guard.status())


def test_cost_takes_the_cheapest_for_the_expected_tokens(tmp_path: Path) -> None:
    def price(sent: str, answered: str) -> Price:
        return Price(input=Decimal(sent), output=Decimal(answered))

    chain = [
        deployment("unknown", provider("x"), price=None),
        deployment("reads", provider("r"), price=price("1", "30")),
        deployment("writes", provider("w"), price=price("6", "10")),
    ]
    bench = Bench(tiered(chain, tmp_path, "cost"))

    assert bench.order() == ["reads", "writes", "unknown"]
    long = replace(ASK, output_tokens=2000)
    assert bench.order(long) == ["writes", "reads", "unknown"]
    assert bench.served()[1] == "mid goes by cost; $0.007000 expected"


def test_measured_follows_the_ladders_rule_and_leaves_the_unmeasured_in_place(
    tmp_path: Path,
) -> None:
    chain = [
        deployment(name, provider(name), price=DEAR)
        for name in ("bad", "new", "good", "top")
    ]
    now = ManualClock().now()
    record = Record(
        tries=[
            *tries("bad", 2, 18, "0.01", now),
            *tries("good", 18, 2, "0.01", now),
            *tries("top", 19, 1, "0.10", now),
            *tries("new", 3, 0, "0.01", now),
        ]
    )
    made = tiered(chain[:3], tmp_path, "measured")
    senior = Tier(name="senior", chain=("top",))
    made = replace(
        made,
        tiers={**made.tiers, "senior": senior},
        deployments={one.name: one for one in chain},
    )
    bench = Bench(made, record)
    work = replace(ASK, kind="coding", complexity="low", trust="tests")

    name, reason = bench.served(work)

    assert (name, reason.partition(" = ")[0]) == (
        "good",
        "mid goes by measured; p x P - c",
    )
    assert bench.order(work) == ["good", "new", "bad"]
    assert bench.order(replace(work, trust="shape")) == ["bad", "new", "good"]


# The cache.


@pytest.mark.parametrize(
    ("tokens", "stays"), [(60_000, True), (400, False)], ids=["worth it", "too small"]
)
def test_a_task_stays_where_its_cache_is_worth_more_than_the_gain(
    tmp_path: Path, tokens: int, stays: bool
) -> None:
    # Cheaper per token, and dearer than what the first has in its cache.
    cheaper = Price(input=Decimal(4), output=Decimal(1))
    chain = [
        deployment("warm", provider("one", "1 requests/minute"), price=CACHED),
        deployment("cheap", provider("two"), price=cheaper),
    ]
    made = tiered(chain[:1], tmp_path, "cost")
    bench = Bench(replace(made, deployments={one.name: one for one in chain}))
    request = replace(ASK, task="code", run="r", input_tokens=tokens)
    first = bench.served(request)[0]
    both = Tier(name="mid", chain=("warm", "cheap"), strategy="cost")
    object.__setattr__(bench.guard.settings, "tiers", {"mid": both})
    bench.clock.advance(90)

    assert first == "warm"
    assert bench.order(request)[0] == ("warm" if stays else "cheap")
    assert bench.order(replace(request, task="other"))[0] == "cheap"
    bench.clock.advance(400)
    assert bench.order(request)[0] == "cheap"


@pytest.mark.parametrize("strategy", ["headroom", "latency", "least_busy", "cost"])
def test_no_strategy_moves_a_task_back_and_forth(tmp_path: Path, strategy: str) -> None:
    limits = "500 requests/day @ UTC"
    chain = [deployment(n, provider(n, limits), price=CACHED) for n in "abc"]
    bench = Bench(tiered(chain, tmp_path, strategy))
    request = replace(ASK, task="code", run="r", input_tokens=20_000)

    assert len({bench.served(request)[0] for _ in range(20)}) == 1


def test_time_that_is_worth_more_than_the_cache_moves_a_task(tmp_path: Path) -> None:
    chain = [deployment(name, provider(name), price=CACHED) for name in "ab"]
    now = ManualClock().now()

    def order(hour: int) -> list[str]:
        ladder = LadderSpec(hour_is_worth=Decimal(hour))
        record = Record([*timed("a", 5, 5, 5, at=now), *timed("b", 6, 6, 6, at=now)])
        bench = Bench(tiered(chain, tmp_path, "latency", ladder=ladder), record)
        request = replace(ASK, task="code", run="r")
        assert bench.served(request)[0] == "a"
        record.calls += timed("a", *[60.0] * 30, at=bench.clock.now())
        return bench.order(request)

    assert order(0) == ["a", "b"]
    assert order(100) == ["b", "a"]


def test_a_call_that_failed_leaves_no_warm_cache(tmp_path: Path) -> None:
    chain = [deployment(name, provider(name), price=CACHED) for name in "ab"]
    bench = Bench(tiered(chain, tmp_path, "least_busy"))
    request = replace(ASK, task="code", run="r", input_tokens=20_000)
    attempts = bench.guard.begin(request)
    lease = attempts.acquire()
    attempts.failed(lease, Overloaded(lease.deployment.name))

    assert bench.guard.warm.of(request) is None


def test_each_tier_and_rule_keeps_its_place_and_its_strategy(tmp_path: Path) -> None:
    chain = [deployment(name, provider(name), price=DEAR) for name in ("a", "b")]
    chain += [deployment(name, provider(name), price=FREE) for name in ("c", "d")]
    tiers = {
        "mid": Tier(name="mid", chain=("a", "c"), then="rest", strategy="cost"),
        "rest": Tier(name="rest", chain=("b", "d")),
    }
    made = tiered(chain, tmp_path, "", tiers=tiers, routing={"coding": ("b", "d")})
    ruled = replace(made, rule_strategies={"coding": "cost"})

    assert Bench(made).order() == ["c", "a", "b", "d"]
    assert Bench(made).order(replace(ASK, kind="coding")) == ["b", "d", "c", "a"]
    assert Bench(ruled).order(replace(ASK, kind="coding")) == ["d", "b", "c", "a"]


# In every store.


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    urls = {
        "memory": lambda: "memory:",
        "sqlite": lambda: f"sqlite:///{tmp_path}/quota.db",
        "redis": fresh_url,
    }
    found = open_store(urls[request.param](), ManualClock())
    yield found
    found.close()


def test_levels_are_what_the_snapshot_counts(store: Store) -> None:
    texts = ["9 requests/minute", "5K tokens/day refilling", "8 usd/day @ UTC"]
    limits = tuple(parse_limit(text) for text in (*texts, "4 concurrent"))
    pools = [Pool(name="p", limits=limits), Pool(name="q", limits=limits[:1])]
    took = Usage(input_tokens=700, output_tokens=300, usd=Decimal("0.5"))
    for _ in range(2):
        assert not isinstance(store.reserve(pools, took, lease_seconds=9), Refusal)

    found = store.levels([*pools, Pool(name="new", limits=limits[:2])])

    for state, levels in zip(store.snapshot(pools), found, strict=False):
        for limit, level in zip(state.limits, levels, strict=True):
            assert level.counted == pytest.approx(limit.used + limit.reserved)
            assert (level.limit, level.amount) == (limit.limit, limit.limit.amount)
    assert [level.counted for level in found[2]] == [0, 0]


def kept(tmp_path: Path, store: Store, *limits: str) -> QuotaGuard:
    chain = [deployment("one", provider("one"), price=DEAR)]
    tier = Tier(
        name="mid",
        chain=("one",),
        limits=tuple(parse_limit(text) for text in limits),
        reserve=Reserve(share=Decimal("0.3"), complexity="high"),
    )
    made = tiered(chain, tmp_path, "", tiers={"mid": tier}, max_wait=0.0)
    return QuotaGuard(made, store, ManualClock())


def test_a_reserve_is_kept_for_hard_work_and_the_refusal_names_it(
    tmp_path: Path, store: Store
) -> None:
    guard = kept(tmp_path, store, "10 requests/day @ UTC", "90 requests/minute")
    low, high = replace(ASK, complexity="low"), replace(ASK, complexity="high")
    for _ in range(7):
        guard.begin(low).acquire().keep()

    with pytest.raises(QuotaExceeded) as caught:
        guard.begin(low).acquire()
    (closed,) = caught.value.closed
    assert closed.limit == "7 requests/day @ UTC (tier:mid less 30 % for high)"
    assert closed.opens_at is not None
    for _ in range(3):
        guard.begin(high).acquire().keep()
    with pytest.raises(QuotaExceeded, match=r"10 requests/day @ UTC \(tier:mid\)"):
        guard.begin(high).acquire()


def test_a_reserve_holds_when_hard_work_comes_first_and_all_at_once(
    tmp_path: Path, store: Store
) -> None:
    guard = kept(tmp_path, store, "20 requests/day @ UTC")
    served: Counter[str] = Counter()

    def work(complexity: str) -> None:
        for _ in range(6):
            try:
                guard.begin(replace(ASK, complexity=complexity)).acquire().keep()
            except QuotaExceeded:
                continue
            served[complexity] += 1

    for _ in range(2):
        guard.begin(replace(ASK, complexity="high")).acquire().keep()
    threads = [threading.Thread(target=work, args=("low",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work("high")

    assert served == {"low": 14, "high": 4}
