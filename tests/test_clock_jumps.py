"""The clock of a machine jumps: no limit opens early for it, none stays shut for it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crew.clock import ManualClock
from crew.quota.limits import Refusal, Usage
from crew.quota.store import Observation, Reservation, Store
from crew.quota.stores import open_store
from test_stores import ONE, held, pool, reserve

HOUR, DAY, YEAR = 3_600.0, 86_400.0, 365 * 86_400.0
JUMPS = [3 * DAY, -3 * DAY, 7 * YEAR, -7 * YEAR, 2 * HOUR, -2 * HOUR, 1.0, -1.0]
WINDOWS = {
    "2 requests/minute": 60,
    "30 tokens/minute": 60,
    "2 requests/day": DAY,
    "2 requests/minute refilling": 60,
    "30 tokens/hour refilling": HOUR,
    "2 requests/minute @ UTC": 60,
    "2 requests/day @ UTC": DAY,
    "30 output_tokens/hour @ Europe/Berlin": HOUR,
}
Open = Callable[..., Store]


@dataclass(slots=True)
class JumpingClock(ManualClock):
    """A clock by hand whose time of day somebody sets anew."""

    ahead: float = 0.0
    boots: int = field(default=0, kw_only=True)

    def now(self) -> float:
        return self.time + self.ahead

    @property
    def boot(self) -> str:
        return f"boot {self.boots}"

    def jump(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock(time=1_800_000_000.0 + 12 * HOUR)


@pytest.fixture(params=["memory", "sqlite"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: JumpingClock
) -> Iterator[Store]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/quota.db"
    with closing(open_store(url, clock)) as store:
        yield store


def fill(store: Store, text: str) -> None:
    while isinstance(got := reserve(store, pool(text), lease_seconds=5), Reservation):
        store.settle(got, Usage(input_tokens=5, output_tokens=10))


@pytest.mark.parametrize("seconds", JUMPS)
@pytest.mark.parametrize("text", WINDOWS)
def test_a_full_limit_opens_after_its_window_whatever_the_clock_does(
    store: Store, clock: JumpingClock, text: str, seconds: float
) -> None:
    fill(store, text)
    clock.jump(seconds)

    got = reserve(store, pool(text))
    assert isinstance(got, Refusal), "no time has passed"
    assert got.opens_at is not None
    assert 0 < got.opens_at - store.now() <= WINDOWS[text] * 1.011 + 1
    clock.advance(WINDOWS[text] * 1.011 + 1)
    assert isinstance(reserve(store, pool(text)), Reservation)


@pytest.mark.parametrize("text", WINDOWS)
def test_what_was_counted_three_days_ahead_is_worked_off_when_the_clock_is_back(
    store: Store, clock: JumpingClock, text: str
) -> None:
    clock.jump(3 * DAY)
    fill(store, text)
    clock.jump(-3 * DAY)

    got = reserve(store, pool(text))
    assert isinstance(got, Refusal)
    clock.advance(WINDOWS[text] * 1.011 + 1)
    assert isinstance(reserve(store, pool(text)), Reservation)


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_call_in_flight_is_settled_as_if_the_clock_had_not_jumped(
    store: Store, clock: JumpingClock, seconds: float
) -> None:
    texts = ("9 requests/minute", "99 tokens/minute", "99 tokens/day @ UTC")
    p = pool(*texts, "2 concurrent")
    got = reserve(store, p, lease_seconds=90)
    assert isinstance(got, Reservation)
    clock.advance(3)
    clock.jump(seconds)
    before = held(store, p)

    assert store.settle(got, Usage(input_tokens=20, output_tokens=1), delay=2.0)
    assert before == [(0, 1), (0, 15), (0, 15), (0, 1)]
    assert held(store, p) == [(1, 0), (21, 0), (21, 0), (0, 0)]
    assert not store.settle(got, ONE)


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_cooldown_a_lesson_and_a_place_in_a_queue_last_as_long_as_they_were_set_for(
    store: Store, clock: JumpingClock, seconds: float
) -> None:
    p, q = pool("9 requests/minute"), pool("2 requests/minute", name="queued")
    store.cool_down(p.name, until=store.now() + 20, reason="RateLimited")
    lesson = Observation(pool=q.name, limit=q.limits[0], amount=1)
    nobody = Reservation(id="", estimate=ONE, made_at=0, expires_at=0, charges=())
    store.settle(nobody, ONE, [lesson])
    store.join_queue(q.name, ONE, seconds=30)
    clock.jump(seconds)

    cooling, queued = store.snapshot([p, q])
    assert cooling.cooldown_until is not None
    assert cooling.cooldown_until - store.now() == pytest.approx(20, abs=0.01)
    assert (queued.limits[0].learned, queued.waiting) == (1, 1)
    clock.advance(31)
    cooling, queued = store.snapshot([p, q])
    assert (cooling.cooldown_until, queued.waiting) == (None, 0)
    clock.advance(DAY)
    assert store.snapshot([q])[0].limits[0].learned is None


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_throttle_grows_back_as_long_as_it_would_have(
    store: Store, clock: JumpingClock, seconds: float
) -> None:
    share = store.throttle("provider:x")
    clock.jump(seconds)

    assert store.snapshot([pool("9 requests/minute")])[0].throttle == share
    clock.advance(301)
    assert store.snapshot([pool("9 requests/minute")])[0].throttle is None


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.floats(0, 40)),
            st.tuples(st.just("jump"), st.sampled_from(JUMPS)),
            st.tuples(st.just("take"), st.just(0.0)),
        ),
        max_size=40,
    )
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_no_sequence_of_jumps_is_faster_than_allowed(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    steps: list[tuple[str, float]],
) -> None:
    clock = JumpingClock(time=1_800_000_000.0)
    path = tmp_path_factory.mktemp("jumps") / "quota.db"
    url = "memory:" if kind == "memory" else f"sqlite:///{path}"
    taken: list[float] = []
    with closing(open_store(url, clock)) as store:
        for name, seconds in steps:
            if name == "wait":
                clock.advance(seconds)
            elif name == "jump":
                clock.jump(seconds)
            elif isinstance(reserve(store, pool("2 requests/minute")), Reservation):
                taken.append(clock.monotonic())
        clock.advance(62)
        assert isinstance(reserve(store, pool("2 requests/minute")), Reservation)
    pairs = zip(taken, taken[2:], strict=False)
    assert all(third - first >= 60 for first, third in pairs)


def test_two_processes_move_what_they_share_once(
    tmp_path: Path, clock: JumpingClock
) -> None:
    url, p = f"sqlite:///{tmp_path}/quota.db", pool("2 requests/minute")
    with closing(open_store(url, clock)) as one, closing(open_store(url, clock)) as two:
        fill(one, "2 requests/minute")
        assert isinstance(reserve(two, p), Refusal)
        clock.jump(3 * DAY)
        assert isinstance(reserve(one, p), Refusal)
        assert isinstance(reserve(two, p), Refusal)
        clock.jump(-3 * DAY)
        # Only one of them sees this jump before it is undone.
        assert isinstance(reserve(two, p), Refusal)
        clock.jump(5 * HOUR)
        assert isinstance(reserve(two, p), Refusal)
        clock.jump(-5 * HOUR)

        for store in (one, two):
            got = reserve(store, p)
            assert isinstance(got, Refusal)
            assert got.opens_at is not None
            assert 59 < got.opens_at - store.now() < 62


def test_a_later_process_of_the_same_boot_knows_how_much_time_passed(
    tmp_path: Path, clock: JumpingClock
) -> None:
    url, p = f"sqlite:///{tmp_path}/quota.db", pool("2 requests/minute")
    with closing(open_store(url, clock)) as store:
        fill(store, "2 requests/minute")
    clock.jump(3 * DAY)
    clock.advance(30)

    with closing(open_store(url, clock)) as store:
        got = reserve(store, p)
        assert isinstance(got, Refusal)
        assert got.opens_at is not None
        assert 29 < got.opens_at - store.now() < 32


def test_after_a_start_of_the_machine_nothing_from_the_future_counts_longer_than_new(
    tmp_path: Path, clock: JumpingClock
) -> None:
    url = f"sqlite:///{tmp_path}/quota.db"
    clock.jump(40 * DAY)
    with closing(open_store(url, clock)) as store:
        for text in WINDOWS:
            fill(store, text)
        store.cool_down("provider:y", until=store.now() + 20, reason="RateLimited")
        store.throttle("provider:z")
        reserve(store, pool("1 concurrent", name="place"), lease_seconds=500)
    clock.jump(-40 * DAY)
    clock.boots += 1

    with closing(open_store(url, clock)) as store:
        for text, window in WINDOWS.items():
            got = reserve(store, pool(text))
            assert isinstance(got, Refusal), text
            assert got.opens_at is not None
            assert got.opens_at - store.now() <= window * 1.011 + 1, text
        (state,) = store.snapshot([pool(name="provider:y")])
        assert state.cooldown_until == pytest.approx(store.now() + 20)
        clock.advance(301)
        assert store.snapshot([pool(name="provider:z")])[0].throttle is None
        clock.advance(HOUR)
        place = pool("1 concurrent", name="place")
        assert isinstance(reserve(store, place), Reservation)


def test_what_is_true_after_a_start_of_the_machine_is_kept(
    tmp_path: Path, clock: JumpingClock
) -> None:
    url, p = f"sqlite:///{tmp_path}/quota.db", pool("2 requests/day")
    with closing(open_store(url, clock)) as store:
        fill(store, "2 requests/day")
        store.cool_down("provider:y", until=store.now() + 2 * DAY, reason="OutOfMoney")
    clock.advance(DAY / 2)
    clock.boots += 1

    with closing(open_store(url, clock)) as store:
        got = reserve(store, p)
        (state,) = store.snapshot([pool(name="provider:y")])
        assert isinstance(got, Refusal)
        assert got.opens_at == pytest.approx(store.now() + DAY / 2, abs=DAY / 50)
        assert state.cooldown_until == pytest.approx(store.now() + 1.5 * DAY)
