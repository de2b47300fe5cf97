"""What only the Redis store promises; the rest is in the suite of all stores."""

import builtins
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crew.clock import ManualClock, SystemClock
from crew.errors import StoreUnavailable
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Refusal, Usage
from crew.quota.store import Observation, Reservation, Store
from crew.quota.stores import open_store
from crew.quota.stores.memory import MemoryStore
from forked import Forks
from redis_server import Server, free_port, fresh_url, shared_server

ONE = Usage(input_tokens=10, output_tokens=5, usd=Decimal("0.01"))


def pool(*limits: str, name: str = "provider:x") -> Pool:
    return Pool(name=name, limits=tuple(parse_limit(text) for text in limits))


WIDE = pool("10M requests/minute", "900B tokens/hour", "9 concurrent")


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store(fresh_url(), SystemClock())
    yield store
    store.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to be killed."""
    server = Server(directory=tmp_path)
    server.start()
    yield server
    server.kill()


def reserve(store: Store, *pools: Pool, usage: Usage = ONE) -> Reservation | Refusal:
    return store.reserve(pools, usage, lease_seconds=300)


def counted(store: Store, *pools: Pool) -> list[tuple[int, int]]:
    states = store.snapshot(pools)
    return [(limit.used, limit.reserved) for state in states for limit in state.limits]


# The same as the store that is the reference, step by step.

POOLS = (
    pool("7 requests/minute", "60 tokens/minute", "3 concurrent", name="a"),
    pool("90 tokens/hour refilling", "0.9 usd/day @ Europe/Berlin", name="b"),
    pool("40 output_tokens/10 minutes", "12 requests/hour @ UTC", name="c"),
    pool("30 input_tokens/run", "5 requests/second refilling", name="d"),
)
_drawn = st.lists(st.sampled_from(POOLS), max_size=3, unique=True)
_usage = st.builds(
    Usage,
    requests=st.integers(0, 2),
    input_tokens=st.integers(0, 20),
    output_tokens=st.integers(0, 30),
    usd=st.none() | st.decimals(0, "0.3", places=3),
)
STEP = st.one_of(
    st.tuples(st.just("reserve"), _drawn, _usage, st.booleans()),
    st.tuples(
        st.just("settle"), st.integers(0, 9), _usage, st.sampled_from([0, 0, 3, 50])
    ),
    st.tuples(
        st.just("observe"),
        st.sampled_from(POOLS),
        st.integers(0, 2),
        st.none() | st.integers(1, 80),
        st.none() | st.integers(0, 80),
        st.none() | st.integers(0, 5_000),
    ),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 7, 45, 61, 300, 4000, 40_000])),
    st.tuples(st.just("cool"), st.sampled_from(POOLS), st.integers(-5, 90)),
    st.tuples(st.just("throttle"), st.sampled_from(POOLS)),
    st.tuples(st.just("join_queue"), st.sampled_from(POOLS), _usage, st.booleans()),
    st.tuples(st.just("leave_queue")),
)


def rounded(at: float | None) -> float | None:
    """To a tenth of a millisecond: buckets are worked out in different orders."""
    return None if at is None else round(at, 4)


class Pair:
    """One store and what was taken from it."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.held: list[Reservation] = []
        self.tickets: list[int] = []

    def do(self, step: Sequence[Any]) -> object:
        """What the step answers, without what stores name on their own."""
        name, *args = step
        return getattr(self, name)(*args)

    def reserve(self, pools: Sequence[Pool], usage: Usage, placed: bool) -> object:
        ticket = self.tickets[-1] if placed and self.tickets else None
        got = self.store.reserve(pools, usage, lease_seconds=90, ticket=ticket)
        if isinstance(got, Refusal):
            return got.pool, got.limit, got.reason, rounded(got.opens_at)
        self.held.append(got)
        return got.expires_at, got.charges, got.estimate

    def settle(self, number: int, usage: Usage, delay: int) -> object:
        if not self.held:
            return None
        held = self.held[number % len(self.held)]
        return self.store.settle(held, usage, delay=delay)

    def observe(
        self,
        pool: Pool,
        number: int,
        amount: int | None,
        used: int | None,
        resets: int | None,
    ) -> object:
        seen = Observation(
            pool=pool.name,
            limit=pool.limits[number % len(pool.limits)],
            amount=amount,
            used=used,
            resets_at=None if resets is None else self.clock.now() + resets,
        )
        nothing = Reservation(
            id="none", estimate=ONE, made_at=0.0, expires_at=0.0, charges=()
        )
        return self.store.settle(nothing, ONE, [seen])

    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def cool(self, pool: Pool, seconds: int) -> None:
        until = self.clock.now() + seconds
        self.store.cool_down(pool.name, until=until, reason=f"{seconds}")

    def throttle(self, pool: Pool) -> object:
        return self.store.throttle(pool.name)

    def join_queue(self, pool: Pool, usage: Usage, again: bool) -> object:
        known = self.tickets[-1] if again and self.tickets else None
        ticket = self.store.join_queue(pool.name, usage, seconds=50, ticket=known)
        if known is None:
            self.tickets.append(ticket)
        return self.tickets.index(ticket)

    def leave_queue(self) -> None:
        if self.tickets:
            self.store.leave_queue(self.tickets.pop())

    def state(self) -> list[tuple[object, ...]]:
        return [
            (
                replace(pool, limits=()),
                [replace(n, resets_at=rounded(n.resets_at)) for n in pool.limits],
            )
            for pool in self.store.snapshot(POOLS)
        ]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=5, max_size=40))
def test_every_step_answers_as_the_store_in_memory(
    steps: list[tuple[Any, ...]],
) -> None:
    one, two = ManualClock(), ManualClock()
    redis_store = open_store(fresh_url(), two)
    reference, tried = Pair(MemoryStore(one), one), Pair(redis_store, two)
    with closing(redis_store):
        for step in steps:
            assert tried.do(step) == reference.do(step), step
            assert tried.state() == reference.state(), step


def test_a_run_that_is_used_up_is_named_before_what_never_fits_after_it() -> None:
    clock = ManualClock()
    spent, small = pool("30 input_tokens/run"), pool("10 tokens/minute", name="small")
    need = Usage(requests=0, input_tokens=20, output_tokens=0)
    store, reference = open_store(fresh_url(), clock), MemoryStore(clock)
    for one in (store, reference):
        assert isinstance(one.reserve([spent], need, lease_seconds=9), Reservation)
        got = one.reserve([spent, small], need, lease_seconds=9)
        assert isinstance(got, Refusal)
        assert (got.pool, got.opens_at) == (spent.name, None)
    store.close()


def test_a_bucket_whose_limit_is_told_to_be_nothing_opens_again() -> None:
    clock, p = ManualClock(), pool("60 tokens/minute refilling")
    store = open_store(fresh_url(), clock)
    nothing = Reservation(
        id="none", estimate=ONE, made_at=0.0, expires_at=0.0, charges=()
    )
    seen = Observation(pool=p.name, limit=p.limits[0], amount=0, used=1)
    store.settle(nothing, ONE, [seen])
    closed = reserve(store, p)
    clock.advance(86_400)

    assert isinstance(closed, Refusal)
    assert isinstance(reserve(store, p), Reservation)
    store.close()


# Between machines.


GROUP = """
import sys
from crew.clock import SystemClock
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Usage
from crew.quota.store import Reservation
from crew.quota.stores import open_store
store = open_store(sys.argv[1], SystemClock())
pool = Pool(name="provider:x", limits=(parse_limit("71 requests/hour"),))
one = Usage(input_tokens=10, output_tokens=5)
taken = [store.reserve([pool], one, lease_seconds=300.0) for _ in range(30)]
store.close()
print(sum(isinstance(got, Reservation) for got in taken))
"""


def test_two_groups_that_share_only_redis_admit_exactly_what_fits(forks: Forks) -> None:
    """One group comes by TCP, the other by the server's Unix socket."""
    tcp = fresh_url()
    urls = [tcp, f"unix://{shared_server().directory}/redis.sock?db=0"] * 2
    racers = [forks.start(url, code=GROUP) for url in urls]

    admitted = [int(racer.communicate()[0]) for racer in racers]

    assert sum(admitted) == 71


class Sleepless(SystemClock):
    """The machine's time, which nobody has to wait for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class AnHourOff(SystemClock):
    """The clock of a machine that is set wrong."""

    def now(self) -> float:
        return super().now() + 3_600


def test_redis_tells_the_time_and_not_the_machine() -> None:
    url, p = fresh_url(), pool("1 requests/minute", "1 requests/hour @ UTC")
    right, wrong = open_store(url, SystemClock()), open_store(url, AnHourOff())
    got = reserve(right, p)
    assert isinstance(got, Reservation)

    refusal = reserve(wrong, p)

    assert isinstance(refusal, Refusal)
    assert wrong.now() == pytest.approx(time.time(), abs=600)  # and not 3,600
    assert right.snapshot([p])[0].limits == wrong.snapshot([p])[0].limits
    assert wrong.settle(got, ONE)
    right.close()
    wrong.close()


class Jumping(SystemClock):
    """A machine whose clocks leap, as after a pause of its host."""

    leap = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.leap


def test_a_leap_of_the_machine_does_not_reach_the_calendar() -> None:
    clock = Jumping()
    store, p = open_store(fresh_url(), clock), pool("9 requests/second @ UTC")
    for leap in (25.0, 0.0):
        clock.leap = leap
        before = time.time()

        got = reserve(store, p)

        assert isinstance(got, Reservation)
        for moment in (store.now(), got.charges[0].expires_at):
            assert before - 10 < moment < time.time() + 10
        assert store.settle(got, Usage(output_tokens=4))
    assert sum(counted(store, p)[0]) <= 9
    store.close()


def test_stores_with_different_prefixes_do_not_meet() -> None:
    url, p = fresh_url(), pool("1 requests/minute")
    one, two = (open_store(f"{url}?prefix={n}", SystemClock()) for n in ("one", "two"))
    reserve(one, p)

    assert isinstance(reserve(two, p), Reservation)
    with shared_server().client as client:
        tags = {key.partition(b":")[0] for key in client.keys("*")}
    assert tags == {b"{one}", b"{two}"}
    one.close()
    two.close()


# What is kept.


def test_every_key_expires(store: Store) -> None:
    p = pool("9 requests/minute", "9 requests/day @ UTC", "9 usd/run", "9 concurrent")
    q = pool("99 tokens/minute refilling", name="q")
    got = reserve(store, p, q)
    assert isinstance(got, Reservation)
    for _ in range(3):  # with four ends of leases, some go to the slots
        reserve(store, p, q)
    seen = Observation(pool="q", limit=q.limits[0], amount=50, used=49)
    store.settle(got, Usage(output_tokens=3), [seen])
    store.cool_down("cooled", until=store.now() + 9, reason="429")
    store.throttle("throttled")
    store.join_queue("p", ONE, seconds=9)
    store.set_plan("openrouter", "free", "402")

    with shared_server().client as client:
        lasting = {key: client.pttl(key) for key in client.keys("*")}

    slots = {key for key in lasting if key.endswith(b"|slots")}
    assert len(lasting.keys() - slots) == 11
    assert b"{crew}:limit:provider:x|9 concurrent|slots" in slots
    assert {key for key, left in lasting.items() if left < 0} == set()
    assert lasting[b"{crew}:leases"] > 300_000
    assert 60_000 < lasting[b"{crew}:limit:provider:x|9 requests/minute"] < 300_000


def test_a_place_that_is_taken_again_keeps_its_expiry() -> None:
    url, p = fresh_url(), pool("1 concurrent")
    store = open_store(url, SystemClock())
    for _ in range(3):
        got = reserve(store, p)
        assert isinstance(got, Reservation)
        store.settle(got, ONE)

        with shared_server().client as client:
            assert client.pttl("{crew}:limit:provider:x|1 concurrent") > 300_000
    store.close()


def test_five_thousand_calls_leave_a_bounded_store(store: Store) -> None:
    p, q = WIDE, pool("900B output_tokens/day", "1M usd/month @ UTC", name="q")
    for _ in range(5_000):
        got = reserve(store, p, q)
        assert isinstance(got, Reservation)
        store.settle(got, Usage(input_tokens=7, output_tokens=2))

    with shared_server().client as client:
        keys = list(client.keys("*"))
        fields = sum(client.hlen(key) for key in keys if key.endswith(b"|slots"))
        kept = sum(client.memory_usage(key) or 0 for key in keys)
    assert len(keys) <= 1 + 2 * 5
    assert fields < 300
    assert kept < 100_000
    assert counted(store, p)[0] == (5_000, 0)


def test_reservations_that_nobody_settled_are_forgotten() -> None:
    clock, p = ManualClock(), pool("900 concurrent", name="100%d")
    store = open_store(fresh_url(), clock)
    for _ in range(20):
        store.reserve([p], ONE, lease_seconds=1)
    before = counted(store, p)
    clock.advance(2)
    reserve(store, p)

    with shared_server().client as client:
        kept = client.hlen("{crew}:leases")
    assert kept == 2  # the last, and what keeps the key
    assert before == [(0, 20)]
    assert counted(store, p) == [(0, 1)]
    store.close()


def test_a_large_month_of_money_loses_nothing(store: Store) -> None:
    p = pool("5M usd/month @ UTC")
    nearly = Usage(usd=Decimal("4999999.999999998"))
    first = reserve(store, p, usage=nearly)
    assert isinstance(first, Reservation)
    assert store.settle(first, nearly)

    last = reserve(store, p, usage=Usage(usd=Decimal("0.000000002")))
    over = reserve(store, p, usage=Usage(usd=Decimal("0.000000001")))

    assert isinstance(last, Reservation)
    assert isinstance(over, Refusal)
    assert counted(store, p) == [(4_999_999_999_999_998, 2)]


def test_lines_and_plans_and_reasons_may_hold_any_letter(store: Store) -> None:
    store.set_plan("anbieter-ü", "frei", "¿402?\r\n$5")
    store.cool_down("pool-ü", until=store.now() + 60, reason="zu früh\r\n")

    (state,) = store.snapshot([Pool(name="pool-ü")])
    assert state.cooldown_reason == "zu früh\r\n"
    plans = store.plans()
    assert [(name, p.plan, p.reason) for name, p in plans.items()] == [
        ("anbieter-ü", "frei", "¿402?\r\n$5")
    ]
    assert plans["anbieter-ü"].at == pytest.approx(store.now(), abs=600)


# When Redis fails.


def test_scripts_that_redis_forgot_are_sent_again(store: Store) -> None:
    p = pool("10 requests/hour")
    reserve(store, p)
    with shared_server().client as client:
        client.script_flush()

    got = reserve(store, p)

    assert isinstance(got, Reservation)
    assert store.settle(got, ONE)


def test_a_killed_server_is_one_clear_error_in_bounded_time(server: Server) -> None:
    clock = Sleepless()
    store, p = open_store(server.url, clock), pool("10 requests/hour")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    server.kill()

    with pytest.raises(StoreUnavailable, match=r"127.0.0.1:\d+/0: no answer.*start"):
        reserve(store, p)
    with pytest.raises(StoreUnavailable):
        store.settle(got, ONE)

    assert sum(clock.slept) < 2
    server.start()
    assert isinstance(reserve(store, p), Reservation)
    assert not store.settle(got, ONE)
    store.close()


def test_a_connection_that_was_cut_is_made_again(server: Server) -> None:
    store, p = open_store(server.url, SystemClock()), pool("10 requests/hour")
    reserve(store, p)
    with server.client as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    assert isinstance(reserve(store, p), Reservation)
    assert counted(store, p) == [(0, 2)]
    store.close()


def test_a_reservation_whose_answer_was_lost_is_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from redis.connection import Connection
    from redis.exceptions import TimeoutError as Late

    store = open_store(fresh_url(), SystemClock())
    p = pool("1 requests/hour", "1 concurrent")
    read, lost = Connection.read_response, [True]

    def lose_one(self: Connection, *args: Any, **kwargs: Any) -> Any:
        answer = read(self, *args, **kwargs)
        if lost and isinstance(answer, bytes) and len(answer) >= 16:
            lost.clear()
            raise Late("the answer was lost")
        return answer

    monkeypatch.setattr(Connection, "read_response", lose_one)
    reserve(store, pool("1 requests/minute", name="other"))  # the scripts are known
    lost.append(True)
    got = reserve(store, p)

    assert not lost
    assert isinstance(got, Reservation)
    assert counted(store, p) == [(0, 1), (0, 1)]
    assert store.settle(got, ONE)
    assert counted(store, p) == [(1, 0), (0, 0)]
    store.close()


def test_the_password_opens_and_is_never_told(tmp_path: Path) -> None:
    server = Server(directory=tmp_path, password="s3cr3t-word")
    server.start()
    store = open_store(server.url, SystemClock())
    assert isinstance(reserve(store, WIDE), Reservation)
    wrong = server.url.replace("s3cr3t", "wr0ng")
    none = server.url.replace(":s3cr3t-word@", "")

    for url in (wrong, none):
        with pytest.raises(StoreUnavailable, match="CREW_STORE") as refused:
            open_store(url, SystemClock())
        assert "wr0ng" not in repr(refused.value)
        assert refused.value.__cause__ is None
    server.kill()
    with pytest.raises(StoreUnavailable, match="no answer") as gone:
        reserve(store, WIDE)
    assert "s3cr3t" not in f"{gone.value!r} {gone.value.__cause__!r}"
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr3t@/0",
        "redis://:s3cr3t@host:port/0",
        "redis://:s3cr3t#x@host:1/0",
        "redis://:s3cr3t/x@host:1/0",
        "redis://:s3cr3t@host:1/first",
        "redis://:s3cr3t@host:1/0?unheard=of",
        "redis://:s3cr3t@[host:1/0",
        "redis://:s3cr3t@host:1/0?prefix=",
        "redis://:s3cr3t@host:1/0?prefix={x}",
        "unix://",
    ],
)
def test_a_wrong_url_is_one_clear_error_without_the_password(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="CREW_STORE") as wrong:
        open_store(url, SystemClock())

    assert "s3cr3t" not in repr(wrong.value)
    assert wrong.value.__suppress_context__ or wrong.value.__context__ is None


def test_nobody_there_is_told_at_once() -> None:
    clock = Sleepless()

    with pytest.raises(StoreUnavailable, match="start Redis, or correct CREW_STORE"):
        open_store(f"redis://127.0.0.1:{free_port()}/0", clock)

    assert sum(clock.slept) < 1


def test_without_the_client_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "crew.quota.stores.redis":
            raise ModuleNotFoundError("No module named 'redis'", name="redis")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(StoreUnavailable, match=r"pip install 'crew\[redis\]'"):
        open_store("redis://:s3cr3t@127.0.0.1:1/0", SystemClock())


def test_a_step_is_one_round_trip(store: Store) -> None:
    p = pool("10K requests/hour", "1M tokens/day @ UTC")
    first = reserve(store, p)
    assert isinstance(first, Reservation)
    store.settle(first, ONE)
    with shared_server().client as client:
        client.config_resetstat()
        got = reserve(store, p)
        assert isinstance(got, Reservation)
        store.settle(got, ONE)
        read = client.info("stats")["total_reads_processed"]

    assert read == 1 + 2  # the one is the question itself
