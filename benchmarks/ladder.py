"""What the ladder saves, on recorded outcomes of real models.

    uv run python benchmarks/ladder.py OUTCOMES.jsonl.gz [--repeats N]

Each line of the file is one attempt of a small or a large model at a problem: task_id,
model, attempt (`first`, or `told_values` for a try that knew the reason), the verdicts
`tests`, `examples`, `syntax`, and the tokens. A problem counts where both models made a
first attempt, and where the gate had something to look at.

What runs is the product's: the ladder is planned from what the journal measured so far,
the guard leases each call, the emulator answers with the recorded number of tokens, and
a refused attempt is followed by what the ladder says. Only the texts are not there: the
verdict of a gate is the recorded one, and "solved" is that all tests pass.

Controls: the premium alone (one attempt each), the same share of premium tasks given at
random, and the cheap model always first, with no audit and no second try. Intervals are
bootstrapped over the problems, 95 %.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from ladder_replay import (
    GATES,
    Emulator,
    Problem,
    Replayed,
    problems,
    replay,
    replaying,
)
from tables import table

from crew.settings import Settings

PRICES = {"20:1": "1.5, 2", "free": "0, 0", "2:1": "15, 30"}
"""US dollars for a million tokens in and out at the cheap model: those of gpt-3.5-turbo
in 2023 beside gpt-4's (30 and 60), nothing, and half of them."""
RATES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TASKS = 150
"""Tasks at each point of the curve."""
SAMPLES = 1_000
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a sample of replayed tasks comes to; shares from 0 to 1."""

    solved: float
    alone: float
    shuffled: float
    saved: float
    always: float
    premium_tasks: float
    premium_money: float

    @classmethod
    def of(cls, tasks: Sequence[Replayed]) -> "Figures":
        usd, alone = (
            sum(one.usd for one in tasks),
            sum(one.premium_usd for one in tasks),
        )
        share = mean(one.premium_calls > 0 for one in tasks)
        small = mean(bool(one.problem.first("small")["tests"]) for one in tasks)
        large = mean(bool(one.problem.first("large")["tests"]) for one in tasks)
        return cls(
            solved=mean(one.solved for one in tasks),
            alone=large,
            shuffled=share * large + (1 - share) * small,
            saved=1 - usd / alone,
            always=1 - sum(one.always_usd for one in tasks) / alone,
            premium_tasks=share,
            premium_money=sum(one.premium_spent for one in tasks) / usd,
        )


def interval(
    tasks: Sequence[Replayed], figure: Callable[[Figures], float]
) -> tuple[float, float]:
    """Where a figure lies in 95 of 100 samples of the problems."""
    by: dict[str, list[Replayed]] = defaultdict(list)
    for one in tasks:
        by[one.problem.name].append(one)
    chance, groups = random.Random(SEED), list(by.values())
    found = sorted(
        figure(Figures.of([one for group in drawn for one in group]))
        for drawn in (chance.choices(groups, k=len(groups)) for _ in range(SAMPLES))
    )
    return found[SAMPLES // 40], found[-SAMPLES // 40 - 1]


def by_gate(
    settings: Settings, emulator: Emulator, known: Sequence[Problem], repeats: int
) -> list[list[str]]:
    """A row for each gate, over as many orders of the problems as are asked for."""
    rows = []
    for gate in GATES:
        judged = [
            one
            for one in known
            if None not in (one.first("small")[gate], one.first("large")[gate])
        ]
        tasks: list[Replayed] = []
        for seed in range(repeats):
            order = random.Random(seed).sample(judged, len(judged))
            tasks += replay(settings, emulator, gate, order)
        rows.append([gate, f"{len(judged)}", *cells(tasks)])
    return rows


def cells(tasks: Sequence[Replayed]) -> list[str]:
    """The figures of a row, as text."""
    figures = Figures.of(tasks)
    low, high = interval(tasks, lambda one: one.solved - one.alone)
    least, most = interval(tasks, lambda one: one.saved)
    reckoned = [one for one in tasks if one.expected is not None]
    return [
        f"{figures.solved:.3f} ({figures.alone:.3f})",
        f"{low:+.3f} to {high:+.3f}",
        f"{figures.shuffled:.3f}",
        f"{figures.saved:.0%} [{least:.0%}, {most:.0%}]",
        f"{figures.always:.0%}",
        f"{1 - figures.premium_tasks:.0%}",
        f"{figures.premium_tasks:.0%} / {figures.premium_money:.0%}",
        prediction(reckoned),
    ]


def prediction(tasks: Sequence[Replayed]) -> str:
    """What the rule reckoned with beside what came of it, where it reckoned."""
    if not tasks:
        return "-"
    expected = mean(one.expected or 0 for one in tasks)
    return f"{expected:.0%} / {Figures.of(tasks).saved:.0%}"


def resampled(known: Sequence[Problem], rate: float, count: int) -> list[Problem]:
    """Problems drawn so that the small model passes this share of them."""
    chance = random.Random(f"{SEED} {rate}")
    passed = [one for one in known if one.first("small")["tests"]]
    failed = [one for one in known if not one.first("small")["tests"]]
    cheap = round(rate * count)
    drawn = chance.choices(passed, k=cheap) + chance.choices(failed, k=count - cheap)
    return chance.sample(drawn, count)


def curve(
    settings: Settings, emulator: Emulator, known: Sequence[Problem]
) -> list[list[str]]:
    """A row for each pass rate of the small model; all tests are the gate."""
    rows = []
    for rate in RATES:
        tasks = replay(settings, emulator, "tests", resampled(known, rate, TASKS))
        rows.append([f"{rate:.1f}", *cells(tasks)])
    return rows


HEADS = (
    "solved (premium alone)",
    "difference",
    "shuffled",
    "money saved",
    "always cheap first",
    "cheap",
    "premium: tasks / money",
    "p x P - c / came",
)


def main() -> None:
    """Replay by gate and along the curve; print the tables and whether the target is
    met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("--repeats", type=int, default=4)
    chosen = parser.parse_args()
    known = problems(chosen.outcomes)
    print(f"{len(known)} problems that both models tried, {chosen.repeats} orders")
    for retries in (0, 1):
        print(f"\nby gate, prices 20:1, `retries: {retries}`")
        with replaying(PRICES["20:1"], retries) as (settings, emulator):
            rows = by_gate(settings, emulator, known, chosen.repeats)
        table(("gate", "problems", *HEADS), rows)
    for name, prices in PRICES.items():
        print(f"\ncheap model passes, prices {name}, all tests as gate, `retries: 0`")
        with replaying(prices, retries=0) as (settings, emulator):
            table(("passes", *HEADS), curve(settings, emulator, known))


if __name__ == "__main__":
    main()
