"""What choosing a deployment costs, strategy by strategy.

    uv run python benchmarks/decision_cost.py [--rows 100000] [--decisions 300]

One tier of 50 deployments at 10 providers with daily and minute limits, a journal with
so many calls and as many attempts, and `QuotaGuard.begin`, which finds the candidates
and puts them in order. Before each decision the journal gets one call more, and before
each fifth one attempt, as in a run. Processor time; the first decision of a run reads
the journal, and stands apart. The strategies take turns, so that other work on the
machine meets all; the first decision of a turn reads what the others' turns wrote, and
does not count.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import median

from tables import table

from crew.clock import Clock, SystemClock
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.quota.limit_syntax import parse_limit
from crew.quota.stores import open_store
from crew.routing import Request
from crew.settings import Deployment, Price, Provider, Settings, Tier
from crew.settings.strategies import STRATEGIES

DEPLOYMENTS, PROVIDERS, ROUND = 50, 10, 20
CALLS_OF_AN_ATTEMPT = 5
TARGET_MS = 1.0
REQUEST = Request(
    tier="mid",
    input_tokens=1_500,
    output_tokens=300,
    role="coder",
    task="solve",
    run="r",
    kind="coding",
    complexity="low",
    trust="tests",
    characters=6_000,
)
CALL = (
    "run", "task", "role", "deployment", "provider", "input_tokens", "output_tokens",
    "cost_usd", "seconds", "outcome", "reason", "at", "estimated",
)  # fmt: skip
ATTEMPT = (
    "run", "task", "number", "at", "kind", "complexity", "step", "place", "deployment",
    "prompt", "gate", "trust", "task_trust", "verdict", "reason_hash", "fed_back",
    "why", "cost_usd", "premium_usd", "seconds", "calls", "input_tokens",
    "output_tokens", "cached_tokens", "is_free", "cut_off",
)  # fmt: skip
Row = tuple[object, ...]


def configured(strategy: str, home: Path, store: str) -> Settings:
    """One tier of 50 deployments, a fifth of them free."""
    providers = {}
    for at in range(PROVIDERS):
        name = f"p{at}"
        limits = ("60 requests/minute", "5000 requests/day @ UTC", "2M tokens/minute")
        providers[name] = Provider(
            name=name,
            api_key="sk-none",
            limits=tuple(parse_limit(limit) for limit in limits),
        )
    deployments = {}
    for at in range(DEPLOYMENTS):
        price = Decimal(at % 5)
        deployments[f"d{at}"] = Deployment(
            name=f"d{at}",
            provider=providers[f"p{at % PROVIDERS}"],
            model=f"openai/d{at}",
            price=Price(input=price, output=5 * price, cached_input=price / 10),
            limits=(parse_limit(f"{1000 + 10 * at} requests/day"),),
        )
    chain = tuple(deployments)
    return Settings(
        config_dir=home,
        state_dir=home,
        store_url=store,
        user="ada",
        team="core",
        providers=providers,
        deployments=deployments,
        tiers={
            "mid": Tier(name="mid", chain=chain, strategy=strategy),
            "senior": Tier(name="senior", chain=chain[-1:]),
        },
        routing={},
        roles={},
        tasks={},
    )


class Filling:
    """Writes calls and attempts into a journal, by SQL: 100,000 in seconds."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._clock = clock
        self._chance = random.Random(7)
        self._made = 0

    def add(self, rows: int, *, every: int = 1) -> None:
        """So many calls, all of now, and an attempt with every so many of them."""
        numbers = range(self._made, self._made + rows)
        self._made += rows
        now = self._clock.now()
        attempts = [self._attempt(at, now) for at in numbers if at % every == 0]
        self._db.execute("BEGIN")
        self._write("call", CALL, [self._call(at, now) for at in numbers])
        self._write("attempt", ATTEMPT, attempts)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def _write(self, name: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" * len(columns))
        head = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"
        self._db.executemany(head, rows)

    def _call(self, at: int, now: float) -> Row:
        chance, which = self._chance, at % DEPLOYMENTS
        seconds, outcome = 1 + chance.expovariate(0.5), "ok"
        if chance.random() < 0.02:
            outcome = "TimedOut"
        return (
            "r", f"t{at}", "coder", f"d{which}", f"p{which % PROVIDERS}",
            chance.choice((900, 3_000, 20_000)), 200, "0.001", seconds, outcome, "",
            now, 0,
        )  # fmt: skip

    def _attempt(self, at: int, now: float) -> Row:
        verdict = "passed" if self._chance.random() < 0.6 else "failed"
        return (
            "r", f"t{at}", 1, now, "coding", "low", "mid", 0, f"d{at % DEPLOYMENTS}",
            "", "check: test", "tests", "tests", verdict, "", 0, "", "0.002", "0.1",
            3.0, 2, 4_000, 300, 0, 0, 0,
        )  # fmt: skip


def decide(guard: QuotaGuard, request: Request) -> float:
    """The milliseconds of processor time of one decision."""
    began = time.process_time()
    guard.begin(request)
    return 1_000 * (time.process_time() - began)


def measured(
    home: Path, journal: Journal, filling: Filling, decisions: int, store: str
) -> Iterator[list[str]]:
    """A row for each strategy."""
    clock = SystemClock()
    guards = {}
    for strategy in STRATEGIES:
        url = "memory:" if store == "memory" else f"sqlite:///{home}/{strategy}.db"
        settings = configured(strategy, home, url)
        opened = open_store(url, clock, print)
        guards[strategy] = QuotaGuard(settings, opened, clock, record=journal)
    first = {name: decide(guard, REQUEST) for name, guard in guards.items()}
    took: dict[str, list[float]] = {name: [] for name in guards}
    for number in range(decisions // ROUND):
        for name, guard in guards.items():
            guard.begin(REQUEST)
            for _ in range(ROUND):
                filling.add(1, every=CALLS_OF_AN_ATTEMPT)
                request = replace(REQUEST, task=f"solve{number}")
                took[name].append(decide(guard, request))
                # A lease that runs, so that there are counts to read.
                guard.begin(request).acquire().settle(
                    input_tokens=1_500, output_tokens=200
                )
    for name, guard in guards.items():
        guard.close()
        ordered = sorted(took[name])
        high = ordered[len(ordered) * 95 // 100]
        verdict = "met" if median(ordered) < TARGET_MS else "missed"
        yield [
            name,
            store,
            f"{first[name]:.1f} ms",
            f"{median(ordered):.2f} ms",
            f"{high:.2f} ms",
            verdict,
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=300)
    given = parser.parse_args()
    clock, rows = SystemClock(), []
    with tempfile.TemporaryDirectory() as name:
        home, path = Path(name), Path(name) / "journal.db"
        with Journal.open(path, clock) as journal:
            journal.start_run("r", rehearsal=False, user="", team="", output=home)
            filling = Filling(path, clock)
            filling.add(given.rows)
            for store in ("memory", "sqlite"):
                rows += measured(home, journal, filling, given.decisions, store)
            filling.close()
    print(f"{DEPLOYMENTS} deployments, {given.rows:,} calls and attempts; target: 1 ms")
    heads = ("strategy", "store", "first", "each further, median", "95 %", "target")
    table(heads, rows)


if __name__ == "__main__":
    main()
