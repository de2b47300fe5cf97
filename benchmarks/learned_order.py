"""What the ladder learns of its order, beside the best order in hindsight; its cost.

    uv run python benchmarks/learned_order.py [--runs N]

Streams of tasks, with four cheap models that pass .83, .40, .25 and .06 of them and a
premium that passes 95 %; half of what a model fails is what the weaker ones fail too.
Each task's ladder is planned by the product (`crew.ladder.plan`) from what the product
measured so far (`crew.runs.measured.Measured`); all tests are the gate, no second try.

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
from itertools import permutations
from pathlib import Path
from statistics import mean, median

from ladder_replay import bare_row
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
Rates = Callable[[int], Sequence[float]]
Outcomes = dict[str, bool]


@dataclass(frozen=True, slots=True)
class Stream:
    """How often the models m0, m1, ... pass at the n-th task, in the YAML's order."""

    name: str
    rates: Rates
    models: int


STREAMS = (
    Stream("good YAML", lambda at: PASSES, 4),
    Stream("bad YAML", lambda at: PASSES[::-1], 4),
    Stream(
        "drift: the best falls to .2, the next rises to .8",
        lambda at: PASSES if at < DRIFT else (0.20, 0.80, 0.25, 0.06),
        4,
    ),
    Stream("nothing cheap is worth it", lambda at: (0.02, 0.01), 2),
)


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


def outcomes(stream: Stream, chance: random.Random) -> Iterator[Outcomes]:
    """Who passes each task. Half of a model's luck is the task's."""
    for at in range(TASKS):
        hard = chance.random()
        found = {PREMIUM: chance.random() < 0.95}
        for number, rate in enumerate(stream.rates(at)):
            drawn = hard if chance.random() < 0.5 else chance.random()
            found[f"m{number}"] = drawn < rate
        yield found


def cost(order: Sequence[str], found: Outcomes) -> float:
    """What a task costs that climbs this order up to the first that passes."""
    usd = Decimal(0)
    for name in order:
        usd += DEAR if name == PREMIUM else CHEAP
        if found[name]:
            break
    return float(usd)


def learned(settings: Settings, tasks: Sequence[Outcomes]) -> list[list[str]]:
    """The order that the product chose for each task, as it learned."""
    clock, kept, chosen = ManualClock(), Kept(), []
    for at, found in enumerate(tasks):
        rates = Measured(settings, kept, clock)  # type: ignore[arg-type]
        ladder = plan(settings, settings.tasks["solve"], trust="tests", rates=rates)
        order = [step.deployments[0] for step in ladder.steps]
        chosen.append(order)
        for number, name in enumerate(order, start=1):
            kept.made.append(attempt(clock.now(), at, number, name, found[name]))
            if found[name]:
                break
        clock.advance(60)
    return chosen


def attempt(now: float, at: int, number: int, name: str, passed: bool) -> Try:
    return Try(
        deployment=name, kind="coding", complexity="medium", at=now, number=number,
        is_retry=False, task_trust="tests", trust="tests", passed=passed,
        usd=DEAR if name == PREMIUM else CHEAP, premium_usd=DEAR, seconds=1.0,
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
        "learned": [], "yaml": [], "random": [], "best": [], "mended": []
    }  # fmt: skip
    for seed in range(runs):
        chance = random.Random(f"{stream.name} {seed}")
        tasks = list(outcomes(stream, chance))
        start = DRIFT + 50 if stream.name.startswith("drift") else 100
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
        kept["mended"].append(settled(orders, names, stream))
    found = {name: mean(values) for name, values in kept.items()}
    alone = float(DEAR)
    spread = sorted(
        (alone - one) / (alone - best) if alone - best > 0.005 else 1.0
        for one, best in zip(kept["learned"], kept["best"], strict=True)
    )
    saving = alone - found["best"]
    share = f"{(alone - found['learned']) / saving:.0%}" if saving > 0.005 else "-"
    low, high = spread[len(spread) // 40], spread[-len(spread) // 40 - 1]
    return [
        stream.name,
        *(f"{found[name]:.3f}" for name in ("learned", "yaml", "random", "best")),
        f"{alone:.3f}",
        f"{share} [{low:.0%}, {high:.0%}]",
        f"{median(kept['mended']):.0f}",
    ]


def settled(orders: Sequence[Sequence[str]], names: Sequence[str], on: Stream) -> float:
    """After how many tasks (behind the drift) the best model goes first, and stays
    first for nine of ten of the next twenty."""
    start = DRIFT if on.name.startswith("drift") else 0
    rates = on.rates(TASKS - 1)
    best = names[max(range(len(names)), key=lambda at: rates[at])]
    if rates[names.index(best)] * float(DEAR) <= float(CHEAP):
        best = PREMIUM
    for at in range(start, len(orders) - 20):
        if sum(order[0] == best for order in orders[at : at + 20]) >= 18:
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
    given = parser.parse_args()
    print(f"usd a task from the 100th on, {given.runs} runs of {TASKS} tasks")
    table(
        ("stream", "learned", "YAML's order", "random order", "best in hindsight",
         "premium alone", "of the best saving", "right after"),
        [row(stream, given.runs) for stream in STREAMS],
    )  # fmt: skip
    print(f"\none decision, 50 deployments, {given.rows:,} attempts in the journal")
    for each in (10, 1):
        print(f"tiers of {each}")
        table(("measured", "took"), decision(each, given.rows))


if __name__ == "__main__":
    main()
