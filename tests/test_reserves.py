"""What is kept for hard work: of which limits, and in every process."""

import os
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from building import DEAR, deployment, provider, settings
from crew.clock import ManualClock
from crew.errors import QuotaExceeded
from crew.guard import QuotaGuard
from crew.guard.budgets import Approval
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import NANO, Metric
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Tier
from crew.settings.budgets import Budget
from crew.settings.strategies import Reserve
from forked import PIPE, Forks

KEPT = Reserve(share=Decimal("0.3"), complexity="high")
ASK = Request(tier="mid", input_tokens=1000, output_tokens=200, role="coder")

_CALLS = """
import sys
from crew import QuotaGuard, load_tiers
from crew.errors import QuotaExceeded
config, complexity, calls = sys.argv[1:]
guard, served = QuotaGuard.open(load_tiers(config)), 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(calls)):
    try:
        with guard.lease(
            tier="mid", input_tokens=9, output_tokens=9, complexity=complexity
        ):
            served += 1
    except QuotaExceeded:
        pass
print(served)
"""


_PROVIDERS = """\
providers:
  router:
    base_url: http://127.0.0.1:9
    classes: {free: [50 requests/day]}
deployments:
  one: {provider: router, model: openai/one, class: free, price: {input: 0, output: 0}}
  two: {provider: router, model: openai/two, class: free, price: {input: 0, output: 0}}
"""
_TIERS = "tiers: {mid: {chain: [one, two], reserve: 30 % for high}}\nmax_wait: 1s\n"


def at_once(forks: Forks, environ: dict[str, str], *calls: Sequence[str]) -> int:
    """How many calls of these processes are served, together."""
    started = [forks.start(*one, code=_CALLS, env=environ, stdin=PIPE) for one in calls]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(int(process.communicate()[0]) for process in started)


def test_processes_keep_a_share_of_a_free_class_for_hard_work(
    tmp_path: Path, forks: Forks
) -> None:
    (tmp_path / "providers.yaml").write_text(_PROVIDERS)
    (tmp_path / "tiers.yaml").write_text(_TIERS)
    environ = {**os.environ, "CREW_STORE": f"sqlite:///{tmp_path}/quota.db"}
    where = str(tmp_path)

    first = at_once(forks, environ, (where, "high", "5"))
    low = at_once(forks, environ, *[(where, "low", "15")] * 4)
    high = at_once(forks, environ, *[(where, "high", "10")] * 2)

    assert (first, low, high) == (5, 35, 10)


def guarded(tmp_path: Path, *, limits: str = "", **fields: object) -> QuotaGuard:
    by = provider("router", classes={"free": (parse_limit("10 requests/day @ UTC"),)})
    chain = [
        deployment("one", by, klass="free", price=DEAR),
        deployment("own", provider("own", "10 requests/minute"), price=DEAR),
        deployment("other", by, klass="free", price=DEAR),
    ]
    tiers = {
        "mid": Tier(
            name="mid",
            chain=("one",),
            reserve=KEPT,
            limits=tuple(map(parse_limit, limits.split(", "))) if limits else (),
        ),
        "long": Tier(name="long", chain=("own",), reserve=KEPT),
        "rest": Tier(name="rest", chain=("one", "other")),
    }
    made = replace(settings(chain, tmp_path), tiers=tiers, max_wait=0.0, **fields)
    clock = ManualClock()
    return QuotaGuard(made, MemoryStore(clock), clock)


def served(guard: QuotaGuard, calls: int, **fields: object) -> tuple[int, str]:
    """How many of the calls are served, and what closes the first that is not."""
    for number in range(calls):
        try:
            guard.begin(replace(ASK, **fields)).acquire().keep()
        except QuotaExceeded as closed:
            return number, closed.closed[0].limit
    return calls, ""


def test_the_limits_behind_the_deployments_are_kept_too(tmp_path: Path) -> None:
    guard = guarded(tmp_path)

    assert served(guard, 20, complexity="medium") == (
        7,
        "7 requests/day @ UTC (class:router/free less 30 % for high)",
    )
    assert served(guard, 20, complexity="high") == (
        3,
        "10 requests/day @ UTC (class:router/free)",
    )


def test_work_that_comes_by_another_tier_leaves_the_share_as_well(
    tmp_path: Path,
) -> None:
    guard = guarded(tmp_path)

    # What only a tier without a reserve has may take it all.
    assert served(guard, 7, tier="rest", complexity="low") == (7, "")
    assert guard.begin(replace(ASK, tier="rest")).acquire().deployment.name == "other"
    assert served(guard, 9, complexity="high")[0] == 2


def test_limits_of_less_than_a_day_are_for_all_work(tmp_path: Path) -> None:
    assert served(guarded(tmp_path), 20, tier="long") == (
        10,
        "10 requests/minute (provider:own)",
    )


def test_a_budget_of_the_tier_is_kept_too_and_more_is_shared_alike(
    tmp_path: Path,
) -> None:
    # A call takes a cent.
    limit = parse_limit("0.05 usd/day @ UTC")
    budget = Budget(limit=limit, tier="mid", then="ask")
    guard = guarded(tmp_path, budget_rules=(budget,))

    count, closed = served(guard, 9, complexity="low")
    assert (count, closed) == (
        3,
        "0.035 usd/day @ UTC (budget:tier:mid less 30 % for high)",
    )
    more = Approval(metric=Metric.USD, amount=NANO // 20, at=guard.store.now())
    guard.budgets.approve([more])
    assert served(guard, 9, complexity="low")[0] == 4
    assert served(guard, 9, complexity="high")[0] == 3


def test_status_shows_what_is_left_for_other_work(tmp_path: Path) -> None:
    guard = guarded(tmp_path)
    served(guard, 2, complexity="low")

    found = {one.name: one for one in guard.status()}

    (kept,) = found["class:router/free less 30 % for high"].limits
    assert (kept.used + kept.reserved, kept.left) == (2, 5)
