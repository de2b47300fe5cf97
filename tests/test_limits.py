"""How limits are written, and when a charge stops counting."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew.quota.admission import admit, opens_at
from crew.quota.limit_syntax import LimitSyntaxError, parse_limit
from crew.quota.limits import Metric, Usage, WindowKind, window_end

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "amount", "metric", "kind", "shown"),
    [
        ("15 requests/minute", 15, "requests", "rolling", "15 requests/minute"),
        ("1 request/second", 1, "requests", "rolling", "1 requests/second"),
        ("1M tokens/minute", 10**6, "tokens", "rolling", "1M tokens/minute"),
        (
            "200 requests/day @ America/Los_Angeles",
            200,
            "requests",
            "calendar",
            "200 requests/day @ America/Los_Angeles",
        ),
        (
            "100K tokens/day refilling",
            100_000,
            "tokens",
            "refilling",
            "100K tokens/day refilling",
        ),
        ("4 concurrent", 4, "concurrent", "lease", "4 concurrent"),
        ("0.5 usd/day", 500_000_000, "usd", "rolling", "0.5 usd/day"),
        ("5 usd/run", 5 * 10**9, "usd", "run", "5 usd/run"),
        ("10 usd/10 minutes", 10**10, "usd", "rolling", "10 usd/10 minutes"),
    ],
)
def test_a_limit_reads_as_it_is_written(
    text: str, amount: int, metric: str, kind: str, shown: str
) -> None:
    limit = parse_limit(text)

    assert (limit.amount, limit.metric, limit.kind) == (amount, metric, kind)
    assert str(limit) == shown
    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("many requests", "not of the form"),
        ("15 foo/minute", "unknown metric 'foo'"),
        ("15 requests/fortnight", "unknown window 'fortnight'"),
        ("1.5 requests/minute", "whole numbers"),
        ("5 requests", "window is missing"),
        ("4 concurrent/minute", "no window"),
        ("5 requests/day @ Mars/Base", "unknown time zone 'Mars/Base'"),
        ("5 requests/day @ UTC refilling", "one whole calendar unit"),
        ("5 requests/2 days @ UTC", "one whole calendar unit"),
        ("5 usd/run refilling", "counted once"),
        ("5 requests/0 minutes", "cannot be empty"),
        ("1.2.3 requests/minute", "not a number"),
    ],
)
def test_a_bad_limit_says_what_is_wrong(text: str, part: str) -> None:
    with pytest.raises(LimitSyntaxError, match=part):
        parse_limit(text)


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("America/Los_Angeles", "2026-03-08", 23),
        ("America/Los_Angeles", "2026-11-01", 25),
        ("America/Los_Angeles", "2026-06-01", 24),
        ("UTC", "2028-02-29", 24),
    ],
)
def test_a_calendar_day_is_as_long_as_it_is_there(
    zone: str, start: str, hours: int
) -> None:
    limit = parse_limit(f"1 requests/day @ {zone}")
    midnight = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp()

    assert window_end(limit, midnight) - midnight == hours * 3600
    assert window_end(limit, midnight + hours * 3600 - 1) == midnight + hours * 3600


@pytest.mark.parametrize(
    ("day", "days"), [("2026-02-10", 28), ("2028-02-10", 29), ("2026-12-31", 31)]
)
def test_a_calendar_month_is_as_long_as_it_is(day: str, days: int) -> None:
    limit = parse_limit("1 usd/month @ UTC")
    moment = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("UTC"))

    end = window_end(limit, moment.timestamp())

    first = moment.replace(day=1).timestamp()
    assert end - first == days * 86_400


@pytest.mark.parametrize("unit", ["second", "minute", "hour", "day"])
@given(offset=st.floats(0, 200_000))
def test_a_rolling_charge_counts_the_whole_window_and_little_more(
    unit: str, offset: float
) -> None:
    limit = parse_limit(f"10 requests/{unit}")
    now = NOW + offset

    held = limit.expires_at(now) - now

    slot, exact = limit.seconds / 100, 1e-6  # a double holds microseconds here
    assert limit.seconds + limit.margin - exact <= held
    assert held <= limit.seconds + limit.margin + slot + exact


@given(offset=st.floats(0, 400 * 86_400))
def test_a_calendar_charge_outlives_its_window(offset: float) -> None:
    limit = parse_limit("10 requests/day @ America/Los_Angeles")
    now = NOW + offset

    expires = limit.expires_at(now)

    assert window_end(limit, now) < expires <= window_end(limit, now) + 86_400 + 3_601


def test_a_charge_just_before_midnight_counts_in_both_days() -> None:
    limit = parse_limit("10 requests/day @ UTC")
    midnight = window_end(limit, NOW)

    assert limit.expires_at(midnight - 0.1) == midnight + 86_400 + limit.margin
    assert limit.expires_at(midnight - 1) == midnight + limit.margin


def test_what_takes_nothing_fits_an_overdrawn_limit() -> None:
    limit = parse_limit("1 usd/day @ UTC")

    assert admit(limit, 2 * limit.amount, 0)
    assert not admit(limit, limit.amount, 1)


@given(
    charges=st.lists(st.tuples(st.floats(1, 100), st.integers(0, 10)), max_size=8),
    need=st.integers(1, 12),
)
def test_opening_is_the_first_moment_at_which_it_fits(
    charges: list[tuple[float, int]], need: int
) -> None:
    limit = parse_limit("10 requests/minute")

    opens = opens_at(limit, charges, need, 0.0)

    def used(at: float) -> int:
        return sum(amount for expires, amount in charges if expires > at)

    if need > limit.amount:
        assert opens is None
    else:
        assert opens is not None
        assert used(opens) + need <= limit.amount
        earlier = [expires for expires, _ in charges if expires < opens]
        assert all(
            used(at) + need > limit.amount for at in [*earlier, 0.0] if at < opens
        )


def test_money_is_counted_exactly_and_unknown_money_is_nothing() -> None:
    cent = Usage(usd=Decimal("0.0000001"))

    assert cent.amount(Metric.USD) == 100
    assert Usage(usd=None).amount(Metric.USD) == 0
    assert parse_limit("1 concurrent").kind is WindowKind.LEASE
