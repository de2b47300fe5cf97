"""How long a refusal lasts: what the provider says, and when its day and month end."""

from datetime import datetime

import pytest

from crew.errors import RateLimited
from crew.providers.signals import classify
from families import anthropic, gemini
from families.captured import (
    DAY,
    NOW,
    TO_MIDNIGHT_PACIFIC,
)
from families.unknown import RETRY_AFTER


@pytest.mark.parametrize(("text", "expected"), RETRY_AFTER, ids=lambda v: str(v)[:40])
def test_retry_after_is_read_in_every_form(text: str, expected: float | None) -> None:
    error = classify("slot", 503, "{}", {"Retry-After": text}, now=NOW)

    assert error.retry_after == pytest.approx(expected)


def test_the_finer_retry_after_wins() -> None:
    headers = {"retry-after": "2", "retry-after-ms": "1250"}

    assert classify("slot", 429, "", headers, now=NOW).retry_after == 1.25


def test_without_a_clock_the_answers_own_date_counts() -> None:
    headers = {"Date": "Fri, 10 Apr 2026 12:00:00 GMT"}
    case = gemini.REFUSALS[0]

    dated = classify("slot", 429, case.text(), headers, family="gemini")
    undated = classify("slot", 429, case.text(), {}, family="gemini")

    assert dated.retry_after == TO_MIDNIGHT_PACIFIC
    assert isinstance(undated, RateLimited)
    assert undated.retry_after is None


@pytest.mark.parametrize(
    ("local", "hours"),
    [
        ("2026-03-08T00:00:00-08:00", 23),
        ("2026-03-08T12:00:00-07:00", 12),
        ("2026-11-01T00:00:00-07:00", 25),
        ("2026-11-01T01:30:00-07:00", 23.5),
        ("2026-11-01T01:30:00-08:00", 22.5),
        ("2026-04-10T23:59:59-07:00", 1 / 3_600),
        # Refused for the day before: their clock is late, or ours is early.
        ("2026-04-11T00:00:01-07:00", 59 / 3_600),
        ("2026-04-11T00:01:01-07:00", 24 - 61 / 3_600),
    ],
)
def test_geminis_day_ends_at_midnight_pacific(local: str, hours: float) -> None:
    now = datetime.fromisoformat(local).timestamp()

    assert gemini.REFUSALS[0].error(now).retry_after == pytest.approx(hours * 3_600)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-02-01T00:00:00+00:00", 28),
        ("2026-12-31T00:00:00+00:00", 1),
        ("2026-03-01T00:00:20+00:00", 40 / DAY),
    ],
)
def test_a_spend_cap_ends_with_the_month(now: str, days: int) -> None:
    refusals = anthropic.REFUSALS
    (capped,) = (case for case in refusals if case.name.startswith("the month's cap"))

    error = capped.error(datetime.fromisoformat(now).timestamp())

    assert error.retry_after == pytest.approx(days * DAY)


def test_a_cap_with_a_date_that_does_not_exist_has_no_time() -> None:
    text = "specified API usage limits. You will regain access on 2026-99-99"

    assert classify("slot", 400, text, {}, now=NOW).retry_after is None


def test_a_used_up_minute_is_awaited_when_nothing_else_is_said() -> None:
    headers = {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20h",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "31s",
    }

    error = classify("slot", 429, "", headers, family="groq", now=NOW)

    assert error.retry_after == 31.0
