"""Allowances: how far each limit is from its end, and when it gets there."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew.clock import ManualClock
from crew.guard import QuotaGuard
from crew.journal import MIGRATIONS, CallRecord, Journal, OpenCall, journal_file
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Usage
from crew.quota.store import LimitState, PoolState
from crew.quota.stores import open_store
from crew.reports.allowances import Pace, allowances, empty_at, holds
from crew.reports.board import Board, board_document
from crew.reports.history import history
from crew.routing import Request
from crew.runs.allowances import board
from crew.settings import Price
from crew.settings.budgets import Budget

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()
HOUR = 3_600.0
CALL = CallRecord(
    run="r1",
    task=None,
    role="coder",
    deployment="free",
    provider="one",
    input_tokens=1_000,
    output_tokens=100,
    cost_usd=Decimal(0),
    seconds=1.0,
    outcome="ok",
    reason="",
    at=NOON,
    senior_usd=Decimal("0.03"),
)
PAID = replace(
    CALL, deployment="dear", cost_usd=Decimal("0.01"), senior_usd=Decimal("0.01")
)


def state(limit: str, used: int, resets_at: float | None = None) -> LimitState:
    return LimitState(
        limit=parse_limit(limit), used=used, reserved=0, resets_at=resets_at
    )


def pool(name: str, *limits: LimitState, **fields: object) -> PoolState:
    return replace(PoolState(name=name, limits=limits), **fields)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(time=NOON)


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    with Journal.open(journal_file(tmp_path / ".crew"), clock) as opened:
        for run, rehearsal in (("r1", False), ("played", True)):
            opened.start_run(
                run, rehearsal=rehearsal, user="ada", team="core", output=tmp_path / run
            )
        yield opened


@pytest.mark.parametrize(
    ("limit", "used", "resets_in", "a_second", "hours"),
    [
        # 40 left at 10 an hour, and 12 hours to midnight.
        ("50 requests/day @ UTC", 10, 12, 10 / HOUR, 4),
        ("50 requests/day @ UTC", 10, None, 10 / HOUR, 4),
        # 40 left at 2 an hour: it resets before.
        ("50 requests/day @ UTC", 10, 12, 2 / HOUR, None),
        ("50 requests/day @ UTC", 50, 12, 10 / HOUR, None),
        ("50 requests/day @ UTC", 10, 12, 0.0, None),
        # 40 left; of the 24 that count one leaves each hour, and 5 come.
        ("64 requests/day", 24, 24, 5 / HOUR, 10),
        # What counts is gone in 2 hours; then 3 an hour make 64 in 21.3 hours.
        ("64 requests/day", 24, 2, 3 / HOUR, 64 / 3),
        # 2 an hour are 48 in a day: never 64.
        ("64 requests/day", 24, 2, 2 / HOUR, None),
        # 24 an hour flow in.
        ("576 requests/day refilling", 476, None, 34 / HOUR, 10),
        ("576 requests/day refilling", 476, None, 24 / HOUR, None),
        # 2 an hour lately; 26.5 days took 530, so 20 a day, and 3.5 days are left.
        ("570 requests/month @ UTC", 530, None, 2 / HOUR, 20),
        ("590 requests/month @ UTC", 530, None, 2 / HOUR, 72),
        ("620 requests/month @ UTC", 530, None, 2 / HOUR, None),
        ("590 requests/month @ UTC", 530, None, 0.0, 72),
        # A minute waits; it does not end.
        ("10 requests/minute", 9, 0.01, 1.0, None),
        ("4 concurrent", 1, None, 1.0, None),
    ],
)
def test_the_forecast_says_when_nothing_is_left_before_it_resets(
    limit: str,
    used: int,
    resets_in: float | None,
    a_second: float,
    hours: float | None,
) -> None:
    resets = None if resets_in is None else NOON + resets_in * HOUR

    found = empty_at(state(limit, used, resets), a_second, NOON)

    assert found == (None if hours is None else pytest.approx(NOON + hours * HOUR))


def test_what_is_nearest_to_its_end_comes_first() -> None:
    pools = [
        pool("fresh", state("50 requests/day @ UTC", 0)),
        pool("fuller", state("50 requests/day @ UTC", 45)),
        pool("slow", state("50 requests/day @ UTC", 15)),
        pool("fast", state("1K requests/day @ UTC", 950)),
        pool("soon", state("50 requests/day @ UTC", 20)),
        pool("full", state("50 requests/day @ UTC", 50)),
        pool(
            "cool",
            state("50 requests/day @ UTC", 1),
            cooldown_until=NOON + 60,
            cooldown_reason="RateLimited (429)",
        ),
        pool("busy", state("2 concurrent", 2)),
    ]
    fast = Pace(usage=Usage(requests=60), seconds=HOUR)
    slow = Pace(usage=Usage(requests=5), seconds=HOUR)

    found = allowances(pools, {"soon": fast, "fast": fast, "slow": slow}, NOON)

    names = [one.pool for one in found]
    assert names == ["busy", "full", "cool", "soon", "fast", "fuller", "slow", "fresh"]
    assert [one.closed for one in found[:4]] == [
        "all in use",
        "used up",
        "cooldown: RateLimited (429)",
        "",
    ]
    assert [one.share for one in found[-3:]] == [0.9, 0.3, 0.0]
    assert found[-2].empty_at == NOON + 7 * HOUR
    (hold,) = holds(pools, NOON)
    assert (hold.pool, hold.until) == ("cool", NOON + 60)


def test_a_few_calls_make_no_rate_and_a_burst_is_no_hour() -> None:
    few = Pace(usage=Usage(requests=4), seconds=60.0)
    burst = Pace(usage=Usage(requests=9), seconds=1.0)
    metric = parse_limit("1 requests/day").metric

    assert few.per_second(metric) == 0.0
    assert burst.per_second(metric) * HOUR == pytest.approx(36)


def spend(journal: Journal) -> None:
    for call in (
        CALL,
        replace(CALL, at=NOON - 11 * HOUR),
        PAID,
        replace(PAID, at=NOON - 20 * HOUR, cost_usd=Decimal("0.0000001234")),
        replace(PAID, outcome="TimedOut", cost_usd=None, senior_usd=None),
        replace(PAID, run="played", cost_usd=Decimal(5)),
        replace(PAID, run="nobody's", cost_usd=Decimal(5)),
    ):
        journal.record(call)


def test_one_unknown_price_at_the_senior_tier_makes_the_sum_unknown(
    journal: Journal,
) -> None:
    spend(journal)
    assert journal.spent_between(NOON - 86_400, NOON + 1).saved is not None

    journal.record(replace(PAID, senior_usd=None))

    found = journal.spent_between(NOON - 86_400, NOON + 1)
    assert (found.senior_usd, found.saved, found.free_usd) == (None, None, None)
    assert history(journal.stretch(NOON - 86_400, NOON + 1)).senior_usd is None


def test_the_sums_are_those_of_the_calls(journal: Journal) -> None:
    spend(journal)

    found = journal.spent_between(NOON - 86_400, NOON + 1)

    told = history(journal.stretch(NOON - 86_400, NOON + 1))
    assert (found.calls, found.answers, found.unknown_costs) == (
        told.calls,
        told.calls - told.failed,
        told.unknown_costs,
    )
    assert (found.free_calls, found.free_usd) == (told.free_calls, told.free_usd)
    assert (found.usd, found.senior_usd) == (
        round(told.cost, 9),
        told.senior_usd,
    )
    assert journal.spent_between(NOON, NOON + 1).usd == Decimal("0.01")
    assert journal.spent() == {"one": found.usd}


def test_an_older_journal_gets_its_sums(journal: Journal, tmp_path: Path) -> None:
    spend(journal)
    whole = journal.spent_between(0, NOON + 1)
    journal.close()
    number = next(i for i, one in enumerate(MIGRATIONS) if "call_is_spent" in one)
    older = tmp_path / "older.db"
    db = sqlite3.connect(older, isolation_level=None)
    db.executescript("".join(MIGRATIONS[:number]))
    db.execute(f"PRAGMA user_version = {number}")
    db.execute("ATTACH ? AS new", (str(journal_file(tmp_path / ".crew")),))
    for table in ("run", "call"):
        columns = db.execute(f"PRAGMA main.table_info({table})")
        names = ", ".join(row[1] for row in columns.fetchall())
        db.execute(f"INSERT INTO {table} SELECT {names} FROM new.{table}")
    db.close()

    with Journal.open(older, ManualClock()) as again:
        assert again.spent_between(0, NOON + 1) == whole


def test_the_board_knows_rates_money_and_the_queue(
    journal: Journal, clock: ManualClock, tmp_path: Path
) -> None:
    by = provider("one", "100 requests/day @ UTC")
    price = Price(input=Decimal(5), output=Decimal(25))
    config = settings(
        [deployment("free", by), deployment("dear", by, price=price)],
        tmp_path,
        roles=[role()],
        budget_rules=(Budget(limit=parse_limit("1 usd/day @ UTC"), role="coder"),),
    )
    guard = QuotaGuard(config, open_store("memory:", clock), clock)
    request = Request(tier="mid", input_tokens=10, output_tokens=10, role="coder")
    for number in range(20):
        # Every third minute, the first one an hour ago.
        guard.begin(request).acquire().settle(input_tokens=1, output_tokens=1)
        journal.record(replace(PAID, at=NOON - HOUR + 1 + number * 180))
    guard.store.join_queue("provider:one", Usage(), seconds=60.0)

    found = board(guard, journal)

    first, *_ = found.allowances
    assert (first.pool, first.left, first.share) == ("provider:one", 80, 0.2)
    assert first.empty_at == pytest.approx(NOON + 4 * HOUR, abs=10)
    (budget,) = found.budgets
    # 0.2 usd in the last hour, and nothing of it in this store.
    assert budget.pool == "budget:role:coder"
    assert budget.empty_at == pytest.approx(NOON + 5 * HOUR, abs=10)
    assert (found.today.usd, found.waiting) == (Decimal("0.2"), 1)
    assert_documented(found)


def test_a_call_is_in_flight_while_somebody_works_on_its_run(
    journal: Journal, clock: ManualClock, tmp_path: Path
) -> None:
    guard = QuotaGuard(settings([], tmp_path), open_store("memory:", clock), clock)
    call = OpenCall(
        run="r1",
        task=None,
        role="coder",
        deployment="free",
        provider="one",
        input_tokens=1,
        output_tokens=1,
        reason="",
        at=NOON - 5,
        is_free=True,
    )
    for one in (call, replace(call, at=NOON - 2 * HOUR), replace(call, run="played")):
        journal.open_call(one)
    journal.finish_run("played", "interrupted")

    assert board(guard, journal).in_flight == 1


def assert_documented(found: Board) -> None:
    document = board_document(found)
    page = (Path(__file__).parents[1] / "docs/status.md").read_text(encoding="utf-8")
    nearest, money = document["nearest"], document["money"]
    assert isinstance(nearest, list) and isinstance(money, dict)
    for name in (*document, *nearest[0], *money["today"]):
        assert f"`{name}`" in page
    assert nearest[0]["empty_at"].startswith("2026-11-27T15:59")
    assert money["budgets"][0]["left"] == 1.0
