"""A journal with outcomes of deployments, for what is made of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from building import deployment, provider, settings
from crew.calls.run import Run
from crew.clock import ManualClock
from crew.guard import QuotaGuard
from crew.journal import AttemptRecord, CallRecord, Journal
from crew.quota.stores.memory import MemoryStore
from crew.runs.regressions import look
from crew.settings import Settings

ATTEMPT = AttemptRecord(
    run="r1", task="t", number=1, at=0.0, kind="coding", complexity="high", step="mid",
    place=0, deployment="qwen", prompt="", gate="check: test", trust="tests",
    verdict="passed", reason_hash="", fed_back=False, why="", cost_usd=Decimal("0.001"),
    premium_usd=Decimal("0.02"), seconds=10.0, calls=1, input_tokens=10,
    output_tokens=20, cached_tokens=0, is_free=False, cut_off=False, task_trust="tests",
)  # fmt: skip
CALL = CallRecord(
    run="r1", task="t", role="coder", deployment="qwen", provider="p", input_tokens=10,
    output_tokens=200, cost_usd=Decimal("0.001"), seconds=10.0, outcome="ok", reason="",
    at=0.0,
)  # fmt: skip


def mostly(share: float, count: int) -> list[bool]:
    """So many outcomes of which about this share is good, evenly spread."""
    return [int((n + 1) * share) > int(n * share) for n in range(count)]


class Day:
    """A run whose tasks come one a minute; each is looked at when it ends."""

    def __init__(self, tmp_path: Path, *, config: Settings | None = None) -> None:
        chain = [deployment(name, provider(f"p-{name}")) for name in ("qwen", "glm")]
        self.config = config or settings(chain, tmp_path)
        self.clock = ManualClock()
        self.said: list[str] = []
        self.store = MemoryStore(self.clock)
        path = self.config.state_dir / "journal.db"
        self.journal = Journal.open(path, self.clock)
        self.begin("r1", tmp_path)
        guard = QuotaGuard(self.config, self.store, self.clock, self.said.append)
        self.run = Run(
            id="r1",
            settings=self.config,
            guard=guard,
            journal=self.journal,
            clock=self.clock,
        )
        self._tasks = 0

    def begin(self, run: str, output: Path, *, rehearsal: bool = False) -> None:
        self.journal.start_run(
            run, rehearsal=rehearsal, user="ada", team="core", output=output
        )

    def task(
        self,
        *,
        passes: bool = True,
        calls: Sequence[CallRecord] = (),
        **fields: object,
    ) -> None:
        """One task with one attempt and its calls, and no look."""
        self._tasks += 1
        self.clock.advance(60)
        named = {"task": f"t{self._tasks}", "at": self.clock.now()}
        verdict = {"verdict": "passed" if passes else "failed", "calls": len(calls)}
        made = replace(ATTEMPT, **{**verdict, **fields, **named})
        for call in calls:
            self.journal.record(replace(call, run=made.run, **named))
        self.journal.attempts.add(made)

    def tasks(self, outcomes: Iterable[bool], **fields: object) -> list[str]:
        """Tasks that pass or fail so; returns what was said meanwhile."""
        before = len(self.said)
        for passes in outcomes:
            self.task(passes=passes, **fields)
            look(self.run, ["qwen"], "coding")
        return self.said[before:]
