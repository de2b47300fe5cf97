"""`crew status` on a terminal: nearest to its end first, whatever the terminal is."""

import io
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from crew.cli.console import draws_blocks
from crew.journal import Spent
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import NANO, Usage
from crew.quota.store import LimitState, PlanState, PoolState
from crew.reports.allowances import Pace, allowances, holds
from crew.reports.board import Board
from crew.reports.board_text import board_text

NOW = datetime(2026, 11, 27, 5, 42, tzinfo=UTC).timestamp()
HOUR = 3_600.0
SPENT = Spent(
    calls=310,
    answers=300,
    free_answers=246,
    unknown_costs=2,
    usd=Decimal("0.8481"),
    senior_usd=Decimal(10),
    free_senior_usd=Decimal("7.4"),
)


@pytest.fixture(autouse=True)
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def state(limit: str, used: int, resets_in: float | None = None) -> LimitState:
    return LimitState(
        limit=parse_limit(limit),
        used=used,
        reserved=0,
        resets_at=None if resets_in is None else NOW + resets_in,
    )


POOLS = [
    PoolState(
        name="class:openrouter/free",
        limits=(
            state("20 requests/minute", 20, 57),
            state("50 requests/day @ UTC", 20, 18.3 * HOUR),
        ),
        throttle=0.5,
        waiting=2,
    ),
    PoolState(
        name="provider:gemini",
        limits=(
            state("250K input_tokens/minute", 24_000, 57),
            replace(
                state("500 requests/day @ America/Los_Angeles", 8, 9 * HOUR),
                learned=250,
            ),
        ),
    ),
    PoolState(
        name="deployment:groq-gpt-oss-20b",
        limits=(state("200K tokens/day refilling", 6_800, 2_900),),
        cooldown_until=NOW + 900,
        cooldown_reason="RateLimited (429)",
    ),
    PoolState(name="budget", limits=(state("50 usd/month @ UTC", NANO // 2, 4e5),)),
    PoolState(name="deployment:gpt-4", cooldown_until=NOW - 1),
]


def board(pools: list[PoolState] = POOLS, **fields: object) -> Board:
    pace = Pace(usage=Usage(requests=30), seconds=HOUR)
    made = Board(
        now=NOW,
        allowances=allowances(pools, {"class:openrouter/free": pace}, NOW),
        holds=tuple(holds(pools, NOW)),
        today_since=NOW,
        month_since=NOW,
        today=SPENT,
        month=replace(SPENT, usd=Decimal("12.3"), unknown_costs=0),
        in_flight=3,
        waiting=2,
    )
    return replace(made, **fields)


def test_it_reads_well_at_80_columns() -> None:
    plans = {
        "openrouter": PlanState(plan="free", reason="as providers.yaml says", at=0.0),
        "groq": PlanState(plan="dev", reason="10 usd spent, says the journal", at=NOW),
    }

    text = board_text(board(), plans=plans, notes=["ALERT: one"], width=80)

    assert (
        text + "\n"
        == """\
Today        $0.8481  free: 82% of 300 answers, 74% of money; 2 of unknown cost
This month  $12.3000  free: 82% of 300 answers, 74% of money
3 calls in flight; waiting: 2 for openrouter/free
openrouter/free is throttled to 50% of its short limits
groq-gpt-oss-20b is closed until 00:57, in 15m 0s: RateLimited (429)

Pool              Limit                      Used               Left  Resets
-------------------------------------------------------------------------------
openrouter/free   20 requests/minute         ######## 100%         0  in 57s
groq-gpt-oss-20b  200K tokens/day refilling  #.......   3%   193,200  in 49m
openrouter/free   50 requests/day            ###.....  40%        30  19:00
  at this rate empty at 01:42
provider:gemini   250K input_tokens/minute   #.......   9%   226,000  in 57s
provider:gemini   500 requests/day           #.......   3%       242  09:42
  the provider says 250
budget            50 usd/month               #.......   1%  $49.5000  Tue 15:48

ALERT: one
groq is on the plan dev: 10 usd spent, says the journal
plans as providers.yaml says: openrouter free
"""
    )


@pytest.mark.parametrize("width", [20, 40, 60, 71, 72, 80, 100, 300])
def test_no_line_is_wider_and_no_figure_is_cut(width: int) -> None:
    text = board_text(board(), width=width)

    assert max(map(len, text.splitlines())) <= width
    assert "226,000" in text and "$49.5000" in text
    assert not re.search(" $|\x1b", text, re.MULTILINE)


def test_a_narrow_terminal_gets_sentences() -> None:
    lines = board_text(board(), width=60).splitlines()

    at = lines.index("openrouter/free: 50 requests/day")
    assert lines[at + 1 : at + 3] == [
        "  ###.....  40%  30 left, resets 19:00",
        "  at this rate empty at 01:42",
    ]


def test_what_is_cut_is_what_is_used_least_but_for_budgets() -> None:
    text = board_text(board(), width=80, height=14)

    lines = text.splitlines()
    assert len(lines) <= 14
    assert "20 requests/minute" in text and "50 usd/month" in text
    assert "that are used less (--all)" in lines[-1]
    assert "250K input_tokens" not in text


def test_a_place_among_calls_at_once_has_no_reset() -> None:
    busy = PoolState(name="provider:one", limits=(state("1 concurrent", 1, 660),))

    text = board_text(board([busy]))

    assert text.splitlines()[-1].split() == (
        ["provider:one", "1", "concurrent", "########", "100%", "0"]
    )


def test_many_closed_pools_leave_room_for_the_limits() -> None:
    cool = replace(POOLS[2], limits=())
    pools = [replace(cool, name=f"deployment:d{number}") for number in range(30)]

    cut = board_text(board([*POOLS, *pools]), height=23)
    whole = board_text(board([*POOLS, *pools]))

    assert len(cut.splitlines()) <= 23
    assert "and 27 more are closed or throttled (--all)" in cut
    assert "50 requests/day" in cut
    assert whole.count(" is closed until ") == 31


def test_bars_are_drawn_where_the_terminal_can() -> None:
    assert "█░░░░░░░   3%" in board_text(board(), blocks=True)
    assert board_text(board()).isascii()


def test_without_limits_and_calls_it_says_so() -> None:
    empty = board([POOLS[-1]], today=Spent(), month=Spent(), in_flight=0)

    assert board_text(empty) == (
        "Today       $0.0000  nothing served yet; rehearsals do not count\n"
        "This month  $0.0000  nothing served yet; rehearsals do not count\n\n"
        "No limit is set."
    )


@pytest.mark.parametrize(
    ("environ", "drawn"),
    [
        ({"TERM": "xterm", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "tmux", "LANG": "C.utf8"}, True),
        ({"TERM": "xterm", "LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        # As Python sets it where the locale is plain C.
        ({"TERM": "xterm", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"TERM": "xterm", "LC_CTYPE": "UTF-8"}, True),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, False),
        ({"TERM": "dumb", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8"}, False),
    ],
)
def test_the_environment_says_whether_a_terminal_draws(
    environ: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("TERM", "LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())

    assert draws_blocks() is drawn
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert draws_blocks() is False
