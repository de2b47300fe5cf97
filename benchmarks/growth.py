"""Whether the stores and the journal stay as quick and as small as they begin.

    uv run --group bench python benchmarks/growth.py

After 1, 10 and 100 thousand calls the next 500 are timed in turn with calls on a young
store of the same kind, so that a busy moment hits both. The clock moves 0.6 seconds
with each call: minutes, hours and midnights pass as in 17 hours of real use. One call
in 200 is never settled, as if its process had died. With `runs`, each run of 100 calls
has a budget of its own. A median is of 500 calls, on one machine; a ratio near 1 means
that the cost stays flat.
"""

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import redis
from guard_cost import ACTUAL, ESTIMATE, FIVE, pools, redis_server, timed

from crew.clock import ManualClock
from crew.journal import CallRecord, Journal
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Refusal
from crew.quota.stores import open_store

SIZES = (1_000, 10_000, 100_000)
NEXT = 500
YOUNG = 200
CALLS_OF_A_RUN = 100
NEVER_SETTLED = 200
PACE = 0.6
START = 1_700_000_000.0

Step = Callable[[], None]
Size = Callable[[], str]


def calls_on(url: str, *, runs: bool) -> Step:
    """A step that makes one call, and moves the clock."""
    clock = ManualClock(START)
    store, shared, numbers = open_store(url, clock), pools(FIVE), itertools.count()
    allowance = (parse_limit("1M usd/run"),)

    def step() -> None:
        number = next(numbers)
        drawn = shared
        if runs:
            run = f"budget:run-{number // CALLS_OF_A_RUN}"
            drawn = [*shared, Pool(name=run, limits=allowance)]
        got = store.reserve(drawn, ESTIMATE, lease_seconds=120)
        assert not isinstance(got, Refusal)
        clock.advance(PACE)
        if number % NEVER_SETTLED:
            store.settle(got, ACTUAL)

    return step


def records_in(path: Path) -> Step:
    """A step that records one call in a journal."""
    journal, numbers = Journal.open(path, ManualClock(START)), itertools.count()

    def step() -> None:
        number = next(numbers)
        journal.record(
            CallRecord(
                run=f"20261124-120000-{number // CALLS_OF_A_RUN:04x}",
                task="code",
                role="coder",
                deployment="claude-opus",
                provider="anthropic",
                input_tokens=1_204,
                output_tokens=388,
                cost_usd=Decimal("0.01572"),
                seconds=4.2,
                outcome="ok",
                reason="",
                at=START + number * PACE,
                characters=4_730,
            )
        )

    return step


def on_disk(path: Path) -> str:
    """How large a database is, with what belongs to it."""
    files = (path, path.with_name(path.name + "-wal"))
    return " + ".join(f"{one.stat().st_size / 1024:,.0f} KB" for one in files)


def in_redis(client: redis.Redis, prefix: str) -> str:
    keys = list(client.scan_iter(f"{{{prefix}}}:*", count=1_000))
    size = sum(client.memory_usage(key, samples=0) or 0 for key in keys)
    return f"{len(keys):,} keys, {size / 1024:,.0f} KB"


def grow(name: str, grown: Step, young: Callable[[str], Step], size: Size) -> None:
    """Let a store grow, and print how it stands at each size."""
    made = 0
    for calls in SIZES:
        timed(grown, calls - made)
        fresh = young(f"young-{calls}")
        timed(fresh, YOUNG)
        pairs = [(*timed(grown, 1), *timed(fresh, 1)) for _ in range(NEXT)]
        made = calls + NEXT
        old, new = (statistics.median(each) for each in zip(*pairs, strict=True))
        print(f"{name:<14} {calls:>9,} {old * 1e6:8,.0f} {old / new:9.2f}  {size()}")


def stores(directory: Path, address: str) -> None:
    for runs in (False, True):
        suffix = ", runs" if runs else ""

        def on_file(name: str, runs: bool = runs) -> Step:
            return calls_on(f"sqlite:///{directory}/{name}-{runs}.db", runs=runs)

        def on_redis(name: str, runs: bool = runs) -> Step:
            return calls_on(f"{address}?prefix={name}-{runs}", runs=runs)

        path, prefix = directory / f"grown-{runs}.db", f"grown-{runs}"
        client = redis.Redis.from_url(address)
        grow(f"SQLite{suffix}", on_file("grown"), on_file, lambda p=path: on_disk(p))
        grow(
            f"Redis{suffix}",
            on_redis("grown"),
            on_redis,
            lambda c=client, p=prefix: in_redis(c, p),
        )


def journal(directory: Path) -> None:
    def records(name: str) -> Step:
        return records_in(directory / f"{name}-journal.db")

    path = directory / "grown-journal.db"
    grow("journal", records("grown"), records, lambda: on_disk(path))


@contextmanager
def places() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as address:
        yield Path(name), address


def main() -> None:
    """Grow each store and the journal, and print what that does."""
    print(f"{'':<14} {'calls':>9} {'us':>8} {'/ young':>9}  size")
    with places() as (directory, address):
        stores(directory, address)
        journal(directory)


if __name__ == "__main__":
    main()
