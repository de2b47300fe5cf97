"""Free requests that are counted by the day: who gets them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from building import FREE, deployment, provider, settings
from crew.check.strategies import strategy_lines
from crew.clock import ManualClock
from crew.errors import QuotaExceeded
from crew.guard import QuotaGuard
from crew.journal import Journal, ServedCall
from crew.quota.limit_syntax import parse_limit
from crew.quota.stores import open_store
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.routing.saving import Allowance, expected_calls, worth_from
from crew.settings import Price, Settings
from crew.settings.loader import load_settings
from quality import CALL
from small_config import change, mistakes_of, write_files

MORNING = datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp()
DAY, HOUR = 86_400.0, 3_600.0
CHEAP = Price(input=Decimal(1), output=Decimal(2), cached_input=Decimal("0.1"))
LARGE, SMALL = 40_000, 1_000


class Record:
    """A journal of the test's own."""

    def __init__(self, calls: Sequence[ServedCall] = ()) -> None:
        self.calls = list(calls)

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]:
        return len(self.calls), self.calls[row:]

    def tries_after(self, row: int) -> tuple[int, list]:
        return 0, []


def call(name: str, tokens: int, at: float) -> ServedCall:
    return ServedCall(
        deployment=name,
        input_tokens=tokens,
        output_tokens=100,
        seconds=1.0,
        failed=False,
        at=at,
    )


def yesterday(large: int = 50, small: int = 150) -> list[ServedCall]:
    """From 8 to 18 o'clock, in random order."""
    sizes = [LARGE] * large + [SMALL] * small
    random.Random(3).shuffle(sizes)
    pace = 10 * HOUR / len(sizes)
    start = MORNING - DAY
    return [call("paid", one, start + at * pace) for at, one in enumerate(sizes)]


def made(tmp_path: Path, limit: str = "50 requests/day @ UTC", **fields) -> Settings:
    by = provider("router", classes={"free": (parse_limit(limit),)})
    chain = [
        deployment("free-a", by, klass="free"),
        deployment("free-b", by, klass="free"),
        deployment("paid", provider("cheap"), price=CHEAP),
        deployment("dear", provider("best"), price=Price(input=5, output=25)),
    ]
    return replace(
        settings(chain, tmp_path), **{"free_quota": "save_for_large", **fields}
    )


class Team:
    """A guard for each process, over one store and one journal."""

    def __init__(self, of: Settings, calls: Sequence[ServedCall], url: str = "memory:"):
        self.clock = ManualClock(time=MORNING)
        self.record = Record(calls)
        store = open_store(url, self.clock)
        stores = [store, store if url == "memory:" else open_store(url, self.clock)]
        self.guards = [
            QuotaGuard(of, one, self.clock, record=self.record) for one in stores
        ]

    def order(self, tokens: int, **fields: object) -> list[str]:
        guard = self.guards[0]
        return [one.name for one in guard.begin(ask(tokens, **fields)).route.candidates]

    def served(self, tokens: int, at: int = 0) -> tuple[str, str]:
        guard = self.guards[at % len(self.guards)]
        lease = guard.begin(ask(tokens)).acquire()
        lease.settle(input_tokens=tokens, output_tokens=100)
        name = lease.deployment.name
        self.record.calls.append(call(name, tokens, self.clock.now()))
        return name, lease.reason


def ask(tokens: int, **fields: object) -> Request:
    made = Request(tier="mid", input_tokens=tokens, output_tokens=100, role="coder")
    return replace(made, **fields)


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}/quota.db"])
def test_large_calls_get_the_free_requests_of_the_day_in_every_process(
    tmp_path: Path, url: str
) -> None:
    team = Team(made(tmp_path), yesterday(), url.format(tmp_path))
    sizes = [LARGE] * 50 + [SMALL] * 150
    random.Random(5).shuffle(sizes)

    free = []
    for number, tokens in enumerate(sizes):
        name, _ = team.served(tokens, at=number)
        if name.startswith("free"):
            free.append(tokens)
        team.clock.advance(10 * HOUR / len(sizes))

    assert len(free) == 50
    assert free.count(LARGE) >= 44  # as they come: 12 or 13


def test_first_come_is_the_default_and_reads_no_journal(tmp_path: Path) -> None:
    team = Team(replace(made(tmp_path), free_quota="first_come"), yesterday())

    assert team.served(SMALL) == ("free-a", "")


def test_a_small_call_goes_to_the_paid_one_that_follows_and_says_why(
    tmp_path: Path,
) -> None:
    team = Team(made(tmp_path), yesterday())

    assert team.order(SMALL) == ["paid", "free-a", "free-b", "dear"]
    assert team.order(LARGE) == ["free-a", "free-b", "paid", "dear"]
    assert team.served(SMALL) == (
        "paid",
        "free requests are saved for large calls; $0.001200 expected, "
        "and one is worth $0.040200",
    )


def test_the_calls_that_another_process_recorded_count(tmp_path: Path) -> None:
    clock, of = ManualClock(time=MORNING), made(tmp_path)
    path, output = tmp_path / "journal.db", tmp_path / "output"
    with Journal.open(path, clock) as one, Journal.open(path, clock) as other:
        guard = QuotaGuard(of, MemoryStore(clock), clock, record=other)
        before = guard.begin(ask(SMALL)).route.candidates[0].name
        one.start_run("r1", rehearsal=False, user="u", team="t", output=output)
        for past in yesterday():
            sent, wrote = past.input_tokens, past.output_tokens
            record = replace(CALL, input_tokens=sent, output_tokens=wrote, at=past.at)
            one.record(replace(record, deployment="paid"))

        small, large = (guard.begin(ask(size)).route for size in (SMALL, LARGE))

    assert (before, small.candidates[0].name) == ("free-a", "paid")
    assert large.candidates[0].name == "free-a"


def test_nothing_is_saved_that_nobody_will_use(tmp_path: Path) -> None:
    few = Team(made(tmp_path), yesterday(large=10, small=35))
    evening = Team(made(tmp_path), yesterday())
    evening.clock.advance(9.9 * HOUR)

    assert few.order(SMALL)[0] == "free-a"
    assert evening.order(SMALL)[0] == "free-a"


def test_without_a_history_the_first_that_comes_is_served_free(tmp_path: Path) -> None:
    new = Team(made(tmp_path), [])
    scriptless = QuotaGuard(made(tmp_path), new.guards[0].store, new.clock)

    assert new.order(SMALL)[0] == "free-a"
    assert scriptless.begin(ask(SMALL)).route.candidates[0].name == "free-a"


def test_on_the_first_day_the_work_so_far_says_what_is_to_come(tmp_path: Path) -> None:
    team = Team(made(tmp_path), [])
    team.clock.advance(HOUR)
    for number in range(30):
        team.served(LARGE if number % 3 == 0 else SMALL)
        team.clock.advance(1)

    # 20 are left for another 30 calls, and a third of them is large.
    assert team.order(SMALL)[0] == "free-a"
    for number in range(90):
        size = LARGE if number % 3 == 0 else SMALL
        team.record.calls.append(call("paid", size, team.clock.now() - 1))
    assert team.order(SMALL)[0] == "paid"
    assert team.order(LARGE)[0] == "free-a"


def test_calls_that_are_all_alike_are_served_as_they_come(tmp_path: Path) -> None:
    team = Team(made(tmp_path), yesterday(large=0, small=200))

    assert team.order(SMALL)[0] == "free-a"


def test_free_requests_serve_what_a_budget_keeps_from_the_paid_one(
    tmp_path: Path,
) -> None:
    spent = made(tmp_path, budgets=(parse_limit("0.001 usd/day @ UTC"),))
    team = Team(spent, yesterday())

    assert team.served(SMALL)[0] == "free-a"


def test_a_small_call_does_not_wait_for_the_minute_of_the_paid_one(
    tmp_path: Path,
) -> None:
    of = made(tmp_path)
    by = provider("cheap", "1 requests/minute")
    slow = replace(of.deployments["paid"], provider=by)
    of = replace(of, deployments={**of.deployments, "paid": slow})
    team = Team(of, yesterday(large=60))
    first = team.served(SMALL)[0]

    assert first == "paid"
    assert team.order(SMALL, patience=90.0)[0] == "free-a"
    team.clock.advance(120)
    assert team.order(SMALL)[0] == "paid"


def test_a_paid_one_that_is_closed_leaves_the_call_to_the_free_ones(
    tmp_path: Path,
) -> None:
    team = Team(made(tmp_path), yesterday())
    store = team.guards[0].store
    store.cool_down("deployment:paid", until=team.clock.now() + 60, reason="down")

    assert team.served(SMALL)[0] == "free-a"


def test_a_step_of_a_ladder_or_an_arm_keeps_to_its_deployments(tmp_path: Path) -> None:
    team = Team(made(tmp_path), yesterday())

    assert team.order(SMALL, chain=("free-b",))[0] == "free-b"
    assert team.order(SMALL, chain=("free-b", "paid"))[:2] == ["paid", "free-b"]


def test_what_the_cache_of_the_paid_one_holds_costs_less(tmp_path: Path) -> None:
    team = Team(made(tmp_path), yesterday())
    task = {"task": "code", "run": "r"}
    assert team.order(LARGE, **task)[0] == "free-a"
    team.guards[0].warm.note(ask(LARGE, **task), "paid", LARGE)

    assert team.order(LARGE, **task)[0] == "paid"


@pytest.mark.parametrize(
    "limit",
    ["100K tokens/day @ UTC", "20 requests/minute", "5 usd/day @ UTC"],
)
def test_allowances_that_do_not_count_requests_by_the_day_are_not_saved(
    tmp_path: Path, limit: str
) -> None:
    team = Team(made(tmp_path, limit), yesterday())

    assert team.order(SMALL)[0] == "free-a"


def test_free_ones_without_such_a_limit_go_first(tmp_path: Path) -> None:
    base = made(tmp_path)
    more = deployment("local", provider("own"), price=FREE)
    of = replace(
        settings([*base.deployments.values(), more], tmp_path),
        free_quota="save_for_large",
        tiers={"mid": replace(base.tiers["mid"], chain=("free-a", "local", "paid"))},
    )

    assert Team(of, yesterday()).order(SMALL) == ["local", "paid", "free-a"]


def test_a_full_day_closes_as_before(tmp_path: Path) -> None:
    of = made(tmp_path, max_wait=0.0)
    of = replace(of, tiers={"mid": replace(of.tiers["mid"], chain=("free-a",))})
    team = Team(of, yesterday())
    for _ in range(50):
        assert team.served(SMALL)[0] == "free-a"

    with pytest.raises(QuotaExceeded):
        team.served(LARGE)


@pytest.mark.parametrize("limit", ["50 requests/day", "50 requests/day refilling"])
def test_a_window_that_moves_brings_its_whole_amount_each_day(
    tmp_path: Path, limit: str
) -> None:
    team = Team(made(tmp_path, limit), yesterday())

    assert team.order(SMALL)[0] == "paid"
    assert team.order(LARGE)[0] == "free-a"


# The arithmetic.


def test_the_bound_is_the_quantile_that_the_free_requests_suffice_for() -> None:
    costs = [float(one) for one in range(1, 101)]

    def bound(*shares: tuple[float, float]) -> float:
        given = [Allowance(left=left, expected=calls) for left, calls in shares]
        return worth_from(given, costs)

    assert bound((25, 100)) == 76
    assert bound((0, 100)) == 100
    assert bound((25, 100), (25, 50)) == 26
    assert bound((100, 100)) == bound((5, 0)) == bound((50, 100), (50, 100)) == 0
    assert worth_from([Allowance(left=0, expected=9)], costs[:19]) == 0


def test_the_calls_to_come_are_those_of_busy_days() -> None:
    now = MORNING
    # Thursday to Friday 100 calls between 8 and 18 o'clock, nothing at the weekend.
    times = [now - back * DAY + at * 360 for back in (3, 4) for at in range(100)]

    def count(since: float, until: float) -> int:
        return sum(since <= at < until for at in times)

    assert expected_calls(count, now, now + 16 * HOUR) == 100
    assert expected_calls(count, now + 5 * HOUR, now + 16 * HOUR) == 50
    assert expected_calls(count, now + 10 * HOUR, now + 16 * HOUR) == 0
    assert expected_calls(count, now, now + 2 * DAY) == 200


def test_the_first_day_goes_on_for_as_long_as_it_has_gone_on() -> None:
    times = [MORNING + at * 60 for at in range(120)]

    def count(since: float, until: float) -> int:
        return sum(since <= at < until for at in times)

    now = MORNING + 2 * HOUR

    assert expected_calls(count, now, now + 14 * HOUR) == 120
    assert expected_calls(count, now, now + HOUR) == 60
    assert expected_calls(count, now, now + 10 * DAY) == 1200


# The setting.


def test_the_setting_is_read_and_printed(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    plain = load_settings(config, environ={})
    change(config, "tiers", "max_wait", "free_quota: save_for_large\nmax_wait")

    found = load_settings(config, environ={})

    assert (plain.free_quota, found.free_quota) == ("first_come", "save_for_large")
    assert not any("free requests" in line for line in strategy_lines(plain))
    assert strategy_lines(found)[-1] == (
        "  free requests        save_for_large: those that are counted by the day are "
        "for the calls that would cost most; until 20 calls are known, for the first "
        "that come"
    )


def test_another_word_is_a_mistake(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    change(config, "tiers", "max_wait", "free_quota: large\nmax_wait")

    (mistake,) = mistakes_of(config)

    assert "allowed: first_come, save_for_large" in str(mistake)
