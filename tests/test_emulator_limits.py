"""The emulator enforces limits exactly, in each kind of window."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crew.clock import ManualClock
from test_emulator_kit import in_process, make_settings, price

# HELLO is 10 characters: 3 input tokens.
WORDS = [{"role": "user", "content": "x" * 400}]


def moment(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


async def test_rolling_window_frees_exactly_after_its_length() -> None:
    clock = ManualClock()
    async with in_process(make_settings("openai", "2 requests/minute"), clock) as desk:
        assert await desk.statuses(1) == [200]
        clock.advance(30)
        assert await desk.statuses(2) == [200, 429]
        clock.advance(29.9)
        assert await desk.statuses(1) == [429]
        clock.advance(0.1)
        assert await desk.statuses(2) == [200, 429]


async def test_refusal_counts_against_nothing() -> None:
    clock = ManualClock()
    limits = ("1 requests/minute", "2 requests/hour")
    async with in_process(make_settings("openai", *limits), clock) as desk:
        assert await desk.statuses(5) == [200, 429, 429, 429, 429]
        clock.advance(60)
        assert await desk.statuses(2) == [200, 429]

        counts = await desk.counts()
    assert (counts["requests"], counts["accepted"], counts["refused"]) == (7, 2, 5)


async def test_several_units_make_one_rolling_window() -> None:
    clock = ManualClock()
    settings = make_settings("openai", "1 requests/10 seconds")
    async with in_process(settings, clock) as desk:
        assert await desk.statuses(2) == [200, 429]
        clock.advance(10)
        assert await desk.statuses(1) == [200]


@pytest.mark.parametrize(
    ("limit", "before", "after"),
    [
        ("minute @ UTC", "2026-03-08T09:59:59.9", "2026-03-08T10:00:00"),
        ("hour @ Asia/Kolkata", "2026-03-08T09:59:59.9", "2026-03-08T10:00:00"),
        ("day @ America/Los_Angeles", "2026-03-08T23:59:59.9", "2026-03-09T00:00:00"),
        ("month @ UTC", "2026-02-28T23:59:59.9", "2026-03-01T00:00:00"),
        ("second @ UTC", "2026-02-28T23:59:59.9", "2026-03-01T00:00:00"),
    ],
)
async def test_calendar_window_frees_at_the_civil_boundary(
    limit: str, before: str, after: str
) -> None:
    zone = limit.partition("@ ")[2]
    clock = ManualClock(moment(before, zone))
    async with in_process(make_settings("openai", f"1 requests/{limit}"), clock) as d:
        assert await d.statuses(2) == [200, 429]
        clock.time = moment(after, zone)
        assert await d.statuses(2) == [200, 429]


@pytest.mark.parametrize(
    ("day", "following", "hours"),
    [("2026-03-08", "2026-03-09", 23), ("2026-11-01", "2026-11-02", 25)],
)
async def test_days_of_daylight_saving_are_23_or_25_hours(
    day: str, following: str, hours: int
) -> None:
    zone = "America/Los_Angeles"
    clock = ManualClock(moment(f"{day}T00:00:00", zone))
    settings = make_settings("openai", f"1 requests/day @ {zone}")
    async with in_process(settings, clock) as desk:
        first = await desk.ask()
        second = await desk.ask()
        clock.advance(hours * 3600 - 1)
        late = await desk.ask()
        clock.advance(1)
        tomorrow = await desk.ask()

    assert clock.time == moment(f"{following}T00:00:00", zone)
    assert [r.status_code for r in (first, second, late, tomorrow)] == [
        200,
        429,
        429,
        200,
    ]
    assert second.headers["retry-after"] == str(hours * 3600)


async def test_repeated_hour_is_two_windows() -> None:
    zone = "America/Los_Angeles"
    clock = ManualClock(moment("2026-11-01T01:30:00", zone))
    settings = make_settings("openai", f"1 requests/hour @ {zone}")
    async with in_process(settings, clock) as desk:
        assert await desk.statuses(2) == [200, 429]
        clock.advance(3600)
        assert await desk.statuses(2) == [200, 429]


async def test_bucket_refills_continuously_and_never_above_its_amount() -> None:
    clock = ManualClock()
    settings = make_settings("groq", "60 requests/minute refilling")
    async with in_process(settings, clock) as desk:
        clock.advance(10_000)
        assert await desk.statuses(61) == [200] * 60 + [429]
        clock.advance(0.9)
        assert await desk.statuses(1) == [429]
        clock.advance(0.1)
        assert await desk.statuses(2) == [200, 429]


async def test_wait_follows_the_law_of_the_refilling_bucket() -> None:
    clock = ManualClock()
    settings = make_settings("groq", "300 tokens/minute refilling")
    async with in_process(settings, clock) as desk:
        first = (await desk.ask(messages=WORDS)).json()["usage"]["total_tokens"]
        await desk.ask(messages=WORDS)
        refused = await desk.ask(messages=WORDS)

    wait = (2 * first + first - 300) / 300 * 60
    assert refused.status_code == 429
    assert f"Used {2 * first}, Requested {first}." in refused.text
    assert f"try again in {wait:g}s." in refused.text


async def test_concurrency_counts_calls_under_way() -> None:
    settings = make_settings("deepseek", "1 concurrent")

    class Held(ManualClock):
        async def asleep(self, seconds: float) -> None:
            reached.set()
            await release.wait()

    reached, release = asyncio.Event(), asyncio.Event()
    async with in_process(settings, Held(), latency=1.0) as desk:
        first = asyncio.create_task(desk.ask())
        await reached.wait()
        second = await desk.ask()
        release.set()
        answered = (await first).status_code
        third = await desk.ask()

    assert [answered, second.status_code, third.status_code] == [200, 429, 200]


async def test_tokens_are_counted_as_told_in_the_usage() -> None:
    settings = make_settings("openai", "250 input_tokens/minute")
    async with in_process(settings) as desk:
        reported = [await desk.ask(messages=WORDS) for _ in range(3)]
        counts = await desk.counts()

    assert [r.status_code for r in reported] == [200, 200, 429]
    usages = [r.json()["usage"] for r in reported[:2]]
    assert counts["input_tokens"] == sum(u["prompt_tokens"] for u in usages) == 200
    assert counts["output_tokens"] == sum(u["completion_tokens"] for u in usages)


async def test_output_tokens_are_limited() -> None:
    async with in_process(make_settings("openai", "5 output_tokens/minute")) as desk:
        assert await desk.statuses(2, max_tokens=5) == [200, 429]


async def test_money_is_limited_to_the_nano_dollar() -> None:
    # 100 input tokens and 5 output tokens: 100 x 3 + 5 x 15 millionths.
    slot = {"name": "slot", "price": price("3", "15")}
    enough = make_settings("openai", "0.000750 usd/day", deployments=[slot])
    short = make_settings("openai", "0.000749 usd/day", deployments=[slot])
    async with in_process(enough) as desk:
        assert await desk.statuses(3, messages=WORDS, max_tokens=5) == [200, 200, 429]
    async with in_process(short) as desk:
        assert await desk.statuses(2, messages=WORDS, max_tokens=5) == [200, 429]


async def test_free_models_pass_an_exhausted_budget() -> None:
    deployments = [
        {"name": "paid", "price": price("10", "10")},
        {"name": "free", "price": price("0", "0")},
        {"name": "unknown"},
    ]
    settings = make_settings("openai", "0.000001 usd/day", deployments=deployments)
    async with in_process(settings) as desk:
        seen = [(await desk.ask(d["name"])).status_code for d in deployments]

    assert seen == [429, 200, 200]


async def test_provider_limits_count_all_deployments_together() -> None:
    deployments = [{"name": "a"}, {"name": "b"}]
    settings = make_settings("openai", "2 requests/minute", deployments=deployments)
    async with in_process(settings) as desk:
        seen = [(await desk.ask(name)).status_code for name in "abab"]

    assert seen == [200, 200, 429, 429]


async def test_class_limits_count_the_deployments_of_the_class() -> None:
    settings = make_settings(
        "openrouter",
        classes={"free": ["1 requests/minute"]},
        deployments=[
            {"name": "a", "klass": "free"},
            {"name": "b", "klass": "free"},
            {"name": "c"},
        ],
    )
    async with in_process(settings) as desk:
        seen = [(await desk.ask(name)).status_code for name in "abc"]

    assert seen == [200, 429, 200]


async def test_deployment_limits_count_one_deployment() -> None:
    deployments = [{"name": "a", "limits": ["1 requests/minute"]}, {"name": "b"}]
    async with in_process(make_settings(deployments=deployments)) as desk:
        seen = [(await desk.ask(name)).status_code for name in "aabb"]

    assert seen == [200, 429, 200, 200]


async def test_refusal_by_one_limit_leaves_the_others_uncharged() -> None:
    clock = ManualClock()
    limits = ("3 requests/day", "1 requests/minute refilling")
    async with in_process(make_settings("openai", *limits), clock) as desk:
        for _ in range(3):
            assert await desk.statuses(3) == [200, 429, 429]
            clock.advance(60)
        assert await desk.statuses(1) == [429]


async def test_limit_per_run_never_resets() -> None:
    clock = ManualClock()
    async with in_process(make_settings("openai", "1 requests/run"), clock) as desk:
        assert await desk.statuses(2) == [200, 429]
        clock.advance(400 * 86_400)
        assert await desk.statuses(1) == [429]


async def test_reset_forgets_windows_counters_and_faults() -> None:
    async with in_process(make_settings("openai", "1 requests/day")) as desk:
        await desk.statuses(2)
        await desk.order("server_error")
        await desk.client.post("/_control/reset")

        assert set((await desk.counts()).values()) == {0}
        assert (await desk.client.get("/_control/requests")).json() == []
        assert await desk.statuses(1) == [200]
