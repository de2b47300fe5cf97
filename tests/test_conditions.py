"""What besides its counts closes or narrows a pool, in every store: the line of
those who wait, the throttle, and what providers told."""

from dataclasses import replace

import pytest

from crew.clock import ManualClock
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Refusal, Usage
from crew.quota.store import Observation, Reservation
from test_stores import ONE, Open, held, opened, pool, reserve

__all__ = ["opened"]  # the fixture

MINUTE = parse_limit("10 requests/minute")


def test_a_place_in_the_line_goes_before_newcomers(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("1 requests/minute")
    reserve(store, p)
    ticket = store.join_queue(p.name, ONE, seconds=100)
    clock.advance(62)

    newcomer = reserve(store, p)
    first = store.reserve([p], ONE, lease_seconds=60, ticket=ticket)

    assert isinstance(newcomer, Refusal)
    assert isinstance(first, Reservation)
    assert store.snapshot([p])[0].waiting == 0


def test_each_in_the_line_is_told_when_its_own_share_opens(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("2 requests/minute")
    reserve(store, p)
    clock.advance(20)
    reserve(store, p)
    clock.advance(10)
    store.join_queue(p.name, ONE, seconds=100)

    second = reserve(store, p)
    store.join_queue(p.name, ONE, seconds=100)
    third = reserve(store, p)

    assert isinstance(second, Refusal)
    assert isinstance(third, Refusal)
    assert second.opens_at == pytest.approx(clock.now() + 50, abs=1.2)
    assert third.opens_at == pytest.approx(clock.now() + 30 + 60, abs=1.2)


def test_the_line_is_served_in_the_order_of_the_tickets(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("30 tokens/minute refilling")
    reserve(store, p, usage=Usage(input_tokens=30))
    small, large = Usage(input_tokens=5), Usage(input_tokens=20)
    first = store.join_queue(p.name, large, seconds=100)
    second = store.join_queue(p.name, small, seconds=100)
    clock.advance(20)

    early = store.reserve([p], small, lease_seconds=60, ticket=second)
    clock.advance(20.1)
    served = store.reserve([p], large, lease_seconds=60, ticket=first)

    assert isinstance(early, Refusal)
    assert isinstance(served, Reservation)


def test_a_place_lapses_and_can_be_kept_or_given_up(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("1 requests/minute")
    ticket = store.join_queue(p.name, ONE, seconds=10)
    assert isinstance(reserve(store, p), Refusal)
    clock.advance(9)
    assert store.join_queue(p.name, ONE, seconds=10, ticket=ticket) == ticket
    clock.advance(9)
    assert isinstance(reserve(store, p), Refusal)

    clock.advance(2)

    assert isinstance(reserve(store, p), Reservation)
    other = pool("1 requests/minute", name="provider:y")
    store.leave_queue(store.join_queue(other.name, ONE, seconds=10))
    assert isinstance(reserve(store, other), Reservation)


def test_a_line_holds_up_only_what_draws_on_its_pool(opened: Open) -> None:
    store = opened(ManualClock())
    p, q = pool("1 requests/minute"), pool("1 requests/minute", name="provider:y")
    store.join_queue(p.name, ONE, seconds=100)

    assert isinstance(reserve(store, q), Reservation)
    assert isinstance(reserve(store, pool("5 requests/minute")), Reservation)


def test_a_throttle_halves_short_limits_and_grows_back(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("10 requests/minute", "10 requests/day @ UTC")

    assert store.throttle(p.name) == 0.5

    admitted = [isinstance(reserve(store, p), Reservation) for _ in range(6)]
    assert admitted == [True] * 5 + [False]
    state = store.snapshot([p])[0]
    assert (state.throttle, [limit.left for limit in state.limits]) == (0.5, [0, 5])
    clock.advance(75)
    assert store.snapshot([p])[0].throttle == pytest.approx(0.75)
    clock.advance(76)
    assert store.snapshot([p])[0].throttle is None
    assert [isinstance(reserve(store, p), Reservation) for _ in range(6)] == [
        True
    ] * 5 + [False]  # the day is not throttled


def test_refusals_of_one_burst_throttle_once(opened: Open) -> None:
    clock = ManualClock()
    store = opened(clock)

    assert [store.throttle("provider:x") for _ in range(3)] == [0.5, 0.5, 0.5]
    clock.advance(11)
    assert store.throttle("provider:x") == pytest.approx((0.5 + 11 / 300) / 2)


def test_a_throttled_limit_still_takes_what_fits_into_the_whole(opened: Open) -> None:
    store, p = opened(ManualClock()), pool("100 tokens/minute")
    store.throttle(p.name)

    assert isinstance(reserve(store, p, usage=Usage(input_tokens=80)), Reservation)
    got = reserve(store, p, usage=Usage(input_tokens=80))

    assert isinstance(got, Refusal)
    assert got.opens_at is not None


def test_a_throttled_bucket_refills_more_slowly(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("60 tokens/minute refilling")
    store.throttle(p.name)
    reserve(store, p, usage=Usage(input_tokens=30))

    got = reserve(store, p, usage=Usage(input_tokens=10))

    assert isinstance(got, Refusal)
    assert got.opens_at == pytest.approx(clock.now() + 20)


def test_a_bucket_whose_throttle_yields_to_a_large_request_refills_at_its_rate(
    opened: Open,
) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("60 tokens/minute refilling")
    store.throttle(p.name)
    reserve(store, p, usage=Usage(input_tokens=30))

    got = reserve(store, p, usage=Usage(input_tokens=40))

    # 40 of 60 hold for it, not the throttled 30: so much refills in a minute as well.
    assert isinstance(got, Refusal)
    assert got.opens_at == pytest.approx(clock.now() + 60)


def test_calls_of_others_with_the_same_key_are_counted(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("10 requests/minute")
    got = reserve(store, p)
    assert isinstance(got, Reservation)

    seen = Observation(pool=p.name, limit=MINUTE, used=8, resets_at=clock.now() + 20)
    assert store.settle(got, ONE, [seen])

    assert held(store, p) == [(8, 0)]
    clock.advance(21)
    assert held(store, p) == [(1, 0)]


def test_what_a_provider_does_not_know_yet_stays_counted(opened: Open) -> None:
    store, p = opened(ManualClock()), pool("10 requests/minute")
    first, second = reserve(store, p), reserve(store, p)
    assert isinstance(first, Reservation)
    assert isinstance(second, Reservation)

    store.settle(first, ONE, [Observation(pool=p.name, limit=MINUTE, used=1)])

    assert held(store, p) == [(1, 1)]


def test_a_lower_limit_of_the_provider_holds_until_it_says_otherwise(
    opened: Open,
) -> None:
    store, p = opened(ManualClock()), pool("10 requests/minute")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    lower = Observation(pool=p.name, limit=MINUTE, amount=3)
    store.settle(got, ONE, [lower])

    (state,) = store.snapshot([p])[0].limits
    admitted = [isinstance(reserve(store, p), Reservation) for _ in range(3)]

    assert (state.learned, state.left) == (3, 2)
    assert admitted == [True, True, False]
    store.settle(got, ONE, [replace(lower, amount=50)])
    assert store.snapshot([p])[0].limits[0].learned is None
    assert isinstance(reserve(store, p), Reservation)


def test_a_bucket_that_the_provider_says_is_empty_takes_nothing(opened: Open) -> None:
    store, p = opened(ManualClock()), pool("10 requests/minute refilling")
    limit = p.limits[0]
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    store.settle(got, ONE, [Observation(pool=p.name, limit=limit, amount=0, used=0)])

    refusal = reserve(store, p)

    assert isinstance(refusal, Refusal)
    assert refusal.opens_at is None
    assert store.snapshot([p])[0].limits[0].left == 0


def test_a_learned_limit_is_forgotten_after_a_day(opened: Open) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("10 requests/minute")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    store.settle(got, ONE, [Observation(pool=p.name, limit=MINUTE, amount=1)])

    clock.advance(86_401)

    assert store.snapshot([p])[0].limits[0].learned is None


def test_what_was_told_counts_also_when_the_lease_was_settled_before(
    opened: Open,
) -> None:
    store, p = opened(ManualClock()), pool("10 requests/minute")
    got = reserve(store, p)
    assert isinstance(got, Reservation)
    store.settle(got, ONE)

    fresh = store.settle(got, ONE, [Observation(pool=p.name, limit=MINUTE, used=6)])

    assert not fresh
    assert held(store, p) == [(6, 0)]


def test_plans_are_known_to_all(opened: Open) -> None:
    clock = ManualClock()
    store, other = opened(clock), opened(clock)
    store.set_plan("openrouter", "free", "as written")
    store.set_plan("openrouter", "credit", "10 usd bought")

    known = store.plans()["openrouter"]

    assert (known.plan, known.reason, known.at) == (
        "credit",
        "10 usd bought",
        clock.now(),
    )
    if type(other).__name__ != "MemoryStore":
        assert other.plans() == store.plans()


def test_a_request_that_left_late_counts_from_when_it_left(opened: Open) -> None:
    clock = ManualClock()
    store = opened(clock)
    p = pool("10 requests/minute", "100 input_tokens/minute")
    prompt, late = reserve(store, p), reserve(store, p)
    assert isinstance(prompt, Reservation)
    assert isinstance(late, Reservation)
    clock.advance(8)
    store.settle(prompt, ONE, delay=0.1)
    store.settle(late, ONE, delay=5.0)

    clock.advance(54)

    assert held(store, p) == [(1, 0), (10, 0)]
    clock.advance(5)
    assert held(store, p) == [(0, 0), (0, 0)]


def test_what_is_counted_at_the_end_counts_for_as_long_as_the_call_runs(
    opened: Open,
) -> None:
    clock = ManualClock()
    store, p = opened(clock), pool("6K output_tokens/minute")
    usage = Usage(output_tokens=5_000)
    first = reserve(store, p, usage=usage)
    assert isinstance(first, Reservation)
    clock.advance(62)

    second = reserve(store, p, usage=usage)

    assert isinstance(second, Refusal)
    store.settle(first, usage)
    assert held(store, p) == [(5_000, 0)]
    clock.advance(62)
    assert held(store, p) == [(0, 0)]
