"""How rare a false alarm of the detector is: more runs than it could look at itself.

    uv run python benchmarks/regression_rare.py [--runs 10000] [--shares .6 .8 .9 .95]

`regression.py` looks at 250 runs, which tell a rate of one in a thousand from none no
better than a coin. Here numpy computes the same statistic for many runs at once; it is
compared with the product's own detector first, after each outcome of some runs.
"""

import argparse
import random
from multiprocessing import Pool

import numpy as np
from regression import drawn, timed
from tables import table

from crew.regression import share
from crew.regression.detector import (
    _HALVES,
    _WHOLES,
    LEAST,
    PAST,
    RARE,
    SINCE,
    STEP,
    THRESHOLD,
    WHOLE,
    each_end,
)

TASKS = 1_000
AT_ONCE = 1_000
COMPARED = 5
HALVES, WHOLES = np.array(_HALVES), np.array(_WHOLES)
Numbers = np.ndarray


def likely(good: Numbers, size: Numbers) -> Numbers:
    return HALVES[good] + HALVES[size - good] - WHOLES[size]


def statistic(counts: Numbers, end: int) -> Numbers:
    """The detector's sum after so many outcomes of each run; `counts` are the good ones
    among the first."""
    first = max(0, end - WHOLE)
    size = end - first
    begins = np.arange(max(LEAST, size - SINCE), size, STEP)
    starts = np.maximum(0, begins - PAST)
    n = np.broadcast_to(begins - starts, (len(counts), len(begins)))
    m = np.broadcast_to(size - begins, n.shape)
    k = counts[:, first + begins] - counts[:, first + starts]
    j = counts[:, [end]] - counts[:, first + begins]
    weight = likely(k, n) + likely(j, m) - likely(k + j, n + m)
    odds = np.where(k * m / n - j > 0, 2 * np.exp(np.minimum(weight, 600)), 0)
    return odds.sum(axis=1) * STEP / RARE


def counted(outcomes: Numbers) -> Numbers:
    counts = np.zeros((len(outcomes), outcomes.shape[1] + 1), dtype=np.int64)
    counts[:, 1:] = np.cumsum(outcomes, axis=1)
    return counts


def alarms(outcomes: Numbers) -> int:
    """How many of the runs have an alarm."""
    counts = counted(outcomes)
    found = np.zeros(len(counts), dtype=bool)
    for end in range(LEAST + 1, outcomes.shape[1] + 1):
        found |= statistic(counts, end) >= THRESHOLD
    return int(found.sum())


def latencies(seed: int) -> list[bool]:
    """A run whose times do not change, as the product reduces them."""
    outcomes = timed(random.Random(f"rare {seed}"), [1.0] * TASKS)
    return [one.good for one in outcomes]


def compare() -> None:
    """Fail where the two disagree."""
    for number in range(COMPARED):
        levels = [0.9] * 200 + [0.5] * 100
        outcomes = drawn(random.Random(number), levels)
        counts = counted(np.array([[one.good for one in outcomes]]))
        for end, change in enumerate(each_end(outcomes), start=1):
            ours = end > LEAST and statistic(counts, end)[0] >= THRESHOLD
            assert ours == (change is not None), (number, end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--latencies", type=int, default=2_000)
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.6, 0.8, 0.9, 0.95]
    )
    asked = parser.parse_args()
    compare()
    chance, rows = np.random.default_rng(2027), []
    for p in asked.shares:
        some = range(0, asked.runs, AT_ONCE)
        parts = (chance.random((AT_ONCE, TASKS)) < p for _ in some)
        rows.append(row(f"share, {p:g}", sum(map(alarms, parts)), asked.runs))
    with Pool() as pool:
        times = np.array(pool.map(latencies, range(asked.latencies), 20))
    rows.append(row("latency", alarms(times), asked.latencies))
    table(["steady", "runs with an alarm", "rate", "expected in 250"], rows)


def row(name: str, found: int, runs: int) -> list[str]:
    seen = share(found, runs)
    assert seen is not None
    rate = f"{seen.value:.3%} [{seen.low:.3%}, {seen.high:.3%}]"
    return [name, f"{found} of {runs}", rate, f"{250 * seen.value:.2f}"]


if __name__ == "__main__":
    main()
