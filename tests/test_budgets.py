"""Budgets: whom they concern, what they say, and what happens at their end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from building import deployment, provider, settings
from crew.alerts import Alert
from crew.cli.app import main
from crew.clock import ManualClock, SystemClock
from crew.guard import QuotaGuard
from crew.guard.budgets import Approval, BudgetReached
from crew.journal import Journal
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import NANO, Metric
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Price, Settings, Tier
from crew.settings.budgets import Budget
from crew.settings.loader import load_settings
from redis_server import fresh_url
from small_config import change, mistakes_of, write_files

ASK = Request(
    tier="senior", input_tokens=100_000, output_tokens=0, role="coder", run="r1"
)
TENTH = Price(input=Decimal(1), output=Decimal(1))
"""A call as above costs 0.1 usd."""
FREE = Price(input=Decimal(0), output=Decimal(0))


def made(tmp_path: Path, *budgets: Budget, **fields: object) -> Settings:
    """Three tiers: `dear` costs ten times `cheap`; `free` costs nothing."""
    chain = [
        deployment("dear", provider("one"), price=TENTH),
        deployment(
            "cheap",
            provider("two"),
            price=Price(input=Decimal("0.1"), output=Decimal("0.1")),
        ),
        deployment("free", provider("three"), price=FREE),
    ]
    tiers = {
        "senior": Tier(name="senior", chain=("dear",)),
        "mid": Tier(name="mid", chain=("cheap",)),
        "none": Tier(name="none", chain=("free",)),
    }
    plain = tuple(one.limit for one in budgets if not one.scope)
    values = {"tiers": tiers, "max_wait": 0.0, "budgets": plain, **fields}
    return replace(settings(chain, tmp_path), budget_rules=budgets, **values)


class Bench:
    """A guard on a clock of the test's own, and the alerts that it raised."""

    def __init__(self, made: Settings) -> None:
        self.clock = ManualClock()
        self.alerts: list[Alert] = []
        store = MemoryStore(self.clock)
        self.guard = QuotaGuard(made, store, self.clock)
        self.guard.alert = self.alerts.append

    def served(self, request: Request = ASK) -> str:
        lease = self.guard.begin(request).acquire()
        lease.settle(input_tokens=request.input_tokens, output_tokens=0)
        return lease.deployment.name

    @property
    def said(self) -> list[str]:
        return [alert.text for alert in self.alerts]


def budget(limit: str, **fields: object) -> Budget:
    return Budget(limit=parse_limit(limit), **fields)  # type: ignore[arg-type]


def test_a_warning_comes_once_in_each_window(tmp_path: Path) -> None:
    rule = budget("1 usd/day @ UTC", role="coder", warn=Decimal("0.8"))
    bench = Bench(made(tmp_path, rule))

    for _ in range(9):
        bench.served()
    first = list(bench.said)
    bench.clock.advance(86_400)
    for _ in range(8):
        bench.served()

    assert first == ["budget 1 usd/day @ UTC of role coder: 80% is used (0.8 usd)"]
    assert bench.said == first * 2
    assert bench.alerts[0].key != bench.alerts[1].key


def test_downgrade_goes_on_with_cheaper_tiers_until_the_window_resets(
    tmp_path: Path,
) -> None:
    rule = budget("0.25 usd/day @ UTC", then="downgrade")
    bench = Bench(made(tmp_path, rule))

    served = [bench.served() for _ in range(9)]
    bench.clock.advance(86_400)

    assert served == [*["dear"] * 2, *["cheap"] * 5, "free", "free"]
    assert bench.served() == "dear"
    assert len(bench.said) == 1
    assert bench.said[0].startswith(
        "budget 0.25 usd/day @ UTC is reached: cheaper deployments alone serve until 20"
    )


def test_downgrade_passes_over_what_is_not_cheaper(tmp_path: Path) -> None:
    rule = budget("0.25 usd/day @ UTC", provider="one", then="downgrade")
    base = made(tmp_path, rule)
    twin = replace(base.deployments["dear"], name="twin", provider=provider("four"))
    tiers = {**base.tiers, "senior": Tier(name="senior", chain=("dear", "twin"))}
    deployments = {**base.deployments, "twin": twin}
    bench = Bench(replace(base, tiers=tiers, deployments=deployments))

    assert [bench.served() for _ in range(3)] == ["dear", "dear", "cheap"]


def test_wait_waits_for_the_window_and_not_for_others(tmp_path: Path) -> None:
    rule = budget("0.1 usd/minute", then="wait")
    base = made(tmp_path, rule, max_wait=90.0)
    chain = ("dear", "free")
    bench = Bench(replace(base, tiers={"senior": Tier(name="senior", chain=chain)}))

    served = [bench.served(), bench.served()]

    assert served == ["dear", "dear"]
    assert 55 < sum(bench.clock.slept) < 65


@pytest.mark.parametrize("then", ["stop", "ask"])
def test_stop_and_ask_end_the_run_at_once_although_others_are_open(
    tmp_path: Path, then: str
) -> None:
    rule = budget("0.1 usd/minute", then=then)
    base = made(tmp_path, rule, max_wait=900.0)
    chain = ("dear", "free")
    bench = Bench(replace(base, tiers={"senior": Tier(name="senior", chain=chain)}))
    bench.served()

    with pytest.raises(BudgetReached) as caught:
        bench.served()

    assert caught.value.asks is (then == "ask")
    assert str(caught.value).startswith("the budget 0.1 usd/minute is reached, and")
    assert bench.clock.slept == []


@pytest.mark.parametrize("then", ["", "downgrade", "wait", "ask", "stop"])
def test_what_is_free_serves_whatever_a_spent_budget_says(
    tmp_path: Path, then: str
) -> None:
    bench = Bench(made(tmp_path, budget("0.1 usd/day", then=then)))
    bench.served()

    assert bench.served(replace(ASK, tier="none")) == "free"


def test_what_was_approved_raises_the_budget_of_the_run_and_no_other(
    tmp_path: Path,
) -> None:
    mine = budget("0.2 usd/run", then="ask")
    month = budget("0.35 usd/month @ UTC", then="ask")
    day = budget("9 usd/day", then="stop")
    bench = Bench(made(tmp_path, mine, month, day))

    def calls(run: str = "r1") -> int:
        count = 0
        with suppress(BudgetReached):
            while count < 99:
                bench.served(replace(ASK, run=run))
                count += 1
        return count

    before = calls()
    usd = Approval(metric=Metric.USD, amount=NANO * 2 // 10, at=bench.clock.now())
    bench.guard.budgets.approve([usd])
    after = calls()
    bench.guard.budgets.approve([])
    others = calls("r2")
    bench.clock.advance(40 * 86_400)
    bench.guard.budgets.approve([usd])  # of last month
    later = calls("r3")

    assert (before, after, others) == (2, 2, 0)
    assert later == 2


def test_a_budget_concerns_those_whom_it_names(tmp_path: Path) -> None:
    bench = Bench(
        made(
            tmp_path,
            budget("0.1 usd/day", role="each", then="stop"),
            budget("0.3 usd/day", tier="senior", then="stop"),
            budget("9 requests/day", team="another", then="stop"),
        )
    )

    served = [bench.served(replace(ASK, role=role)) for role in ("a", "b", "c")]
    with pytest.raises(BudgetReached, match=r"0\.1 usd/day of role each"):
        bench.served(replace(ASK, role="a"))
    with pytest.raises(BudgetReached, match=r"0\.3 usd/day of tier senior"):
        bench.served(replace(ASK, role="d"))

    assert served == ["dear"] * 3
    assert bench.served(replace(ASK, role="d", tier="mid")) == "cheap"


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'quota.db'}"
    else:
        yield fresh_url()


def test_eight_processes_exceed_a_budget_only_by_what_was_in_flight(
    tmp_path: Path, shared: str
) -> None:
    script = Path(__file__).with_name("spending.py")

    found = subprocess.run(
        [sys.executable, script, shared, "8"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    processes, calls = map(int, found.stdout.split())
    spent = calls * Decimal("0.2")
    assert processes == 8
    assert Decimal("4.9") < spent <= Decimal(5) + 8 * Decimal("0.1")


def test_the_yaml_has_budgets_as_texts_and_as_mappings(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    change(
        config,
        "tiers",
        "budgets: 2 usd/run",
        "budgets: [2 usd/run, {limit: 50 usd/month @ UTC, warn: 80 %}, "
        "{limit: 1M tokens/day, role: coder, then: downgrade}]",
    )

    found = load_settings(config, environ={})

    assert [str(one) for one in found.budgets] == ["2 usd/run", "50 usd/month @ UTC"]
    assert found.budget_rules == (
        budget("50 usd/month @ UTC", warn=Decimal("0.8")),
        budget("1M tokens/day", role="coder", then="downgrade"),
    )


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ("{limit: 1 usd/run, rol: x}", "budgets.rol", "unknown key"),
        ("[{limit: 1 usd/run, role: codr}]", "budgets[0].role", "unknown role 'codr'"),
        ("[{limit: 1 usd/run, then: beg}]", "budgets[0].then", "unknown action 'beg'"),
        ("[{limit: 1 usd/run, warn: 0 %}]", "budgets[0].warn", "found '0 %'; allowed"),
        ("[{warn: 80 %}]", "budgets[0].limit", "missing; it is required"),
        ("[1 usd/run, {limit: 1 usd/run}]", "budgets[1]", "1 usd/run is there twice"),
        ("[3 concurrent]", "budgets[0]", "a budget counts money, tokens or requests"),
        ("[3]", "budgets[0]", "found 3; allowed: AMOUNT METRIC/WINDOW"),
        ("3", "budgets", "found 3, expected a list"),
    ],
)
def test_a_mistake_in_a_budget_is_found_at_its_line(
    tmp_path: Path, written: str, key: str, message: str
) -> None:
    config = write_files(tmp_path / "config")
    change(config, "tiers", "budgets: 2 usd/run", f"budgets: {written}")

    (mistake,) = mistakes_of(config)

    assert (mistake.line, mistake.key) == (8, key)
    assert mistake.message.startswith(message)


def test_approve_notes_more_for_a_run_that_is_there(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = SystemClock()
    with Journal.open(tmp_path / ".crew" / "journal.db", clock) as journal:
        journal.start_run(
            "r1", rehearsal=False, user="u", team="t", output=tmp_path / "output"
        )

        codes = [
            main(["approve", run, "--more", more])
            for run, more in (("r1", "2usd"), ("r1", "2 concurrent"), ("r2", "1 usd"))
        ]
        journal.finish_run("r1", "done")
        codes.append(main(["approve", "r1", "--more", "1 usd"]))
        (noted,) = journal.approvals.of("r1")

    assert codes == [0, 2, 2, 2]
    assert (noted.metric, noted.amount) == ("usd", 2 * NANO)
    assert "go on with: crew run --resume r1" in capsys.readouterr().out
