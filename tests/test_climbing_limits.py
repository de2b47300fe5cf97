"""The ladder and the guard: what is closed is not climbed, and money is counted."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import DEAR, deployment, provider, role, settings, with_goal
from crew import kickoff
from crew.clock import SystemClock
from crew.errors import QuotaExceeded
from crew.guard import QuotaGuard
from crew.journal import AttemptRecord, Journal
from crew.quota.limit_syntax import parse_limit
from crew.settings import LadderSpec, Settings
from scripted import Scripted
from test_rates import attempt


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(**more: object) -> Settings:
        by = provider("one", base_url=server.url)
        return settings(
            [deployment("smith", by), deployment("boss", by, price=DEAR)],
            tmp_path,
            tiers={"senior": (["boss"], None), "mid": (["smith"], "senior")},
            roles=[role(kind="coding")],
            tasks=[with_goal()],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
            **more,
        )

    return make


def models(server: Scripted) -> list[str]:
    return [request["model"] for request in server.requests]


def rows(tmp_path: Path) -> list[AttemptRecord]:
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        return journal.attempts.of(journal.runs()[0].run)


@pytest.mark.parametrize("spent", [True, False])
def test_escalation_draws_on_the_budget(
    server: Scripted, made: Callable[..., Settings], spent: bool
) -> None:
    server.replies = {"smith": ["no"], "boss": ["# Goal\nall"]}
    config = made(budgets=(parse_limit("2 usd/day"),))
    if spent:
        guard = QuotaGuard.open(config)
        with guard.lease(tier="senior", input_tokens=1, output_tokens=1) as lease:
            lease.settle(input_tokens=400_000, output_tokens=0)
        guard.close()

    if spent:
        with pytest.raises(QuotaExceeded, match="2 usd/day"):
            kickoff(config=config, request="x")
        assert models(server) == ["smith", "smith"]
        return
    assert kickoff(config=config, request="x").raw == "# Goal\nall"
    assert models(server) == ["smith", "smith", "boss"]


def test_a_real_run_climbs_by_what_the_journal_measured(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    """Twelve failures of the cheap one: the premium goes first, and the record has
    the numbers."""
    server.replies = {"smith": ["no"], "boss": ["# Goal\nall"]}
    known = {"at": SystemClock().now(), "trust": "shape", "task_trust": "shape"}
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        journal.start_run("r", rehearsal=False, user="u", team="t", output=tmp_path)
        for task in range(12):
            row = attempt(task, deployment="smith", verdict="failed", **known)
            journal.attempts.add(replace(row, cost_usd=Decimal("0.1")))

    kickoff(config=made(), request="x")

    assert models(server) == ["boss"]
    (row,) = rows(tmp_path)
    assert (row.step, row.place, row.task_trust) == ("senior", 0, "shape")


def test_the_record_has_p_c_and_the_price_of_going_on(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    server.replies = {"smith": ["no"], "boss": ["# Goal\nall"]}
    known = {"at": SystemClock().now(), "trust": "shape", "task_trust": "shape"}
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        journal.start_run("r", rehearsal=False, user="u", team="t", output=tmp_path)
        for task in range(12):
            journal.attempts.add(attempt(task, deployment="smith", **known))

    kickoff(config=made(ladder=LadderSpec(retries=0)), request="x")

    first, last = rows(tmp_path)
    assert (first.p, first.c, first.rest) == (1, Decimal("0.01"), Decimal("0.2"))
    assert last.step == "senior"
    assert last.why == "senior is the next step"
