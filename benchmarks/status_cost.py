"""What `crew status` takes on a journal of a million calls, and what the sums that it
reads cost each call.

    uv run python benchmarks/status_cost.py [CALLS] [ROUNDS]

The journal has this many calls of the last 31 days, in 20,000 runs, at 6 deployments,
by 5 roles; 20,000 of them are of the last hour. The whole command is timed as a
process, with the default configuration and every key set, beside the same command on
an empty journal and beside `python -c pass`. A call is added to that journal as it is,
and without the sums. All rounds are interleaved, after one that is not counted.
"""

import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from tables import table

from crew.clock import SystemClock
from crew.journal import MIGRATIONS, CallRecord, Journal, journal_file

CALLS, ROUNDS = 1_000_000, 9
LAST_HOUR = 20_000
ADDED = 500
DEADLINE = 120.0
CREW = [sys.executable, "-c", "import sys; from crew.cli import main; sys.exit(main())"]
STATUS = [*CREW, "--config", str(Path(__file__).parents[1] / "config"), "status"]
PASS = [sys.executable, "-c", "pass"]
KEYS = ("ANTHROPIC", "OPENAI", "GEMINI", "OPENROUTER", "TOGETHER", "GROQ", "MISTRAL")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
Took = tuple[float, float]
"""Seconds on the clock, and of the processor."""
Step = Callable[[], Took]
BEFORE = next(at for at, one in enumerate(MIGRATIONS) if "call_is_spent" in one)
NAMES = ("claude-opus", "claude-sonnet", "gpt-4", "deepseek", "gemini-flash", "qwq")
WHEN = " ".join(f"WHEN {at} THEN '{name}'" for at, name in enumerate(NAMES))
RUN = "INSERT INTO run VALUES (?, 'done', 0, 'ada', 'core', ?, ?, 'output')"
CALL = f"""
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO call (run, task, role, deployment, provider, input_tokens, output_tokens,
    cost_usd, seconds, outcome, reason, at, estimated, senior_usd)
SELECT 'run-' || (i / 50), 'code', 'role-' || (i % 5),
    CASE i % {len(NAMES)} {WHEN} END,
    'provider-' || (i % {len(NAMES)}), 3000, 400,
    CASE WHEN i % 2 THEN '0.0123' ELSE '0' END, 2.0, 'ok', '',
    CASE WHEN i >= ?1 - {LAST_HOUR} THEN ?2 - 3600.0 * (?1 - i) / {LAST_HOUR}
        ELSE ?2 - 2678400.0 * (?1 - i) / ?1 END, 0, '0.03'
FROM n
"""


def fill(path: Path, calls: int, now: float) -> float:
    """Write a journal of the format without sums; returns how many seconds it takes to
    open it first."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("".join(MIGRATIONS[:BEFORE]))
        db.execute(f"PRAGMA user_version = {BEFORE}")
        runs = range(calls // 50 + 1)
        db.executemany(RUN, ((f"run-{number}", now, now) for number in runs))
        if calls:
            db.execute(CALL, (calls, now))
        db.commit()
    began = time.perf_counter()
    Journal.open(path, SystemClock()).close()
    return time.perf_counter() - began


def processor() -> float:
    """Seconds of the processor that the children took until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds_of(command: list[str], directory: Path) -> Took:
    """How long a process takes, from its start to its end, and of the processor."""
    environ: Mapping[str, str] = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **{f"{name}_API_KEY": "sk-none" for name in KEYS},
        "CREW_STATE_DIR": str(directory),
    }
    before, began = processor(), time.perf_counter()
    subprocess.run(
        command,
        cwd=directory,
        env=environ,
        stdout=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=True,
    )
    return time.perf_counter() - began, processor() - before


def add(journal: Journal, now: float) -> Took:
    """Seconds for one call of many that are added, and of the processor."""
    call = CallRecord(
        run="run-0",
        task="code",
        role="coder",
        deployment="deepseek",
        provider="openrouter",
        input_tokens=3_000,
        output_tokens=400,
        cost_usd=Decimal("0.0123"),
        seconds=2.0,
        outcome="ok",
        reason="",
        at=now,
        senior_usd=Decimal("0.03"),
    )
    before, began = time.process_time(), time.perf_counter()
    for _ in range(ADDED):
        journal.record(call)
    took, worked = time.perf_counter() - began, time.process_time() - before
    return took / ADDED, worked / ADDED


def adding(path: Path, now: float) -> tuple[Step, Step]:
    """Rounds of adding calls: as the journal is, and without its sums."""
    db = sqlite3.connect(path, isolation_level=None)
    (trigger,) = db.execute(
        "SELECT sql FROM sqlite_schema WHERE name = 'call_is_spent'"
    ).fetchone()
    journal = Journal.open(path, SystemClock())

    def without() -> Took:
        db.execute("DROP TRIGGER call_is_spent")
        try:
            return add(journal, now)
        finally:
            db.execute(trigger)

    return lambda: add(journal, now), without


def measure(calls: int, rounds: int) -> tuple[float, dict[str, list[Took]]]:
    """Seconds of the first opening, and of each step, round by round."""
    now = time.time()
    with tempfile.TemporaryDirectory() as name:
        full, empty = Path(name) / "full", Path(name) / "empty"
        opened = fill(journal_file(full), calls, now)
        fill(journal_file(empty), 0, now)
        with_sums, without = adding(journal_file(full), now)
        steps: dict[str, Step] = {
            "pass": lambda: seconds_of(PASS, empty),
            "empty": lambda: seconds_of(STATUS, empty),
            "full": lambda: seconds_of(STATUS, full),
            "with sums": with_sums,
            "without": without,
        }
        taken: dict[str, list[Took]] = {step: [] for step in steps}
        for number in range(rounds + 1):
            for step, run in steps.items():
                seconds = run()
                if number:
                    taken[step].append(seconds)
    return opened, taken


def main() -> None:
    """Measure and print."""
    given = [int(one) for one in sys.argv[1:]]
    calls, rounds = [*given, *(CALLS, ROUNDS)[len(given) :]]
    opened, taken = measure(calls, rounds)
    names = {
        "pass": "python -c pass",
        "empty": "crew status, empty journal",
        "full": f"crew status, {calls:,} calls",
        "without": "adding a call, without sums",
        "with sums": "adding a call",
    }
    rows = [
        (name, *(f"{1_000 * one:.2f} ms" for one in _spread(taken[step])))
        for step, name in names.items()
    ]
    table(("", "median", "least", "most", "of the processor"), rows)
    print(f"\nopening it first, which makes the sums: {opened:.1f} s")


def _spread(taken: list[Took]) -> tuple[float, ...]:
    walls, processors = zip(*taken, strict=True)
    median = statistics.median
    return median(walls), min(walls), max(walls), median(processors)


if __name__ == "__main__":
    main()
