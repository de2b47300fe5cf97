"""What a run will take, whether it fits, and that a look at it starts nothing."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from configured import TASKS
from crew.cli.app import main
from crew.clock import ManualClock, SystemClock
from crew.forecast import Estimate, Spread, estimate, fit
from crew.guard import QuotaGuard
from crew.journal import CallRecord, Journal
from crew.journal.past import PastRun, Taken
from crew.quota.limit_syntax import parse_limit
from crew.quota.stores.memory import MemoryStore
from crew.settings import Price, Settings, TaskSpec

CALL = CallRecord(
    run="",
    task="code",
    role="coder",
    deployment="smith",
    provider="one",
    input_tokens=1_000,
    output_tokens=100,
    cost_usd=Decimal("0.01"),
    seconds=1.0,
    outcome="ok",
    reason="",
    at=0.0,
)


def past(number: int, **fields: object) -> PastRun:
    taken = Taken(calls=number, input_tokens=10 * number, usd=0.1 * number)
    return PastRun(
        run=f"r{number:02}",
        seconds=float(number),
        roles={"coder": replace(taken, **fields)},  # type: ignore[arg-type]
    )


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """A free tier of ten requests a day, and a dear one behind it."""
    dear = Price(input=Decimal(1), output=Decimal(1))
    chain = [
        deployment("gratis", provider("one", "10 requests/day @ UTC")),
        deployment("dear", provider("two"), price=dear),
    ]
    tiers = {"mid": (["gratis"], "senior"), "senior": (["dear"], None)}
    return settings(
        chain,
        tmp_path,
        tiers=tiers,
        roles=[role()],
        budgets=(parse_limit("1 usd/run"),),
    )


def opened(made: Settings) -> QuotaGuard:
    clock = ManualClock()
    return QuotaGuard(made, MemoryStore(clock), clock)


def test_an_estimate_has_the_median_and_the_90_percent(small: Settings) -> None:
    found = estimate(small, [], [past(n) for n in range(1, 11)], {})

    assert found.count == 10
    assert found.calls == Spread(median=5.5, high=9)
    assert found.seconds == Spread(median=5.5, high=9)
    assert found.roles["coder"].calls == 6
    assert found.roles_high["coder"].calls == 9


def test_an_unknown_price_makes_the_cost_unknown_and_not_zero(small: Settings) -> None:
    found = estimate(small, [], [past(1), past(2, usd=None)], {})

    assert found.usd is None
    assert found.calls is not None


def test_without_such_runs_tasks_of_the_same_kind_count(small: Settings) -> None:
    task = TaskSpec(name="code", description="", expected_output="", agent="coder")
    known = {(None, "medium"): [Taken(calls=2), Taken(calls=4), Taken(calls=9)]}

    found = estimate(small, [task, task], [], known)
    unknown = estimate(small, [task, replace(task, kind="vision")], [], known)

    assert (found.count, found.of_tasks) == (3, True)
    assert found.calls == Spread(median=8, high=18)
    assert unknown == Estimate()


def test_a_fit_says_who_serves_and_where_it_overflows(small: Settings) -> None:
    need = {"coder": Taken(calls=20, input_tokens=1_000_000)}

    (found,) = fit(opened(small), need).roles

    assert [(one.deployment, one.share) for one in found.served] == [
        ("gratis", 0.5),
        ("dear", 0.5),
    ]
    assert [one.tier for one in found.overflow] == ["senior"]
    assert found.missing == 0


def test_a_fit_counts_a_budget_of_the_run_and_what_others_took(small: Settings) -> None:
    guard = opened(small)
    with guard.lease(tier="mid", input_tokens=1, output_tokens=0) as lease:
        lease.settle(input_tokens=1, output_tokens=0)
    need = {"coder": Taken(calls=18, input_tokens=4_000_000)}

    found = fit(guard, need)

    (coder,) = found.roles
    assert [(one.deployment, one.share) for one in coder.served] == [
        ("gratis", 0.5),
        ("dear", 0.25),
    ]
    assert coder.missing == pytest.approx(0.25)
    assert coder.closed_by == "1 usd/run (budget:run)"
    assert not found.fits


def _journal(path: Path, *, runs: int, calls: int = 1) -> None:
    with Journal.open(path, SystemClock()) as journal:
        for number in range(runs):
            run = f"20260101-000000-{number:04}"
            journal.start_run(run, rehearsal=False, user="u", team="t", output=path)
            for name, agent in TASKS.items():
                journal.finish_task(run, name, agent, "passed")
            for _ in range(calls):
                journal.record(replace(CALL, run=run))
            journal.finish_run(run, "done")


def test_a_dry_run_without_a_past_says_so_and_makes_no_file(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--no-repo", "do it", "--dry-run"]) == 0

    assert capsys.readouterr().out == (
        "Nothing is known yet: no run of these tasks ended here "
        "(design, code, document).\n"
    )
    assert not (tmp_path / ".crew").exists()
    assert not (tmp_path / "output").exists()


def test_a_run_that_cannot_fit_needs_a_yes(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _journal(tmp_path / ".crew" / "journal.db", runs=3)
    tiers = config / "tiers.yaml"
    tiers.write_text(f"{tiers.read_text()}\nbudgets: 500 tokens/day\n")

    dry = main(["run", "--no-repo", "do it", "--dry-run", "--json"])
    document = json.loads(capsys.readouterr().out)
    code = main(["run", "--no-repo", "do it"])
    refused = capsys.readouterr().err

    assert (dry, code) == (0, 2)
    assert (document["count"], document["fits"]) == (3, False)
    assert document["calls"] == {"median": 1, "p90": 1}
    assert "coder: no room for" in refused or "no room for" in refused
    assert "--yes starts it all the same" in refused
    assert not (tmp_path / "output").exists()


def test_a_dry_run_is_quick_on_a_long_journal_and_loads_no_crewai(
    config: Path, tmp_path: Path
) -> None:
    path = tmp_path / ".crew" / "journal.db"
    _journal(path, runs=2)
    names = "run, task, role, deployment, provider, input_tokens, output_tokens, "
    names += "cost_usd, seconds, outcome, reason, at, estimated"
    with sqlite3.connect(path) as db:
        db.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
            f"i < 25000) INSERT INTO call ({names}) SELECT {names} FROM call, n"
            " WHERE call.id <= 2"
        )
    clock = SystemClock()
    with Journal.open(path, clock) as journal:
        began = clock.monotonic()
        runs = journal.past_runs(list(TASKS))
        seconds = clock.monotonic() - began

    assert sum(one.roles["coder"].calls for one in runs) == 50_002
    assert seconds < 1
    script = (
        "import sys; from crew.cli.app import main; "
        "code = main(['run', '--no-repo', 'do it', '--dry-run']); "
        "print(code, [m for m in ('crewai', 'litellm') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == "0 []"
    assert found.stdout.startswith("From 2 earlier runs of these tasks;")
