"""What the ladder learns of its order, beside the best order in hindsight; its cost.

    uv run python benchmarks/learned_order.py [--runs N] [--recorded OUTCOMES.jsonl.gz]

Streams of tasks, with four cheap models that pass .83, .40, .25 and .06 of them and a
premium that passes 95 %; half of what a model fails is what the weaker ones fail too.
Each task's ladder is planned by the product (`crew.ladder.plan`) from what the product
measured so far (`crew.runs.measured.Measured`); all tests are the gate, no second try.

`--recorded` draws the tasks from the problems of HumanEval that both local models tried
(Qwen2.5-Coder 0.5B, and 1.5B as the premium), with their real verdicts and tokens, at
several ratios of their prices; drawn anew for each run, so that a problem may come
more than once.

Controls on the same outcomes: the premium alone, the YAML's order, a random order for
each task, and in hindsight the best fixed order of at most two cheap steps.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import permutations
from pathlib import Path
from statistics import mean, median

from ladder_replay import Problem, bare_row, problems
from tables import table

from crew.clock import ManualClock, SystemClock
from crew.journal import Journal, Try
from crew.ladder import plan
from crew.runs.measured import Measured
from crew.settings import Settings
from crew.settings.loader import load_settings

PREMIUM = "large"
PASSES = (0.83, 0.40, 0.25, 0.06)
CHEAP, DEAR = Decimal("0.01"), Decimal("0.355")
TASKS, DRIFT = 300, 150
WORTH = 0.015
"""The share of the premium's price below which there is nothing to save."""
Rates = Callable[[int], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Who passes a task, what each attempt costs, and what its tokens would cost at the
    premium."""

    passes: dict[str, bool]
    usd: dict[str, Decimal]
    at_premium: dict[str, Decimal]


Tasks = Callable[[random.Random], list[Outcomes]]


@dataclass(frozen=True, slots=True)
class Stream:
    """The tasks of one run for the models m0, m1, ..., in the YAML's order. `best` goes
    first where it is right, and `drifts` says whether that is so from DRIFT on only."""

    name: str
    tasks: Tasks
    models: int
    best: str
    drifts: bool = False


def simulated(name: str, rates: Rates, models: int, *, drifts: bool = False) -> Stream:
    """Models that pass at the n-th task as often as the rates say."""
    late = rates(TASKS - 1)
    best = max(range(models), key=lambda at: late[at])
    worth = late[best] * float(DEAR) > float(CHEAP)
    return Stream(
        name,
        lambda chance: list(outcomes(rates, chance)),
        models,
        f"m{best}" if worth else PREMIUM,
        drifts,
    )


STREAMS = (
    simulated("good YAML", lambda at: PASSES, 4),
    simulated("bad YAML", lambda at: PASSES[::-1], 4),
    simulated(
        "drift: the best falls to .2, the next rises to .8",
        lambda at: PASSES if at < DRIFT else (0.20, 0.80, 0.25, 0.06),
        4,
        drifts=True,
    ),
    simulated("nothing cheap is worth it", lambda at: (0.02, 0.01), 2),
)
RATIOS = (20, 5, 2)
"""How many times the small model's price the premium's is, in the recorded streams."""
HARD = 0.9
"""The share of problems that the small model failed, after a recorded drift."""


def recorded(path: Path) -> list[Stream]:
    """The local models' outcomes: as they are, and harder from the middle on."""
    known = problems(path)
    hard = [one for one in known if not one.first("small")["tests"]]

    def drawn(chance: random.Random, ratio: int, *, drifts: bool) -> list[Outcomes]:
        return [
            replayed(
                chance.choice(
                    hard if drifts and at >= DRIFT and chance.random() < HARD else known
                ),
                ratio,
            )
            for at in range(TASKS)
        ]

    passed = 1 - len(hard) / len(known)
    streams = []
    for ratio in RATIOS:
        for drifts in (False, True):
            p = passed * (1 - HARD) if drifts else passed
            streams.append(
                Stream(
                    f"recorded, {ratio}:1" + (", hard from 150 on" if drifts else ""),
                    partial(drawn, ratio=ratio, drifts=drifts),
                    1,
                    "m0" if p > 1 / ratio else PREMIUM,
                    drifts,
                )
            )
    return streams


def replayed(problem: Problem, ratio: int) -> Outcomes:
    """A task with the verdicts and the tokens that were recorded."""
    passes, usd, premium = {}, {}, {}
    for name, deployment, by in (("m0", "small", ratio), (PREMIUM, "large", 1)):
        first = problem.first(deployment)
        dear = Decimal(30 * first["input_tokens"] + 60 * first["output_tokens"])
        passes[name] = bool(first["tests"])
        premium[name] = dear / 1_000_000
        usd[name] = premium[name] / by
    return Outcomes(passes, usd, premium)


@dataclass(slots=True)
class Kept:
    """The attempts so far, as the journal gives them."""

    made: list[Try] = field(default_factory=list)

    def tries(self, since: float) -> list[Try]:
        return [one for one in self.made if one.at >= since]


def configured(models: int, each: int = 1) -> Settings:
    """Tiers of `each` cheap models, and the premium behind them."""
    names = [f"m{at}" for at in range(models)]
    chains = [names[at : at + each] for at in range(0, models, each)]
    tiers = [
        f"  t{at}: {{chain: [{', '.join(chain)}], then: "
        f"{f't{at + 1}' if at + 1 < len(chains) else 'senior'}}}"
        for at, chain in enumerate(chains)
    ]
    deployments = [
        f"  {name}: {{provider: one, model: openai/{name}}}"
        for name in (*names, PREMIUM)
    ]
    files = {
        "providers": 'providers:\n  one: {api_key: "${ONE_API_KEY}"}\ndeployments:\n'
        + "\n".join(deployments),
        "tiers": "tiers:\n"
        + "\n".join([*tiers, f"  senior: [{PREMIUM}]"])
        + "\nladder: {retries: 0}\n",
        "agents": "manager: {role: m, goal: g, backstory: b, tier: senior}\n"
        "coder: {role: c, goal: g, backstory: b, tier: t0, kind: coding}\n",
        "tasks": "solve: {description: d, expected_output: e, agent: coder}\n",
    }
    with tempfile.TemporaryDirectory() as name:
        for file, text in files.items():
            (Path(name) / f"{file}.yaml").write_text(text, encoding="utf-8")
        return load_settings(Path(name), environ={"ONE_API_KEY": "none"})


def outcomes(rates: Rates, chance: random.Random) -> Iterator[Outcomes]:
    """Who passes each task. Half of a model's luck is the task's."""
    for at in range(TASKS):
        hard = chance.random()
        found = {PREMIUM: chance.random() < 0.95}
        for number, rate in enumerate(rates(at)):
            drawn = hard if chance.random() < 0.5 else chance.random()
            found[f"m{number}"] = drawn < rate
        usd = {name: DEAR if name == PREMIUM else CHEAP for name in found}
        yield Outcomes(found, usd, dict.fromkeys(found, DEAR))


def cost(order: Sequence[str], found: Outcomes) -> float:
    """What a task costs that climbs this order up to the first that passes."""
    usd = Decimal(0)
    for name in order:
        usd += found.usd[name]
        if found.passes[name]:
            break
    return float(usd)


def learned(settings: Settings, tasks: Sequence[Outcomes]) -> list[list[str]]:
    """The order that the product chose for each task, as it learned."""
    clock, kept, chosen = ManualClock(), Kept(), []
    for found in tasks:
        rates = Measured(settings, kept, clock)  # type: ignore[arg-type]
        ladder = plan(settings, settings.tasks["solve"], trust="tests", rates=rates)
        order = [step.deployments[0] for step in ladder.steps]
        chosen.append(order)
        for number, name in enumerate(order, start=1):
            kept.made.append(attempt(clock.now(), number, name, found))
            if found.passes[name]:
                break
        clock.advance(60)
    return chosen


def attempt(now: float, number: int, name: str, found: Outcomes) -> Try:
    return Try(
        deployment=name, kind="coding", complexity="medium", at=now, number=number,
        is_retry=False, task_trust="tests", trust="tests", passed=found.passes[name],
        usd=found.usd[name], premium_usd=found.at_premium[name], seconds=1.0,
    )  # fmt: skip


def hindsight(tasks: Sequence[Outcomes], models: int) -> float:
    """The mean cost of the best fixed order of at most two cheap steps."""
    names = [f"m{at}" for at in range(models)]
    orders = [(*first, PREMIUM) for n in range(3) for first in permutations(names, n)]
    return min(mean(cost(order, one) for one in tasks) for order in orders)


def row(stream: Stream, runs: int) -> list[str]:
    """One stream: mean cost of a task from 100 on (after the drift: from 50 behind),
    and how many tasks until the last 25 cost less than half of what learning saves."""
    settings = configured(stream.models)
    names = [f"m{at}" for at in range(stream.models)]
    kept: dict[str, list[float]] = {
        "learned": [], "yaml": [], "random": [], "best": [], "mended": [],
        "alone": [],
    }  # fmt: skip
    for seed in range(runs):
        chance = random.Random(f"{stream.name} {seed}")
        tasks = stream.tasks(chance)
        start = DRIFT + 50 if stream.drifts else 100
        orders = learned(settings, tasks)
        late = list(zip(orders, tasks, strict=True))[start:]
        kept["learned"].append(mean(cost(order, one) for order, one in late))
        fixed = (*names[:2], PREMIUM)
        kept["yaml"].append(mean(cost(fixed, one) for one in tasks[start:]))
        kept["random"].append(
            mean(
                cost((*chance.sample(names, min(2, len(names))), PREMIUM), one)
                for one in tasks[start:]
            )
        )
        kept["best"].append(hindsight(tasks[start:], stream.models))
        kept["alone"].append(mean(cost((PREMIUM,), one) for one in tasks[start:]))
        kept["mended"].append(settled(orders, stream))
    found = {name: mean(values) for name, values in kept.items()}
    alone = found["alone"]
    saving = alone - found["best"]
    # Each run against the saving of all: that of a single one may be next to nothing.
    spread = sorted(
        1 - (one - best) / max(saving, WORTH * alone)
        for one, best in zip(kept["learned"], kept["best"], strict=True)
    )
    low, high = spread[len(spread) // 40], spread[-len(spread) // 40 - 1]
    if saving > WORTH * alone:
        share = f"{(alone - found['learned']) / saving:.0%} [{low:.0%}, {high:.0%}]"
    else:
        more = found["learned"] / alone - 1
        share = f"nothing to save; {more:+.0%} over the premium"
    return [
        stream.name,
        *(
            f"{found[name]:.4f}"
            for name in ("learned", "yaml", "random", "best", "alone")
        ),
        share,
        f"{median(kept['mended']):.0f}",
    ]


def settled(orders: Sequence[Sequence[str]], on: Stream) -> float:
    """After how many tasks (behind the drift) the best model goes first, and stays
    first for nine of ten of the next twenty."""
    start = DRIFT if on.drifts else 0
    for at in range(start, len(orders) - 20):
        if sum(order[0] == on.best for order in orders[at : at + 20]) >= 18:
            return at - start
    return float("inf")


def decision(each: int, rows: int, deployments: int = 50) -> list[list[str]]:
    """The processor time of a plan with a real journal of so many attempts."""
    settings, chance = configured(deployments - 1, each), random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        clock = SystemClock()
        with Journal.open(Path(name) / "journal.db", clock) as journal:
            journal.start_run("r", rehearsal=False, user="", team="", output=Path(name))
            fill(journal, deployments, rows, chance)
            measured, took = None, []
            for at in range(200):
                if at % 100 == 0:
                    measured = Measured(settings, journal.attempts, clock)
                began = time.process_time()
                plan(settings, settings.tasks["solve"], trust="tests", rates=measured)
                took.append(1_000 * (time.process_time() - began))
    later = took[1:100] + took[101:]
    return [
        ["the first plan of a run, with reading", f"{took[100]:.1f} ms"],
        ["each further plan, median", f"{median(later):.2f} ms"],
        ["each further plan, 95 %", f"{sorted(later)[len(later) * 95 // 100]:.2f} ms"],
    ]


def fill(journal: Journal, deployments: int, rows: int, chance: random.Random) -> None:
    """Attempts of all deployments, written as the journal does."""
    for at in range(rows):
        journal.attempts.add(
            bare_row(f"{at}", f"m{at % deployments}", passed=chance.random() < 0.5)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--recorded", type=Path)
    given = parser.parse_args()
    streams = recorded(given.recorded) if given.recorded else STREAMS
    print(f"usd a task from the 100th on, {given.runs} runs of {TASKS} tasks")
    table(
        ("stream", "learned", "YAML's order", "random order", "best in hindsight",
         "premium alone", "of the best saving", "right after"),
        [row(stream, given.runs) for stream in streams],
    )  # fmt: skip
    if given.recorded:
        return
    print(f"\none decision, 50 deployments, {given.rows:,} attempts in the journal")
    for each in (10, 1):
        print(f"tiers of {each}")
        table(("measured", "took"), decision(each, given.rows))


if __name__ == "__main__":
    main()
