"""Runs in a journal, of every kind, for the tests of pages and figures."""

import json
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from crew.clock import ManualClock
from crew.journal import CallRecord, Journal
from test_rates import attempt

NOW = 1_795_000_000.0
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[2J\u202e'\"&"
"""What a model, a provider or a repository may write."""
CALL = CallRecord(
    run="r1",
    task="code",
    role="coder",
    deployment="glm-free",
    provider="openrouter",
    input_tokens=0,
    output_tokens=0,
    cost_usd=Decimal(0),
    seconds=1.0,
    outcome="ok",
    reason="",
    at=NOW,
    senior_usd=Decimal("0.01"),
)
ATTEMPT = replace(
    attempt(1),
    run="r1",
    task="code",
    at=NOW,
    complexity="low",
    deployment="glm-free",
    verdict="failed",
    cost_usd=Decimal(0),
    is_free=True,
)


def calls(count: int, run: str = "r1") -> list[CallRecord]:
    """Calls of two roles on three deployments over an hour; some fail, of some the
    cost is unknown."""
    drawn = random.Random(7)
    found = []
    for index in range(count):
        name, provider, usd = drawn.choice(
            [
                ("glm-free", "openrouter", Decimal(0)),
                ("claude-opus", "anthropic", Decimal("0.0123")),
                (HOSTILE, "gemini", None),
            ]
        )
        failed = drawn.random() < 0.1
        found.append(
            replace(
                CALL,
                run=run,
                role=drawn.choice(["coder", HOSTILE]),
                deployment=name,
                provider=provider,
                input_tokens=drawn.randrange(10_000),
                output_tokens=drawn.randrange(1_000),
                cost_usd=usd,
                seconds=drawn.random() * 30,
                at=NOW - 3600 + 3600 * index / count,
                outcome="Overloaded" if failed else "ok",
                detail=HOSTILE if failed else "",
                reason=HOSTILE if index % 3 == 0 else "",
            )
        )
    return found


def written(state: Path, output: Path, recorded: list[CallRecord]) -> None:
    """A journal with one run that ended, its calls, two attempts, and its record."""
    with Journal.open(state / "journal.db", ManualClock(NOW - 3600)) as journal:
        for run in dict.fromkeys(call.run for call in recorded):
            journal.start_run(
                run, rehearsal=False, user="u", team="t", output=output / run
            )
        for call in recorded:
            journal.record(call)
        journal.attempts.add(ATTEMPT)
        journal.attempts.add(
            replace(ATTEMPT, number=2, verdict="passed", why=HOSTILE, place=1)
        )
        journal.finish_task("r1", "code", "coder", "proved")
        journal.finish_run("r1", "done")
    (output / "r1").mkdir(parents=True)
    (output / "r1" / "run.json").write_text(json.dumps(document()))


def document() -> dict[str, object]:
    """The record of the run `r1`, with what is hostile wherever it may be."""
    return {
        "run": "r1",
        "status": "done",
        "rehearsal": False,
        "request": HOSTILE,
        "seconds": 3600.0,
        "notices": [HOSTILE],
        "result": HOSTILE,
        "workspace": {
            "path": "w",
            "files": [],
            "repositories": [
                {
                    "name": HOSTILE,
                    "source": "/s",
                    "path": "/p",
                    "branch": "crew/r1",
                    "base": "4e69f669b385b71d1bc4b0657910445eb786878e",
                    "head": None,
                    "files": 1,
                    "insertions": 1,
                    "deletions": 0,
                    "changed": [{"path": HOSTILE, "insertions": 1, "deletions": None}],
                    "ignored": [],
                    "compared": True,
                }
            ],
        },
        "tasks": [
            {
                "name": "code",
                "agent": "coder",
                "status": "proved",
                "result": HOSTILE,
                "roles": {"coder": 3},
                "kept": None,
                "gates": [
                    {
                        "name": "check: test",
                        "trust": "tests",
                        "verdict": "passed",
                        "reason": HOSTILE,
                    }
                ],
            }
        ],
        "failures": [
            {
                "what": "call",
                "task": "code",
                "role": "coder",
                "deployment": "glm-free",
                "reason": HOSTILE,
                "count": 2,
            }
        ],
    }
