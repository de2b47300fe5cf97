"""What each strategy claims to gain, beside shuffled controls.

    uv run python benchmarks/strategy_controls.py AzureLLMInferenceTrace_code.csv.gz

The day of `team_day.py`, the calls of the tier that a strategy orders, and four figures
for each: seconds until the answer (waiting included), calls under way at the same model
when a call begins, US dollars, and US dollars with the premium's price of each call for
the share that its model is known to fail.

Two controls: `random order`: the guard asks the models in random order for each call
(mean of `--seeds` days); `own shares`: the models that the strategy chose, dealt to the
calls at random (mean of 200, and the range of 95 % of them): what does not beat that
chose no better than its shares alone.
"""

import argparse
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tables import table
from team_day import (
    MODELS,
    SHUFFLED,
    Arrival,
    Day,
    Hands,
    arrivals,
    configured,
)

from crew.quota.stores import open_store
from crew.settings.strategies import PRIORITY, STRATEGIES

DEALS = 200
HEADS = ("seconds", "under way", "usd", "usd with failures")


@dataclass(frozen=True, slots=True)
class Served:
    """A call, the model that served it, and how long it had waited."""

    call: Arrival
    model: str
    waited: float

    @property
    def seconds(self) -> float:
        model, call = MODELS[self.model], self.call
        return call.noise * (model.first + call.output_tokens / model.speed)


def passed(strategy: str, calls: Sequence[Arrival], seed: int = 11) -> list[Served]:
    """The calls of a day by one strategy."""
    clock = Hands()
    day = Day(strategy, clock, open_store("memory:", clock))
    day.chance = random.Random(seed)
    clock.run([(one.at, lambda one=one: day.call(one)) for one in calls])
    return [Served(*one) for one in day.seen.served]


class Figures:
    """The four figures of a day."""

    def __init__(self) -> None:
        self._prices = {
            name: one.price
            for name, one in configured(PRIORITY, "").deployments.items()
        }

    def of(self, day: Sequence[Served]) -> tuple[float, ...]:
        cost = [self._usd(one.model, one.call) for one in day]
        failed = [
            (1 - MODELS[one.model].passes) * self._usd("opus", one.call) for one in day
        ]
        return (
            mean(one.waited + one.seconds for one in day),
            _under_way(day),
            sum(cost),
            sum(cost) + sum(failed),
        )

    def _usd(self, name: str, call: Arrival) -> float:
        price = self._prices[name]
        if price is None:
            return 0.0
        return float(price.cost(call.input_tokens, call.output_tokens))


def _under_way(day: Sequence[Served]) -> float:
    """Calls at the same model when one begins, on average."""
    ends: dict[str, list[float]] = {}
    found = []
    for one in sorted(day, key=lambda one: one.call.at + one.waited):
        began = one.call.at + one.waited
        open_ = ends.setdefault(one.model, [])
        while open_ and open_[0] <= began:
            heapq.heappop(open_)
        found.append(len(open_))
        heapq.heappush(open_, began + one.seconds)
    return mean(found)


def dealt(day: Sequence[Served], chance: random.Random) -> list[Served]:
    """The same models, to other calls."""
    models = [one.model for one in day]
    chance.shuffle(models)
    return [
        Served(one.call, model, one.waited)
        for one, model in zip(day, models, strict=True)
    ]


def shown(values: Sequence[float]) -> list[str]:
    return [
        f"{values[0]:.2f}",
        f"{values[1]:.3f}",
        f"{values[2]:.3f}",
        f"{values[3]:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--load", type=float, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    calls = arrivals(given.trace, given.load)
    calls = [one for one in calls if one.job.tier == "mid"]
    figures, chance = Figures(), random.Random(5)
    rows = []
    for strategy in STRATEGIES:
        day = passed(strategy, calls)
        rows.append([strategy, *shown(figures.of(day))])
        deals = [figures.of(dealt(day, chance)) for _ in range(DEALS)]
        columns = [sorted(column) for column in zip(*deals, strict=True)]
        low = shown([one[DEALS // 40] for one in columns])
        high = shown([one[-DEALS // 40 - 1] for one in columns])
        middle = shown([mean(one) for one in columns])
        rows.append(
            [
                f"{strategy}, own shares",
                *[f"{m} [{a}, {b}]" for m, a, b in zip(middle, low, high, strict=True)],
            ]
        )
    days = [figures.of(passed(SHUFFLED, calls, seed)) for seed in range(given.seeds)]
    rows.append(
        ["random order", *shown([mean(one) for one in zip(*days, strict=True)])]
    )
    print(f"load {given.load:g}, {len(calls)} calls")
    table(("strategy", *HEADS), rows)


if __name__ == "__main__":
    main()
