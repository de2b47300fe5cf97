"""How large the pages of `crew report` are, how long they take to make and to open.

    uv run python benchmarks/pages.py [--calls 100000]

The page of a run of 500 calls by five roles at six deployments, with 1,200 events, and
the page of a month of 100,000 calls. Making one is a whole process; opening one is a
cold page in Chromium, up to `load` and to the first text on the screen, beside an empty
page. Medians of five, in turns.
"""

import argparse
import json
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright
from status_cost import CREW, NAMES, seconds_of
from tables import table

from crew.clock import SystemClock
from crew.journal import CallRecord, Journal
from crew.progress.events import GateJudged, Swapped, ToolUsed, Waiting
from crew.progress.log import EventLog
from crew.progress.progress import moment

ROUNDS, OF_A_RUN, TASKS = 5, 500, 12
MONTH = 30 * 86_400.0
ROLES = ("manager", "architect", "coder", "tester", "documenter")
REASON = "claude-opus: 50 requests/minute (provider:anthropic); opens 2026-11-23 20:45"
OPENED = """() => {
    const [way] = performance.getEntriesByType('navigation');
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return [way.loadEventEnd, paint ? paint.startTime : 0];
}"""
CALL = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO call (run, task, role, deployment, provider, input_tokens, output_tokens,
    cost_usd, seconds, outcome, reason, at, estimated, senior_usd)
SELECT 'run-' || (i / 50), 'code', 'role-' || (i % 5), 'd' || (i % 20),
    'provider-' || (i % 7), 3000, 400, CASE WHEN i % 2 THEN '0.0123' ELSE '0' END,
    abs(random() % 20000) / 1000.0,
    CASE WHEN i % 25 THEN 'ok' ELSE 'Overloaded' END, '', ?2 - ?3 * (?1 - i) / ?1, 0,
    '0.03'
FROM n
"""
ATTEMPT = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO attempt (run, task, number, at, kind, complexity, step, place, deployment,
    prompt, gate, trust, task_trust, verdict, reason_hash, fed_back, why, cost_usd,
    premium_usd, seconds, calls, input_tokens, output_tokens, cached_tokens, is_free,
    cut_off)
SELECT 'run-' || (i / 3), 'task-' || (i % 3), 1, ?2 - ?3 * (?1 - i) / ?1,
    CASE WHEN i % 3 THEN 'coding' ELSE 'documentation' END, 'medium', 'mid', 0,
    'd' || (i % 20), '', 'checks', 'tests', 'tests',
    CASE WHEN i % 4 THEN 'passed' ELSE 'failed' END, '', 0, '', '0.01', '0.05', 20.0,
    17, 50000, 7000, 0, 1, 0
FROM n
"""


def one_run(home: Path, now: float) -> None:
    """A run of 500 calls with its record and its events."""
    drawn = random.Random(7)
    directory = home / "output" / "r1"
    directory.mkdir(parents=True)
    log = EventLog(directory / "events.jsonl")
    with Journal.open(home / "journal.db", SystemClock()) as journal:
        journal.start_run("r1", rehearsal=False, user="u", team="t", output=directory)
        for number in range(OF_A_RUN):
            for event in _told(number, now):
                log(event)
            journal.record(_call(drawn, number, now))
        for name in range(TASKS):
            journal.finish_task("r1", f"task-{name}", "coder", "proved")
        journal.finish_run("r1", "done")
    (directory / "run.json").write_text(json.dumps(_document()))


def _told(
    number: int, now: float
) -> Iterator[ToolUsed | Swapped | GateJudged | Waiting]:
    who: dict[str, Any] = {
        "task": f"task-{number % TASKS}",
        "role": ROLES[number % 5],
        "deployment": NAMES[number % 6],
        "at": moment(now - OF_A_RUN + number),
    }
    yield ToolUsed(
        **who, tool="read_file", target=f"src/a{number}.py", seconds=0.1, ok=True
    )
    yield GateJudged(**who, gate="checks", verdict="passed")
    if number % 5 == 0:
        yield Swapped(**who, reason=REASON)
    if number % 5 == 1:
        yield Waiting(
            **who, until=moment(now), seconds=9.0, at_most=False, reason=REASON
        )


def _call(drawn: random.Random, number: int, now: float) -> CallRecord:
    ok = drawn.random() > 0.05
    found = CallRecord(
        run="r1",
        task=f"task-{number % TASKS}",
        role=ROLES[number % 5],
        deployment=NAMES[drawn.randrange(6)],
        provider="openrouter",
        input_tokens=drawn.randrange(20_000),
        output_tokens=drawn.randrange(2_000),
        cost_usd=Decimal(drawn.randrange(100_000)) / 10**6,
        seconds=drawn.random() * 20,
        outcome="ok",
        reason=REASON if number % 3 == 0 else "",
        at=now - OF_A_RUN + number,
        senior_usd=Decimal("0.05"),
    )
    return found if ok else replace(found, outcome="Overloaded", detail="no room " * 9)


def _document() -> dict[str, object]:
    return {
        "run": "r1",
        "status": "done",
        "rehearsal": False,
        "request": "Add pagination to the orders API",
        "seconds": 500.0,
        "result": None,
        "workspace": {"path": "output/r1/workspace", "repositories": []},
        "tasks": [
            {
                "name": f"task-{name}",
                "agent": "coder",
                "status": "proved",
                "result": None,
                "roles": {"coder": 40},
                "gates": [],
            }
            for name in range(TASKS)
        ],
        "failures": [],
        "notices": [],
        "calls": [],
    }


def one_month(home: Path, calls: int, now: float) -> None:
    """Calls of a month, fifty a run, and three attempts a run."""
    home.mkdir()
    with Journal.open(home / "journal.db", SystemClock()):
        pass
    runs = calls // 50
    with closing(sqlite3.connect(home / "journal.db")) as db:
        db.executemany(
            "INSERT INTO run (run, status, rehearsal, user, team, started_at, "
            "finished_at, output) VALUES (?, 'done', 0, 'u', 't', ?, ?, 'output')",
            (
                (f"run-{one}", at := now - MONTH * (runs - one) / runs, at)
                for one in range(runs)
            ),
        )
        db.execute(CALL, (calls, now, MONTH))
        db.execute(ATTEMPT, (3 * runs, now, MONTH))
        db.commit()


def opening(pages: dict[str, Path]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds up to `load`, and up to the first text, of each page."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(ROUNDS + 1):
            for name, path in pages.items():
                page = browser.new_page()
                page.goto(path.as_uri())
                page.wait_for_timeout(200)
                load, paint = page.evaluate(OPENED)
                found[name].append((load, paint))
                page.close()
        browser.close()
    return {name: times[1:] for name, times in found.items()}  # the first is warm-up


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=100_000)
    calls = parser.parse_args().calls
    now = time.time()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (run := home / "run").mkdir()
        one_run(run, now)
        one_month(month := home / "month", calls, now)
        config = str(Path(__file__).parents[1] / "config")
        report = [*CREW, "--config", config, "report"]
        ways = {
            "a run of 500 calls": ([*report, "r1", "--html", "page.html"], run),
            f"a month of {calls:,} calls": (
                [*report, "--since", "31d", "--html", "page.html"],
                month,
            ),
        }
        made = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (command, place) in ways.items():
                made[way].append(seconds_of(command, place))
        (empty := home / "empty.html").write_text("<!doctype html><p>text")
        pages = {way: place / "page.html" for way, (_, place) in ways.items()}
        opened = opening({"an empty page": empty, **pages})
        rows = [
            (
                way,
                f"{pages[way].stat().st_size / 1000:,.0f} kB" if way in pages else "",
                f"{median(one[0] for one in made[way]):.1f} s" if way in made else "",
                f"{median(one[1] for one in made[way]):.1f} s" if way in made else "",
                f"{median(load for load, _ in times):,.0f} ms",
                f"{median(paint for _, paint in times):,.0f} ms",
            )
            for way, times in opened.items()
        ]
    heads = ("Page", "Size", "Made in", "Of the processor", "Loaded", "First text")
    table(heads, rows)


if __name__ == "__main__":
    main()
