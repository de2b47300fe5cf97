"""Recorded outcomes, replayed through the ladder, the journal and the guard.

`ladder.py` makes figures of it.
"""

import gzip
import http.client
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crew.clock import SystemClock
from crew.emulator.process import running
from crew.guard import QuotaGuard
from crew.guard.openings import seconds_until_open
from crew.journal import AttemptRecord, Journal
from crew.ladder import Climb, End, Ladder, Place, Step, after, is_audited, plan
from crew.routing import Request
from crew.runs.measured import Measured
from crew.settings import Settings
from crew.settings.loader import load_settings

GATES = {"tests": "tests", "examples": "examples", "syntax": "shape"}
"""The verdict that a gate gives, and its trust."""
KEYS = {"ONE_API_KEY": "none", "TWO_API_KEY": "none"}

FILES = {
    "providers": """\
providers:
  one: {api_key: "${ONE_API_KEY}"}
  two: {api_key: "${TWO_API_KEY}"}
deployments:
  small: {provider: one, model: openai/small, price: {input: IN, output: OUT}}
  large: {provider: two, model: openai/large, price: {input: 30, output: 60}}
""",
    "tiers": """\
tiers:
  senior: [large]
  mid: {chain: [small], then: senior}
ladder: {audit: 5 %, retries: RETRIES}
""",
    "agents": """\
manager: {role: m, goal: g, backstory: b, tier: senior}
coder: {role: c, goal: g, backstory: b, tier: mid, kind: coding}
""",
    "tasks": "solve: {description: d, expected_output: e, agent: coder}\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What each deployment did at a problem: its first try, and the one that knew the
    reason (the first again, where there was none)."""

    name: str
    tries: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]

    def first(self, deployment: str) -> Mapping[str, Any]:
        return self.tries[deployment][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How a task ended. `premium_usd` is what the premium alone would have taken,
    `always_usd` the cheap model always first and then the premium, and `expected` the
    saving p x P - c that the ladder reckoned with, as a share of P."""

    problem: Problem
    solved: bool
    finished_by: str
    usd: float
    premium_usd: float
    always_usd: float
    calls: int
    premium_calls: int
    premium_spent: float
    expected: float | None


def problems(path: Path) -> list[Problem]:
    """The problems that both models tried."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        known = [json.loads(line) for line in lines]
    by = {(one["task_id"], one["model"], one["attempt"]): one for one in known}
    small, large = sorted({one["model"] for one in known})
    found = []
    for name in dict.fromkeys(one["task_id"] for one in known):
        tries = {}
        for deployment, model in (("small", small), ("large", large)):
            if first := by.get((name, model, "first")):
                told = by.get((name, model, "told_values"), first)
                tries[deployment] = (first, told)
        if len(tries) == 2:
            found.append(Problem(name=name, tries=tries))
    return found


@dataclass(frozen=True, slots=True)
class Emulator:
    """The emulator, by its address."""

    root: str

    def post(self, provider: str, model: str, sent: int, wrote: int) -> tuple[int, int]:
        """A call whose prompt and answer have so many tokens, roughly; returns how many
        the emulator counted."""
        schema = {"const": "b" * max(1, 4 * wrote - 2)}
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "a" * 4 * sent}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": schema},
            },
        }
        path = f"/{provider}/v1/chat/completions"
        netloc = urlsplit(self.root).netloc
        with closing(http.client.HTTPConnection(netloc, timeout=30)) as connection:
            connection.request("POST", path, json.dumps(body).encode())
            answer = connection.getresponse()
            found = json.loads(answer.read())
        assert answer.status == 200, found
        return found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]


@dataclass(slots=True, kw_only=True)
class Replay:
    """Replays problems, one after another, as tasks of one run."""

    settings: Settings
    guard: QuotaGuard
    journal: Journal
    emulator: Emulator
    gate: str
    run: str = "replay"

    def task(self, number: int, problem: Problem) -> Replayed:
        """One task, from its ladder to its end."""
        spec = replace(self.settings.tasks["solve"], name=f"{number}")
        ladder = plan(
            self.settings,
            spec,
            trust=GATES[self.gate],
            rates=Measured(self.settings, self.journal.attempts, SystemClock()),
            audited=is_audited(self.run, spec.name, self.settings.ladder),
        )
        place, solved = Place(), False
        made: list[AttemptRecord] = []
        while True:
            attempt = self.attempt(spec.name, problem, ladder, place, len(made) + 1)
            made.append(attempt)
            tried = problem.tries[attempt.deployment][min(place.tries, 1)]
            solved = bool(tried["tests"])
            if attempt.verdict == "passed":
                break
            place = Place(step=place.step, tries=place.tries + 1)
            move = after(ladder, place, closed=self.closed(ladder, place))
            if isinstance(move, End):
                break
            if isinstance(move, Climb):
                place = Place(step=move.step)
        return self.ended(problem, ladder, made, solved=solved)

    def attempt(
        self, task: str, problem: Problem, ladder: Ladder, place: Place, number: int
    ) -> AttemptRecord:
        """One attempt: a lease, a call, the recorded verdict, a row of the journal."""
        step = ladder.steps[place.step]
        request = Request(
            tier="mid",
            input_tokens=int(problem.first("small")["input_tokens"]),
            output_tokens=400,
            role="coder",
            task=task,
            kind="coding",
            complexity="medium",
            chain=step.deployments,
        )
        lease = self.guard.begin(request).acquire()
        name = lease.deployment.name
        tried = problem.tries[name][min(place.tries, 1)]
        used = self.emulator.post(
            lease.deployment.provider.name,
            name,
            int(tried["input_tokens"]),
            int(tried["output_tokens"]),
        )
        usage = lease.settle(input_tokens=used[0], output_tokens=used[1])
        row = replace(
            self.row(step, name, tried),
            task=task,
            number=number,
            place=place.step,
            fed_back=number > 1,
            cost_usd=usage.usd,
            premium_usd=price(self.settings, "large", *used),
        )
        self.journal.attempts.add(row)
        return row

    def row(
        self, step: Step, deployment: str, tried: Mapping[str, Any]
    ) -> AttemptRecord:
        """The row of an attempt, as far as the recording says it."""
        trust = GATES[self.gate]
        return AttemptRecord(
            run=self.run,
            task="",
            number=0,
            at=SystemClock().now(),
            kind="coding",
            complexity="medium",
            step=step.name,
            place=0,
            deployment=deployment,
            prompt="",
            gate=self.gate,
            trust=trust,
            verdict="passed" if tried[self.gate] else "failed",
            reason_hash="",
            fed_back=False,
            why="",
            cost_usd=None,
            premium_usd=None,
            seconds=float(tried["seconds"]),
            calls=1,
            input_tokens=int(tried["input_tokens"]),
            output_tokens=int(tried["output_tokens"]),
            cached_tokens=0,
            is_free=False,
            cut_off=tried["finish"] == "length",
            p=step.counted,
            c=step.price,
            rest=step.rest,
            task_trust=trust,
        )

    def closed(self, ladder: Ladder, place: Place) -> list[int]:
        """The steps that no deployment serves now."""
        request = Request(tier="", input_tokens=0, output_tokens=0, role="coder")
        return [
            at
            for at in range(place.step + 1, len(ladder.steps))
            if seconds_until_open(self.guard, ladder.steps[at].deployments, request) > 0
        ]

    def ended(
        self,
        problem: Problem,
        ladder: Ladder,
        made: Sequence[AttemptRecord],
        *,
        solved: bool,
    ) -> Replayed:
        small, alone = (
            price(self.settings, name, int(one["input_tokens"]), one["output_tokens"])
            for name in ("small", "large")
            for one in [problem.first(name)]
        )
        failed = not problem.first("small")[self.gate]
        first = ladder.steps[0]
        gain = None if first.gain is None else float(first.gain / (first.rest or 1))
        return Replayed(
            problem=problem,
            solved=solved,
            finished_by=made[-1].deployment,
            usd=spent(made),
            premium_usd=float(alone),
            always_usd=float(small + alone * failed),
            calls=len(made),
            premium_calls=sum(one.deployment == "large" for one in made),
            premium_spent=spent([one for one in made if one.step == "senior"]),
            expected=gain,
        )


def bare_row(task: str, deployment: str, *, passed: bool) -> AttemptRecord:
    """The first attempt at a task, as a row of the journal."""
    return AttemptRecord(
        run="r", task=task, number=1, at=SystemClock().now(), kind="coding",
        complexity="medium", step="", place=0, deployment=deployment, prompt="",
        gate="tests", trust="tests", verdict="passed" if passed else "failed",
        reason_hash="", fed_back=False, why="", cost_usd=Decimal("0.01"),
        premium_usd=Decimal("0.3"), seconds=1.0, calls=1, input_tokens=1,
        output_tokens=1, cached_tokens=0, is_free=False, cut_off=False,
        task_trust="tests",
    )  # fmt: skip


def spent(made: Sequence[AttemptRecord]) -> float:
    return float(sum((one.cost_usd or Decimal(0) for one in made), Decimal(0)))


def price(settings: Settings, name: str, sent: int, answered: int) -> Decimal:
    listed = settings.deployments[name].price
    assert listed is not None
    return listed.cost(sent, answered)


@contextmanager
def replaying(prices: str, retries: int) -> Iterator[tuple[Settings, Emulator]]:
    """The settings, from YAML, and the emulator under them."""
    sent, answered = prices.split(", ")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file, text in FILES.items():
            text = text.replace("IN,", f"{sent},").replace("OUT}", f"{answered}}}")
            text = text.replace("RETRIES", str(retries))
            (directory / f"{file}.yaml").write_text(text, encoding="utf-8")
        settings = load_settings(directory, environ=KEYS)
        with running(directory) as root:
            yield replace(settings, store_url="memory:"), Emulator(root)


def replay(
    settings: Settings, emulator: Emulator, gate: str, order: Sequence[Problem]
) -> list[Replayed]:
    """The problems in this order, from an empty journal."""
    with tempfile.TemporaryDirectory() as name:
        clock = SystemClock()
        guard = QuotaGuard.open(settings)
        with Journal.open(Path(name) / "journal.db", clock) as journal:
            journal.start_run(
                "replay", rehearsal=False, user="", team="", output=Path(name)
            )
            one = Replay(
                settings=settings,
                guard=guard,
                journal=journal,
                emulator=emulator,
                gate=gate,
            )
            found = [one.task(at, problem) for at, problem in enumerate(order)]
        guard.close()
    return found
