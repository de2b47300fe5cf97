"""One suite for every store: the same promises, kept by each."""

import itertools
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from crew.clock import Clock, ManualClock, SystemClock
from crew.errors import StoreUnavailable
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Refusal, Usage
from crew.quota.store import PoolState, Reservation, Store
from crew.quota.stores import open_store
from forked import Forks
from redis_server import fresh_url

Open = Callable[[Clock], Store]
ONE = Usage(input_tokens=10, output_tokens=5, usd=Decimal("0.01"))


def url_of(kind: str, tmp_path: Path) -> str:
    """Where a new, empty store of this kind is."""
    match kind:
        case "sqlite":
            return f"sqlite:///{tmp_path}/quota.db"
        case "redis":
            return fresh_url()
        case _:
            return "memory:"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    stores: list[Store] = []
    url = url_of(request.param, tmp_path)

    def open_one(clock: Clock) -> Store:
        store = open_store(url, clock)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


def pool(*limits: str, name: str = "provider:x") -> Pool:
    return Pool(name=name, limits=tuple(parse_limit(text) for text in limits))


def reserve(
    store: Store, *pools: Pool, usage: Usage = ONE, lease_seconds: float = 300.0
) -> Reservation | Refusal:
    return store.reserve(pools, usage, lease_seconds=lease_seconds)


def held(store: Store, *pools: Pool) -> list[tuple[int, int]]:
    states: list[PoolState] = store.snapshot(pools)
    return [(limit.used, limit.reserved) for state in states for limit in state.limits]


def test_a_reservation_counts_at_once_and_settles_to_the_actual(opened: Open) -> None:
    store = opened(ManualClock())
    p = pool("10 requests/minute", "100 tokens/minute", "1 usd/day @ UTC")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    before = held(store, p)

    assert store.settle(got, Usage(input_tokens=7, output_tokens=1, usd=Decimal("0.5")))

    assert before == [(0, 1), (0, 15), (0, 10_000_000)]
    assert held(store, p) == [(1, 0), (8, 0), (500_000_000, 0)]


def test_settling_twice_changes_nothing(opened: Open) -> None:
    store = opened(ManualClock())
    p = pool("10 requests/minute", "100 tokens/minute", "2 concurrent")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    store.settle(got, ONE)
    before = held(store, p)

    assert not store.settle(got, Usage(input_tokens=90))
    assert held(store, p) == before == [(1, 0), (15, 0), (0, 0)]


def test_a_refusal_changes_nothing_and_names_the_limit(opened: Open) -> None:
    store = opened(ManualClock())
    wide, narrow = pool("100 requests/minute", name="a"), pool("20 tokens/minute")
    reserve(store, wide, narrow)
    before = held(store, wide, narrow)

    got = reserve(store, wide, narrow)

    assert isinstance(got, Refusal)
    assert (got.pool, str(got.limit)) == ("provider:x", "20 tokens/minute")
    assert held(store, wide, narrow) == before


def test_a_rolling_window_frees_after_its_length(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("2 requests/minute")
    reserve(store, p)
    clock.advance(30)
    reserve(store, p)

    got = reserve(store, p)

    assert isinstance(got, Refusal)
    assert got.opens_at is not None
    assert 30 < got.opens_at - clock.now() < 32
    clock.advance(29.9)
    assert isinstance(reserve(store, p), Refusal)
    clock.time = got.opens_at
    assert isinstance(reserve(store, p), Reservation)
    assert isinstance(reserve(store, p), Refusal)


def test_a_calendar_day_frees_at_its_midnight(opened: Open) -> None:
    clock = ManualClock(time=1_800_000_000.0)  # 2027-01-15 08:00 UTC
    store, p = opened(clock), pool("1 requests/day @ America/Los_Angeles")
    reserve(store, p)

    got = reserve(store, p)

    assert isinstance(got, Refusal)
    midnight = 1_800_000_000.0 + 24 * 3600  # midnight there is 08:00 UTC
    assert got.opens_at == midnight + 0.5


def test_a_bucket_refills_continuously(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("600 tokens/minute refilling")
    reserve(store, p, usage=Usage(input_tokens=600))

    got = reserve(store, p, usage=Usage(input_tokens=100))

    assert isinstance(got, Refusal)
    assert got.opens_at == pytest.approx(clock.now() + 10)
    clock.advance(10.01)
    assert isinstance(reserve(store, p, usage=Usage(input_tokens=100)), Reservation)


def test_what_is_larger_than_the_limit_never_opens(opened: Open) -> None:
    store = opened(ManualClock())
    for text in ("10 tokens/minute", "10 tokens/minute refilling"):
        got = reserve(store, pool(text), usage=Usage(input_tokens=11))

        assert isinstance(got, Refusal)
        assert got.opens_at is None
        assert "never fit" in got.reason


def test_the_refusal_that_lasts_longest_is_told(opened: Open) -> None:
    store = opened(ManualClock())
    p = pool("1 requests/minute", "1 requests/hour")
    reserve(store, p)

    got = reserve(store, p)

    assert isinstance(got, Refusal)
    assert str(got.limit) == "1 requests/hour"


def test_concurrency_is_given_back_when_settled_or_when_the_lease_ends(
    opened: Open,
) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("2 concurrent")
    first = reserve(store, p, lease_seconds=60)
    reserve(store, p, lease_seconds=60)
    assert isinstance(first, Reservation)
    assert isinstance(reserve(store, p), Refusal)
    store.settle(first, ONE)
    assert isinstance(reserve(store, p, lease_seconds=60), Reservation)
    assert isinstance(reserve(store, p), Refusal)

    clock.advance(61)

    assert held(store, p) == [(0, 0)]


def test_a_lease_that_expires_stays_charged(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("10 requests/hour", "100 tokens/hour")
    got = reserve(store, p, lease_seconds=60)
    assert isinstance(got, Reservation)
    clock.advance(61)

    assert not store.settle(got, Usage())
    assert held(store, p) == [(1, 0), (15, 0)]


def test_the_answers_tokens_count_from_the_end_of_the_call(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("15 output_tokens/minute")
    got = reserve(store, p, usage=Usage(output_tokens=15))
    assert isinstance(got, Reservation)
    clock.advance(50)
    store.settle(got, Usage(output_tokens=15))
    clock.advance(55)

    refusal = reserve(store, p, usage=Usage(output_tokens=1))

    assert isinstance(refusal, Refusal)


def test_a_correction_of_a_window_that_has_passed_changes_nothing(
    opened: Open,
) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("100 input_tokens/second")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    clock.advance(30)

    assert store.settle(got, Usage(input_tokens=90))

    assert held(store, p) == [(0, 0)]
    assert isinstance(reserve(store, p, usage=Usage(input_tokens=100)), Reservation)


def test_a_cooldown_refuses_everybody_until_its_end_and_the_longer_stays(
    opened: Open,
) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool()
    store.cool_down(p.name, until=clock.now() + 30, reason="RateLimited (429)")
    store.cool_down(p.name, until=clock.now() + 5, reason="shorter")

    got = reserve(store, p)

    assert isinstance(got, Refusal)
    assert (got.limit, got.reason) == (None, "RateLimited (429)")
    assert got.opens_at == clock.now() + 30
    assert store.snapshot([p])[0].cooldown_until == clock.now() + 30
    clock.advance(30)
    assert isinstance(reserve(store, p), Reservation)


def test_racing_threads_admit_exactly_what_fits(opened: Open) -> None:
    store, p = opened(SystemClock()), pool("37 requests/hour", "1M tokens/hour")
    start = threading.Barrier(8)
    admitted: list[bool] = []

    def racer() -> None:
        start.wait()
        for _ in range(10):
            admitted.append(isinstance(reserve(store, p), Reservation))

    threads = [threading.Thread(target=racer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(admitted) == 37
    assert held(store, p) == [(0, 37), (0, 37 * 15)]


RACER = """
import sys
from decimal import Decimal
from crew.clock import SystemClock
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Usage
from crew.quota.store import Reservation
from crew.quota.stores import open_store
store = open_store(sys.argv[1], SystemClock())
limits = tuple(map(parse_limit, ("53 requests/hour", "20 concurrent")))
pool, admitted = Pool(name="provider:x", limits=limits), 0
one = Usage(input_tokens=10, output_tokens=5, usd=Decimal("0.01"))
for _ in range(25):
    got = store.reserve([pool], one, lease_seconds=300.0)
    if isinstance(got, Reservation):
        admitted += 1
        store.settle(got, one)
store.close()
print(admitted)
"""


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_racing_processes_admit_exactly_what_fits(
    kind: str, tmp_path: Path, forks: Forks
) -> None:
    url = url_of(kind, tmp_path)
    racers = [forks.start(url, code=RACER) for _ in range(4)]

    admitted = [int(racer.communicate()[0]) for racer in racers]

    assert sum(admitted) == 53
    store = open_store(url, SystemClock())
    assert held(store, pool("53 requests/hour", "20 concurrent")) == [(53, 0), (0, 0)]
    store.close()


def test_the_counts_survive_the_process(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path}/state/quota.db", ManualClock()
    p = pool("10 requests/hour")
    store = open_store(url, clock)
    reserve(store, p)
    store.close()

    again = open_store(url, clock)

    assert held(again, p) == [(0, 1)]
    again.close()
    assert stat.S_IMODE((tmp_path / "state/quota.db").stat().st_mode) == 0o600


def test_old_windows_are_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    store = open_store(f"sqlite:///{tmp_path}/quota.db", clock)
    for _ in range(200):
        got = reserve(store, pool("100K requests/second"))
        assert isinstance(got, Reservation)
        store.settle(got, ONE)
        clock.advance(2)
    store.close()

    with sqlite3.connect(tmp_path / "quota.db") as db:
        (rows,) = db.execute("SELECT COUNT(*) FROM charge").fetchone()
    db.close()
    assert rows < 100


def test_a_file_that_is_no_database_becomes_one_and_is_kept_aside(
    tmp_path: Path,
) -> None:
    url, content = f"sqlite:///{tmp_path}/quota.db", b"this is not a database" * 100
    (tmp_path / "quota.db").write_bytes(content)

    heard: list[str] = []
    with closing(open_store(url, SystemClock(), heard.append)) as store:
        assert isinstance(reserve(store, pool("9 requests/day")), Reservation)

    assert (tmp_path / "quota.db.damaged-1").read_bytes() == content
    assert "a copy of it is quota.db.damaged-1" in heard[0]


def test_an_unknown_store_is_one_clear_error() -> None:
    with pytest.raises(StoreUnavailable, match="'mysql' is not supported"):
        open_store("mysql://:secret@host:1/0", SystemClock())


_NUMBERS = itertools.count()
"""Names for pools: the examples of one test share a store's file."""


class Model(RuleBasedStateMachine):
    """A store beside a simple list of charges."""

    open_one: Open

    @initialize()
    def start(self) -> None:
        self.clock = ManualClock()
        self.store = type(self).open_one(self.clock)
        self.pool = Pool(
            name=f"p{next(_NUMBERS)}",
            limits=tuple(
                parse_limit(text)
                for text in ("7 requests/minute", "60 tokens/minute", "3 concurrent")
            ),
        )
        self.sent: list[tuple[float, int]] = []
        self.open: list[tuple[Reservation, int]] = []

    @rule(tokens=st.integers(1, 40))
    def reserve_some(self, tokens: int) -> None:
        before = self.store.snapshot([self.pool])
        usage = Usage(output_tokens=tokens)
        got = self.store.reserve([self.pool], usage, lease_seconds=10_000)
        if isinstance(got, Refusal):
            assert self.store.snapshot([self.pool]) == before
        else:
            self.sent.append((self.clock.now(), 1))
            self.open.append((got, tokens))

    @rule(data=st.data(), tokens=st.integers(0, 40))
    def settle_one(self, data: st.DataObject, tokens: int) -> None:
        if self.open:
            at = data.draw(st.integers(0, len(self.open) - 1))
            got, _ = self.open.pop(at)
            assert self.store.settle(got, Usage(output_tokens=tokens))
            assert not self.store.settle(got, Usage(output_tokens=99))

    @rule(seconds=st.floats(0.0, 50.0))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def no_stretch_of_a_minute_holds_more_than_the_limit(self) -> None:
        recent = [n for at, n in self.sent if at > self.clock.now() - 60]
        assert sum(recent) <= 7
        assert len(self.open) <= 3

    @invariant()
    def what_is_in_flight_is_reserved(self) -> None:
        _, _, places = self.store.snapshot([self.pool])[0].limits
        assert places.reserved == len(self.open)


def test_any_sequence_keeps_the_promises(opened: Open) -> None:
    machine = type("Bound", (Model,), {"open_one": staticmethod(opened)})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
