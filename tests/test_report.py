"""Reports: what they count, what they say, and the documents they write."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from crew.clock import ManualClock
from crew.errors import Closed
from crew.journal import CallRecord, Journal, RunRecord
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import NANO
from crew.quota.store import LimitState, PoolState
from crew.reports.document import run_document, status_document
from crew.reports.report import RunReport, Swap, build_report
from crew.reports.text import summary_lines

CALL = CallRecord(
    run="r1",
    task="design",
    role="architect",
    deployment="claude-opus",
    provider="anthropic",
    input_tokens=12_345,
    output_tokens=678,
    cost_usd=Decimal("0.112575"),
    seconds=2.50049,
    outcome="ok",
    reason="",
    at=1_795_466_700.0,
    senior_usd=Decimal("0.112575"),
)
WHY = "claude-opus: 50 requests/minute (provider:anthropic)"
SWAPPED = replace(
    CALL,
    task="code",
    role="coder",
    deployment="deepseek",
    provider="openrouter",
    input_tokens=5_000,
    output_tokens=900,
    cost_usd=Decimal("0.0001234"),
    reason=f"{WHY}; opens 2026-11-23 20:45:09 UTC",
    at=1_795_466_705.0,
    senior_usd=Decimal("0.0475"),
)
AGAIN = replace(SWAPPED, at=1_795_466_765.0, reason=f"{WHY}; opens 2026-11-23 20:46:30")
FREE = replace(
    SWAPPED,
    deployment="gemini-flash",
    provider="gemini",
    cost_usd=Decimal(0),
    reason="deepseek: Overloaded (503)",
)
FAILED = replace(
    SWAPPED,
    input_tokens=0,
    output_tokens=0,
    cost_usd=Decimal(0),
    senior_usd=None,
    outcome="RateLimited",
)
BROKEN = replace(FAILED, cost_usd=None, outcome="TimedOut")
UNPRICED = replace(SWAPPED, cost_usd=None)
SUMMARY = """\
Role       Served by        Calls  Failed      In    Out        Cost
--------------------------------------------------------------------
architect  claude-opus x1       1          12,345    678     $0.1126
coder      deepseek x2          4       1  15,000  2,700  $0.0002468
           gemini-flash x1
total                           5       1  27,345  3,378     $0.1128

Role   Swap                      Calls  Why
-------------------------------------------------------------------------------
coder  claude-opus -> deepseek       2  50 requests/minute (provider:anthropic)
coder  deepseek -> gemini-flash      1  Overloaded (503)

Cost: $0.1128; all on the senior tier: $0.2551; saved 55.8%"""
RECORD = RunRecord(
    run="r1",
    status="done",
    rehearsal=True,
    user="ana",
    team="core",
    started_at=1.0,
    finished_at=2.0,
    output=Path("output/r1"),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "state" / "journal.db", ManualClock()) as opened:
        yield opened


def reported(journal: Journal, *calls: CallRecord) -> RunReport:
    for call in calls:
        journal.record(call)
    return build_report(journal, "r1")


def test_report_adds_up_calls_tokens_and_money(journal: Journal) -> None:
    journal.record(replace(CALL, run="another"))
    report = reported(journal, CALL, SWAPPED, FAILED, FREE)

    assert (report.calls, report.failures) == (4, 1)
    assert (report.input_tokens, report.output_tokens) == (22_345, 2_478)
    assert report.cost == report.known_cost == Decimal("0.1126984")
    assert report.cost_all_senior == Decimal("0.207575")
    assert report.saved == 1 - Decimal("0.1126984") / Decimal("0.207575")
    assert report.log == (CALL, SWAPPED, FAILED, FREE)


def test_each_role_tells_who_served_it(journal: Journal) -> None:
    report = reported(journal, CALL, FREE, FAILED, SWAPPED, AGAIN)
    architect, coder = report.roles

    assert (architect.role, architect.served_by) == ("architect", (("claude-opus", 1),))
    assert coder.served_by == (("deepseek", 2), ("gemini-flash", 1))
    assert (coder.calls, coder.failures) == (4, 1)
    assert (coder.input_tokens, coder.output_tokens) == (15_000, 2_700)
    assert coder.cost == Decimal("0.0002468")


def test_repeated_swaps_are_one_row_whenever_the_limit_opens(journal: Journal) -> None:
    report = reported(journal, CALL, SWAPPED, FAILED, FREE, AGAIN)

    assert report.swaps == (
        Swap(
            at=SWAPPED.at,
            role="coder",
            task="code",
            from_deployment="claude-opus",
            to_deployment="deepseek",
            reason="50 requests/minute (provider:anthropic)",
            count=2,
        ),
        Swap(
            at=FREE.at,
            role="coder",
            task="code",
            from_deployment="deepseek",
            to_deployment="gemini-flash",
            reason="Overloaded (503)",
        ),
    )


@pytest.mark.parametrize(
    "reason",
    [
        "mid goes by headroom; 98% left of 40 requests/day @ UTC (provider:three)",
        "free requests are saved for large calls; $0.1 expected, and one is worth $0.2",
        "too small",
    ],
)
def test_what_a_strategy_puts_first_is_no_swap(journal: Journal, reason: str) -> None:
    report = reported(journal, replace(SWAPPED, reason=reason))

    assert report.swaps == ()
    assert report.log[0].reason == reason


def test_cost_is_unknown_when_nobody_knows_what_a_failure_cost(
    journal: Journal,
) -> None:
    report = reported(journal, CALL, BROKEN)

    assert report.cost is None
    assert report.known_cost == CALL.cost_usd
    assert "Cost: unknown (what is known: $0.1126)" in summary_lines(report)


def test_cost_is_unknown_when_one_answer_has_no_price(journal: Journal) -> None:
    report = reported(journal, CALL, UNPRICED)

    assert report.cost is None
    assert report.known_cost == CALL.cost_usd
    assert report.cost_all_senior == Decimal("0.160075")
    assert report.saved is None
    assert [row.cost for row in report.roles] == [CALL.cost_usd, None]


def test_senior_cost_is_unknown_when_the_senior_tier_has_no_price(
    journal: Journal,
) -> None:
    report = reported(journal, CALL, replace(SWAPPED, senior_usd=None))

    assert report.cost == Decimal("0.1126984")
    assert report.cost_all_senior is None
    assert report.saved is None


def test_run_without_calls_costs_nothing(journal: Journal) -> None:
    report = reported(journal)

    assert (report.calls, report.cost, report.cost_all_senior) == (0, 0, 0)
    assert report.saved is None
    assert "Cost: $0.0000; all on the senior tier: $0.0000" in summary_lines(report)


def test_summary_reads_well(journal: Journal) -> None:
    report = reported(journal, CALL, SWAPPED, FAILED, FREE, AGAIN)

    assert summary_lines(report, width=100) == SUMMARY


def test_summary_says_what_is_unknown(journal: Journal) -> None:
    report = reported(journal, CALL, replace(UNPRICED, senior_usd=None))
    lines = summary_lines(report).splitlines()

    assert lines[-1] == (
        "Cost: unknown (what is known: $0.1126); all on the senior tier: unknown"
    )
    assert [line.split()[-1] for line in lines[2:5]] == [
        "$0.1126",
        "unknown",
        "unknown",
    ]


def test_summary_says_when_swaps_cost_more(journal: Journal) -> None:
    report = reported(journal, replace(CALL, cost_usd=Decimal("0.22515")))

    assert summary_lines(report).endswith("costs more by 100.0%")


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ("0", "$0.0000"),
        ("0.0000012345678", "$0.000001235"),
        ("0.00999", "$0.009990"),
        ("0.01", "$0.0100"),
        ("1234.5", "$1,234.5000"),
    ],
)
def test_small_money_keeps_four_digits(journal: Journal, cost: str, shown: str) -> None:
    report = reported(journal, replace(CALL, cost_usd=Decimal(cost)))

    assert f"Cost: {shown};" in summary_lines(report)


@pytest.mark.parametrize("width", [80, 100])
def test_long_names_stay_in_their_columns(journal: Journal, width: int) -> None:
    role = "senior_documentation_specialist_for_the_public_api"
    deployment = "meta-llama-3.1-405b-instruct-turbo-128k"
    call = replace(
        SWAPPED,
        role=role,
        deployment=deployment,
        input_tokens=123_456_789,
        reason=f"{'qwen-' * 9}coder: 1M input_tokens/minute (provider:openrouter)",
    )
    report = reported(journal, CALL, call)
    lines = summary_lines(report, width=width).splitlines()
    head = next(line for line in lines if "Served by" in line)
    start = head.index("Served by")
    table = lines[2 : next(i for i, line in enumerate(lines) if "total" in line)]

    assert max(map(len, lines)) <= width
    assert "".join(line[: start - 2].strip() for line in table) == f"architect{role}"
    assert all(line[start - 2 : start].strip() == "" for line in table)


def test_document_has_the_promised_shape(journal: Journal, tmp_path: Path) -> None:
    report = reported(journal, CALL, FAILED)
    journal.finish_task("r1", "design", "architect", "passed")
    document = run_document(
        report,
        RECORD,
        tasks=journal.tasks("r1"),
        results={"design": "Two classes."},
        result="Done.",
        workspace={"path": "output/r1/workspace"},
    )

    assert json.loads(json.dumps(document)) == {
        "run": "r1",
        "status": "done",
        "rehearsal": True,
        "request": None,
        "started_at": "1970-01-01T00:00:01+00:00",
        "finished_at": "1970-01-01T00:00:02+00:00",
        "seconds": None,
        "versions": {},
        "config_hash": None,
        "notices": [],
        "result": "Done.",
        "workspace": {"path": "output/r1/workspace"},
        "tasks": [
            {
                "name": "design",
                "agent": "architect",
                "status": "passed",
                "result": "Two classes.",
                "roles": {"architect": 1},
                "kind": None,
                "complexity": None,
                "complexity_reason": None,
                "gates": [],
                "kept": None,
            }
        ],
        "failures": [
            {
                "what": "call",
                "task": "code",
                "role": "coder",
                "deployment": "deepseek",
                "reason": "RateLimited",
                "count": 1,
            }
        ],
        "calls": [
            {
                "task": "design",
                "role": "architect",
                "part": None,
                "deployment": "claude-opus",
                "provider": "anthropic",
                "input_tokens": 12345,
                "output_tokens": 678,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "cost_usd": 0.112575,
                "seconds": 2.5,
                "outcome": "ok",
                "reason": "",
            },
            {
                "task": "code",
                "role": "coder",
                "part": None,
                "deployment": "deepseek",
                "provider": "openrouter",
                "input_tokens": 0,
                "output_tokens": 0,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "cost_usd": 0.0,
                "seconds": 2.5,
                "outcome": "RateLimited",
                "reason": f"{WHY}; opens 2026-11-23 20:45:09 UTC",
            },
        ],
        "cost_usd": 0.112575,
        "cost_all_senior_usd": 0.112575,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "cache_saved_usd": 0.0,
        "limits": [],
    }


def test_cached_tokens_and_what_they_saved_are_shown(journal: Journal) -> None:
    saved = Decimal("0.045")
    cached = replace(CALL, cached_tokens=10_000, cache_saved_usd=saved)

    report = reported(journal, cached, SWAPPED)

    assert (report.cached_tokens, report.cache_saved) == (10_000, saved)
    shown = summary_lines(report).splitlines()[-2]
    assert shown == "Cached: 10,000 of 17,345 input tokens; saved $0.0450"


def test_unknown_is_null_in_the_document(journal: Journal) -> None:
    report = reported(journal, UNPRICED, replace(CALL, senior_usd=None))
    journal.finish_task("r1", "design", "architect", "passed")
    document = run_document(
        report,
        RECORD,
        tasks=journal.tasks("r1"),
        results={},
        result=None,
        workspace=None,
    )
    written = json.loads(json.dumps(document))

    assert written["cost_usd"] is None
    assert written["cost_all_senior_usd"] is None
    assert written["calls"][0]["cost_usd"] is None
    assert written["calls"][1]["cost_usd"] == 0.112575
    assert written["tasks"][0]["result"] is None
    assert written["result"] is None
    assert written["workspace"] is None


@pytest.mark.parametrize(
    ("status", "extra"),
    [
        ("done", {}),
        ("failed", {"error": "it broke"}),
        (
            "closed",
            {
                "error": "it broke",
                "closed": [
                    {
                        "deployment": "claude-opus",
                        "limit": "50 requests/minute",
                        "opens_at": "2026-11-23T20:45:01+00:00",
                    },
                    {"deployment": "gpt-4", "limit": "no key", "opens_at": None},
                ],
            },
        ),
    ],
)
def test_document_tells_why_a_run_is_not_done(
    journal: Journal, status: str, extra: dict[str, object]
) -> None:
    closed = [
        Closed(
            deployment="claude-opus",
            limit="50 requests/minute",
            opens_at=1_795_466_700.2,
        ),
        Closed(deployment="gpt-4", limit="no key", opens_at=None),
    ]
    document = run_document(
        reported(journal),
        replace(RECORD, status=status),
        tasks=[],
        results={},
        result=None,
        workspace=None,
        error="it broke",
        closed=closed,
    )

    assert {key: document[key] for key in document if key in ("error", "closed")} == (
        extra
    )


def state(
    limit: str, used: int, reserved: int = 0, resets_at: float | None = None
) -> LimitState:
    return LimitState(
        limit=parse_limit(limit), used=used, reserved=reserved, resets_at=resets_at
    )


POOLS = [
    PoolState(
        name="provider:gemini",
        limits=(
            state("15 requests/minute", 3, 1, 1_795_466_739.2),
            state("1M input_tokens/minute", 120_500, 0, 1_795_466_739.2),
            state("200 requests/day @ America/Los_Angeles", 0),
        ),
    ),
    PoolState(
        name="provider:anthropic",
        limits=(
            state("100 usd/month @ UTC", 12_345_678_901, 5 * NANO, 1_796_083_200.0),
        ),
        cooldown_until=1_795_466_790.0,
        cooldown_reason="RateLimited (429)",
        throttle=0.5,
    ),
    PoolState(name="deployment:claude-opus"),
    PoolState(name="deployment:gpt-4", cooldown_until=1_795_470_360.0),
    PoolState(name="deployment:qwen", cooldown_until=1_795_466_699.0),
]


def test_status_document_has_the_promised_shape() -> None:
    document = json.loads(json.dumps(status_document(POOLS[:3])))
    gemini, anthropic, opus = document["pools"]

    assert gemini == {
        "name": "provider:gemini",
        "limits": [
            {
                "limit": "15 requests/minute",
                "used": 3,
                "reserved": 1,
                "left": 11,
                "learned": None,
                "resets_at": "2026-11-23T20:45:40+00:00",
            },
            {
                "limit": "1M input_tokens/minute",
                "used": 120_500,
                "reserved": 0,
                "left": 879_500,
                "learned": None,
                "resets_at": "2026-11-23T20:45:40+00:00",
            },
            {
                "limit": "200 requests/day @ America/Los_Angeles",
                "used": 0,
                "reserved": 0,
                "left": 200,
                "learned": None,
                "resets_at": None,
            },
        ],
        "cooldown_until": None,
        "cooldown_reason": None,
        "throttle": None,
        "waiting": 0,
    }
    assert anthropic["limits"][0]["used"] == 12.345678901
    assert anthropic["limits"][0]["reserved"] == 5.0
    assert anthropic["cooldown_until"] == "2026-11-23T20:46:30+00:00"
    assert anthropic["throttle"] == 0.5
    assert opus == {
        "name": "deployment:claude-opus",
        "limits": [],
        "cooldown_until": None,
        "cooldown_reason": None,
        "throttle": None,
        "waiting": 0,
    }
