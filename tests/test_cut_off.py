"""An answer that the output limit cut off: others with more room go on, or one stop."""

from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew.clock import ManualClock
from crew.errors import CutOff, QuotaExceeded
from crew.guard import QuotaGuard
from crew.quota.reported import ReportedUsage
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Settings

CUT = ReportedUsage(input_tokens=100, output_tokens=8_000)
ASK = Request(tier="mid", input_tokens=100, output_tokens=50, role="coder", run="r1")


def guarding(made: Settings) -> QuotaGuard:
    clock = ManualClock()
    return QuotaGuard(made, MemoryStore(clock), clock)


def test_the_next_deployment_with_more_room_goes_on(tmp_path: Path) -> None:
    chain = [
        deployment("short", provider("one"), max_output=8_000),
        deployment("also short", provider("two"), max_output=8_000),
        deployment("long", provider("three"), max_output=64_000),
    ]
    guard = guarding(settings(chain, tmp_path))
    attempts = guard.begin(ASK)
    lease = attempts.acquire()

    attempts.failed(lease, CutOff("short", charged=CUT))

    assert attempts.acquire().deployment.name == "long"


def test_nobody_else_keeps_away_from_it(tmp_path: Path) -> None:
    chain = [deployment("short", provider("one")), deployment("b", provider("two"))]
    guard = guarding(settings(chain, tmp_path))
    attempts = guard.begin(ASK)

    attempts.failed(attempts.acquire(), CutOff("short", charged=CUT))

    assert guard.begin(ASK).acquire().deployment.name == "short"
    assert [pool.cooldown_until for pool in guard.status()] == [None] * 4


def test_without_more_room_there_is_one_clear_stop(tmp_path: Path) -> None:
    chain = [
        deployment("a", provider("one"), max_output=8_000),
        deployment("b", provider("two"), max_output=4_000),
    ]
    guard = guarding(settings(chain, tmp_path, roles=[role()]))
    attempts = guard.begin(ASK)

    attempts.failed(attempts.acquire(), CutOff("a", charged=CUT))

    with pytest.raises(CutOff, match=r"cut off after 8,000 tokens.*raise `max_output`"):
        attempts.acquire()


def test_more_room_that_opens_too_late_is_named_as_closed(tmp_path: Path) -> None:
    chain = [
        deployment("a", provider("one"), max_output=8_000),
        deployment("b", provider("two", "1 requests/hour"), max_output=64_000),
    ]
    guard = guarding(settings(chain, tmp_path, max_wait=60.0))
    first = guard.begin(ASK)
    first.failed(first.acquire(), CutOff("a", charged=CUT))
    first.acquire()  # takes the one request of the hour
    attempts = guard.begin(ASK)
    attempts.failed(attempts.acquire(), CutOff("a", charged=CUT))

    with pytest.raises(QuotaExceeded, match="1 requests/hour"):
        attempts.acquire()


@pytest.mark.parametrize(
    ("limits", "room"),
    [
        ((), 64_000),
        (("8K output_tokens/minute",), 8_000),
        (("30K tokens/minute",), 29_900),
        (("200K input_tokens/minute", "1000 requests/day"), 64_000),
        (("50 tokens/minute",), 1),
    ],
)
def test_the_room_is_what_the_model_can_do_or_the_limits_can_bear(
    tmp_path: Path, limits: tuple[str, ...], room: int
) -> None:
    asked = deployment("a", provider("one", *limits), max_output=64_000)
    guard = guarding(settings([asked], tmp_path))

    assert guard.pools.output_room(asked, ASK.input_tokens) == room
