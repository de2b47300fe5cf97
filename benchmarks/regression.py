"""How soon a deployment that got worse is found, and how often one that did not.

    uv run python benchmarks/regression.py [--runs N] [--delays N]

The outcomes are drawn at random, with a fixed seed; what looks at them is the product's
own detector, after each task, as in a run. Runs whose share of good outcomes stays must
raise no alarm in 1,000 tasks. In the others the share falls from .9 after 200 tasks;
the delay is counted in tasks.

Latency is looked at the same way: the times are log-normal, with a spread of a third,
and become good or not by the product's reduction.

Controls: a moving window (alarm when the share of the latest 30 lies 30 points below
that of the 100 before), and the e-detector of each outcome against the 50 % lower bound
of the 100 before it, with the same threshold of 3,000. Shares have Wilson's 95 %
intervals, delays the 10 % and 90 % quantiles.
"""

import argparse
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from multiprocessing import Pool
from statistics import quantiles

from tables import table

from crew.regression import Outcome, Served, share, speeds
from crew.regression.detector import LEAST, THRESHOLD, each_end

SEED = 2027
TASKS = 1_000
BEFORE = 200
AFTER = 300
STEADY = (0.9, 0.6)
FALLS = (0.5, 0.7, 0.8)
WINDOW, PAST, POINTS = 30, 100, 0.3
QUARTILE = 0.6745
BETS = (0.3, 0.5, 0.7, 0.85)
"""The shares that the rolling detector bets on, as parts of its bound."""

Ends = Callable[[Sequence[Outcome]], Iterator[bool]]


def product(outcomes: Sequence[Outcome]) -> Iterator[bool]:
    """Whether there is an alarm after each outcome."""
    for change in each_end(outcomes):
        yield change is not None


def window(outcomes: Sequence[Outcome]) -> Iterator[bool]:
    """The control that most people would write."""
    goods = [one.good for one in outcomes]
    for end in range(1, len(goods) + 1):
        late, early = goods[max(0, end - WINDOW) : end], goods[: max(0, end - WINDOW)]
        past = early[-PAST:]
        enough = len(late) == WINDOW and len(past) >= LEAST
        yield enough and sum(past) / len(past) - sum(late) / WINDOW >= POINTS


def rolling(outcomes: Sequence[Outcome]) -> Iterator[bool]:
    """Each outcome against the bound of those before it."""
    past: deque[bool] = deque(maxlen=PAST)
    sums = [0.0] * len(BETS)
    for one in outcomes:
        if len(past) >= LEAST:
            bound = _lower(sum(past), len(past))
            for number, bet in enumerate(BETS):
                odds = bet if one.good else (1 - bound * bet) / (1 - bound)
                sums[number] = (sums[number] + 1) * odds
        past.append(one.good)
        yield sum(sums) / len(sums) >= THRESHOLD


def _lower(good: int, size: int) -> float:
    """The lower bound of the interval that holds half."""
    rate, square = good / size, QUARTILE**2 / size
    spread = QUARTILE * sqrt(rate * (1 - rate) / size + square / (4 * size))
    return max(1e-6, (rate + square / 2 - spread) / (1 + square))


DETECTORS: dict[str, Ends] = {
    "the product": product,
    "moving window": window,
    "rolling bound": rolling,
}


def drawn(rng: random.Random, shares: Sequence[float]) -> list[Outcome]:
    """Outcomes with these shares, one a minute."""
    return [Outcome(good=rng.random() < p, at=60.0 * n) for n, p in enumerate(shares)]


def timed(rng: random.Random, factors: Sequence[float]) -> list[Outcome]:
    """Outcomes of latency: the times are longer by these factors."""
    return speeds(
        Served(
            at=60.0 * n,
            group="",
            answers=1,
            faults=0,
            seconds=10 * by * rng.lognormvariate(0.0, 0.33),
            output_tokens=250,
        )
        for n, by in enumerate(factors)
    )


def alarm_at(job: tuple[str, str, int, float, float]) -> int | None:
    """The number of the task at which a run raises an alarm; None: it does not."""
    detector, what, number, before, after = job
    rng = random.Random(f"{SEED} {what} {number} {before} {after}")
    levels = [before] * TASKS
    if before != after:
        levels = [before] * BEFORE + [after] * AFTER
    outcomes = drawn(rng, levels) if what == "share" else timed(rng, levels)
    lost = len(levels) - len(outcomes)
    ends = enumerate(DETECTORS[detector](outcomes), 1 + lost)
    return next((at for at, alarm in ends if alarm), None)


def false_alarms(pool: Pool, runs: int) -> list[list[str]]:
    """A row for each level at which a run stays."""
    rows = []
    for what, level in (*(("share", p) for p in STEADY), ("latency", 1.0)):
        row = [f"{what}, steady" + (f" at {level:g}" if what == "share" else "")]
        for detector in DETECTORS:
            jobs = [(detector, what, n, level, level) for n in range(runs)]
            found = [at for at in pool.imap(alarm_at, jobs, 8) if at is not None]
            seen = share(len(found), runs)
            assert seen is not None
            row.append(f"{len(found)} of {runs} [{seen.low:.1%}, {seen.high:.1%}]")
        rows.append(row)
    return rows


def delays(pool: Pool, runs: int) -> list[list[str]]:
    """A row for each change: how many are found within 300 tasks, and how soon."""
    rows = []
    changes = [("share", 0.9, after) for after in FALLS]
    for what, before, after in (*changes, ("latency", 1.0, 2.0), ("latency", 1.0, 1.5)):
        name = f"{what}, {before:g} to {after:g}"
        row = [name.replace("1 to ", "times ") if what == "latency" else name]
        for detector in DETECTORS:
            jobs = [(detector, what, n, before, after) for n in range(runs)]
            ended = [at for at in pool.imap(alarm_at, jobs, 8) if at is not None]
            late = [at - BEFORE for at in ended if at > BEFORE]
            row.append(_delay(late, runs))
        rows.append(row)
    return rows


def _delay(late: Sequence[int], runs: int) -> str:
    found = share(len(late), runs)
    assert found is not None
    text = f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"
    if len(late) < 2:
        return text
    tenths = quantiles(late, n=10)
    return f"{text}: {tenths[4]:.0f} tasks ({tenths[0]:.0f} to {tenths[8]:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=250, help="steady runs per level")
    parser.add_argument("--delays", type=int, default=100, help="runs per change")
    asked = parser.parse_args()
    with Pool() as pool:
        print("Runs of 1,000 tasks with an alarm, where nothing changed")
        table(["Run", *DETECTORS], false_alarms(pool, asked.runs))
        print("\nFound within 300 tasks, and after how many (median, 10 to 90 %)")
        table(["Change", *DETECTORS], delays(pool, asked.delays))


if __name__ == "__main__":
    main()
