"""Processes that spend one budget together: `python spending.py STORE PROCESSES`.

A script of its own, so that what they share is imported once, and little of it.
"""

import os
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from building import deployment, provider, settings
from crew.clock import SystemClock
from crew.errors import QuotaExceeded
from crew.guard import QuotaGuard
from crew.quota.limit_syntax import parse_limit
from crew.quota.stores import open_store
from crew.quota.stores.redis import RedisStore  # noqa: F401  imported before the fork
from crew.routing import Request
from crew.settings import Price, Settings
from crew.settings.budgets import Budget

CALL = Request(tier="mid", input_tokens=100_000, output_tokens=0, role="coder")
"""It is expected to cost 0.1 usd, and costs twice as much."""
TENTH = Price(input=Decimal(1), output=Decimal(1))
BUDGET = Budget(limit=parse_limit("5 usd/day"), role="coder", then="stop")


def spend(made: Settings, at: str) -> int:
    """Call until the budget is reached; returns how many calls that were."""
    clock, calls = SystemClock(), 0
    guard = QuotaGuard(made, open_store(at, clock), clock)
    with suppress(QuotaExceeded):
        while True:
            lease = guard.begin(CALL).acquire()
            lease.settle(input_tokens=200_000, output_tokens=0)
            calls += 1
    return calls


def main(at: str, processes: int) -> None:
    """Print the calls of all processes together."""
    chain = [deployment("dear", provider("one"), price=TENTH)]
    made = settings(chain, Path.cwd(), budget_rules=(BUDGET,), max_wait=0.0)
    reading, writing = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.write(writing, f"{spend(made, at)}\n".encode())
            os._exit(0)
    for _ in range(processes):
        os.wait()
    os.close(writing)
    with os.fdopen(reading) as lines:
        counts = [int(line) for line in lines]
    sys.stdout.write(f"{len(counts)} {sum(counts)}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
