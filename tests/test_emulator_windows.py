"""The emulator's windows agree with a count by hand, whatever the sequence."""

from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crew.emulator.enforcement import Admission, Limiter, Spend
from test_emulator_kit import make_settings

START = 1_772_000_000
CALLS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=60
)
ZONES = ("UTC", "America/Los_Angeles", "America/Santiago", "Asia/Kolkata")


def decisions(limit: str, calls: list[tuple[float, int]]) -> list[bool]:
    """Whether each call (seconds since the start, input tokens) is admitted."""
    settings = make_settings("openai", limit)
    limiter, deployment = Limiter(settings), settings.deployments["slot"]
    admitted = []
    for moment, tokens in calls:
        spent = Spend(input_tokens=tokens, output_tokens=0, nano_usd=0)
        made = limiter.admit(deployment, spent, START + moment)
        admitted.append(isinstance(made, Admission))
    return admitted


def moments(calls: list[tuple[int, int]]) -> list[tuple[float, int]]:
    """Gaps between calls as times."""
    now, timed = 0, []
    for gap, tokens in calls:
        now += gap
        timed.append((now, tokens))
    return timed


@given(CALLS)
def test_rolling_window_agrees_with_a_log(calls: list[tuple[int, int]]) -> None:
    timed = moments(calls)
    log: list[tuple[float, int]] = []
    expected = []
    for now, tokens in timed:
        used = sum(amount for at, amount in log if now - 60 < at <= now)
        fits = tokens == 0 or used + tokens <= 20
        expected.append(fits)
        if fits:
            log.append((now, tokens))

    assert decisions("20 input_tokens/minute", timed) == expected


@given(CALLS)
def test_bucket_agrees_with_exact_fractions(calls: list[tuple[int, int]]) -> None:
    timed = moments(calls)
    level, last, expected = Fraction(20), 0.0, []
    for now, tokens in timed:
        level = min(Fraction(20), level + Fraction(int(now - last)) * Fraction(20, 60))
        last = now
        fits = tokens <= level
        expected.append(fits)
        level -= tokens if fits else 0

    assert decisions("20 input_tokens/minute refilling", timed) == expected


@given(
    CALLS.map(lambda calls: [(gap * 1800, tokens) for gap, tokens in calls]),
    st.sampled_from(ZONES),
)
def test_calendar_day_agrees_with_the_local_date(
    calls: list[tuple[int, int]], zone: str
) -> None:
    timed = moments(calls)
    used: dict[object, int] = {}
    expected = []
    for now, tokens in timed:
        day = datetime.fromtimestamp(START + now, ZoneInfo(zone)).date()
        fits = tokens == 0 or used.get(day, 0) + tokens <= 20
        expected.append(fits)
        if fits:
            used[day] = used.get(day, 0) + tokens

    assert decisions(f"20 input_tokens/day @ {zone}", timed) == expected


@given(
    st.integers(0, 3 * 366 * 86_400),
    st.sampled_from(ZONES),
    st.sampled_from(["minute", "hour", "day", "month"]),
)
def test_told_wait_is_the_exact_moment_of_the_boundary(
    offset: int, zone: str, unit: str
) -> None:
    settings = make_settings("openai", f"1 requests/{unit} @ {zone}")
    limiter, deployment = Limiter(settings), settings.deployments["slot"]
    one = Spend(input_tokens=0, output_tokens=0, nano_usd=0)
    now = START + offset
    limiter.admit(deployment, one, now)
    refused = limiter.admit(deployment, one, now)
    assert not isinstance(refused, Admission)
    wait = refused[0].wait

    assert wait is not None
    assert 0 < wait <= timedelta(days=31, hours=1).total_seconds()
    assert not isinstance(limiter.admit(deployment, one, now + wait - 0.001), Admission)
    assert isinstance(limiter.admit(deployment, one, now + wait), Admission)


@given(CALLS)
def test_told_wait_of_a_rolling_window_is_exact(calls: list[tuple[int, int]]) -> None:
    settings = make_settings("openai", "20 input_tokens/minute")
    limiter, deployment = Limiter(settings), settings.deployments["slot"]
    now = float(START)
    for gap, tokens in calls:
        now += gap
        spent = Spend(input_tokens=tokens, output_tokens=0, nano_usd=0)
        made = limiter.admit(deployment, spent, now)
        if not isinstance(made, Admission):
            wait = made[0].wait
            assert wait is not None
            early = limiter.admit(deployment, spent, now + wait - 0.001)
            assert not isinstance(early, Admission)
            now += wait
            assert isinstance(limiter.admit(deployment, spent, now), Admission)


def test_cancelled_call_was_never_charged() -> None:
    limits = ("1 requests/minute", "1 requests/day @ UTC", "1 concurrent")
    settings = make_settings("openai", *limits, "1 requests/hour refilling")
    limiter, deployment = Limiter(settings), settings.deployments["slot"]
    one = Spend(input_tokens=0, output_tokens=0, nano_usd=0)
    for _ in range(3):
        admission = limiter.admit(deployment, one, START)
        assert isinstance(admission, Admission)
        admission.cancel()
        admission.finish()
    admission = limiter.admit(deployment, one, START)
    assert isinstance(admission, Admission)
    admission.finish()
    admission.finish()
    refused = limiter.admit(deployment, one, START)

    assert not isinstance(refused, Admission)
    assert [breach.limit.unit for breach in refused] == ["day", "hour", "minute"]
