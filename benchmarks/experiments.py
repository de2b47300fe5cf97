"""How often an experiment finds a false winner, and how many tasks a true one takes.

    uv run python benchmarks/experiments.py [--streams N]

Each stream is an experiment of two arms whose true pass rates are known: tasks come one
by one, the product's own draw gives each its arm, and after each task the product says
whether it is decided. Paired streams are those of `crew compare`: the same tasks at
both arms, where some tasks are easier for both (a correlation of about .4).

The control looks as often, at an interval for one look: the z-test at 5 % (that of two
shares, or McNemar's for paired tasks), from the tenth task per arm on.
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from math import sqrt
from statistics import median

from tables import table

from crew.experiments import drawn
from crew.experiments.evidence import weigh
from crew.settings import ArmSpec, ExperimentSpec

SPEC = ExperimentSpec(
    name="benchmark",
    role="coder",
    arms=(ArmSpec(deployment="first"), ArmSpec(deployment="second")),
    share=Decimal(1),
)
TASKS = 200
"""Tasks per arm after which an experiment is given up."""
SAME = ((0.5, 0.5), (0.8, 0.8), (0.95, 0.95))
EFFECTS = ((0.8, 0.5), (0.9, 0.7), (0.9, 0.8))
FIRST_LOOK = 10
ENOUGH = float(SPEC.decide_at)
Stream = tuple[list[bool], list[bool]]


def apart(rates: tuple[float, float], chance: random.Random, name: str) -> Stream:
    """The outcomes of tasks that were split between the arms by the product's draw."""
    found: Stream = ([], [])
    for number in range(4 * TASKS):
        draw = drawn([SPEC], role="coder", run=f"{name}-{number}", task="code")
        assert draw is not None
        at = SPEC.arms.index(draw.arm)
        found[at].append(chance.random() < rates[at])
        if min(map(len, found)) >= TASKS:
            break
    return found


def paired(rates: tuple[float, float], chance: random.Random, name: str) -> Stream:
    """The outcomes of the same tasks at both arms; of four tasks at ten, one draw
    decides for both."""
    found: Stream = ([], [])
    for _ in range(TASKS):
        shared, own = chance.random(), (chance.random(), chance.random())
        same = chance.random() < 0.4
        for at, rate in enumerate(rates):
            found[at].append((shared if same else own[at]) < rate)
    return found


def decided(stream: Stream) -> tuple[int, int]:
    """The winner (1, 2, or 0 for too few), and the tasks per arm that it took."""
    signs = [first - second for first, second in zip(*stream, strict=False)]
    found = weigh(signs, ENOUGH)
    return found.winner, found.after


def looked_at(stream: Stream, *, same: bool) -> bool:
    """Whether an interval for one look ever finds a winner, looked at after each
    task; `same`: the tasks are paired."""
    first = second = wins = losses = 0
    for tasks, (one, other) in enumerate(zip(*stream, strict=False), start=1):
        first, second = first + one, second + other
        wins, losses = wins + (one > other), losses + (one < other)
        mean = (first + second) / (2 * tasks)
        variance = wins + losses if same else 2 * tasks * mean * (1 - mean)
        if tasks >= FIRST_LOOK and (first - second) ** 2 > 1.96**2 * variance > 0:
            return True
    return False


def interval(hits: int, of: int) -> str:
    """A share with its 95 % interval (Wilson's)."""
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{share:.1%} [{max(0.0, middle - half):.1%}, {middle + half:.1%}]"


def streams(
    make: Callable[[tuple[float, float], random.Random, str], Stream],
    rates: tuple[float, float],
    count: int,
) -> Iterator[Stream]:
    """As many experiments as are asked for."""
    for number in range(count):
        name = f"{make.__name__}-{rates}-{number}"
        yield make(rates, random.Random(name), name)


def false_winners(count: int) -> list[list[str]]:
    """A row for each rate that both arms have."""
    rows = []
    for rates in SAME:
        for make in (apart, paired):
            made = list(streams(make, rates, count))
            ours = sum(decided(one)[0] != 0 for one in made)
            control = sum(looked_at(one, same=make is paired) for one in made)
            cells = [interval(ours, count), interval(control, count)]
            rows.append([f"{rates[0]:g}", make.__name__, *cells])
    return rows


def decisions(count: int) -> list[list[str]]:
    """A row for each effect."""
    rows = []
    for rates in EFFECTS:
        for make in (apart, paired):
            found = [decided(one) for one in streams(make, rates, count)]
            right = sum(winner == 1 for winner, _ in found)
            wrong = sum(winner == 2 for winner, _ in found)
            took = [after if winner else TASKS + 1 for winner, after in found]
            rows.append(
                [
                    f"{rates[0]:g}, {rates[1]:g}",
                    make.__name__,
                    _middle(took),
                    interval(right, count),
                    interval(wrong, count),
                ]
            )
    return rows


def _middle(took: Sequence[int]) -> str:
    middle = median(took)
    return f"{middle:g}" if middle <= TASKS else f"over {TASKS}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1_000)
    count = parser.parse_args().streams
    print(f"{count} experiments in each row, {TASKS} tasks per arm, a look after each")
    print("\nBoth arms equal: false winners")
    head = ["rate", "tasks", "e-process", "interval looked at"]
    table(head, false_winners(count))
    print("\nOne arm better: tasks per arm until it is decided")
    head = ["rates", "tasks", "median", "decided", "the wrong one"]
    table(head, decisions(count))


if __name__ == "__main__":
    main()
