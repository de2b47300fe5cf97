"""What a swap takes from failure to next request, and how late the first token comes.

    uv run python benchmarks/swap.py [ROUNDS]

The swap is timed at the wire: a server in a process of its own notes when the last byte
of a failure goes out, and when the next request has come in as a whole (where nobody
listens, this side notes the connect). The failure is a 429 or a 500 with its body, a
connection that is reset or refused, or an error or a cut within a stream; the next
deployment is of another family. Ours is a `TieredLLM` with its run, its journal and the
default store in a SQLite file. Beside it: litellm's Router with `num_retries=0` and a
fallback, and `by hand`, a bare `try` of the one and `except` the other.

The first token is timed in the process that calls: from the call to the first words, in
`litellm.completion(stream=True)` as it yields them, and in a `TieredLLM` both at the
transport, which has them from litellm, and in a listener of CrewAI's event.

Each client has a process of its own, so that each finds the caches of the processor as
the others left them, like a call after a pause. They take turns call by call; a figure
is a median, a difference or a ratio the median over the pairs, with the quartiles. What
the first calls import is left out by two rounds that are not counted.
"""

import random
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from noting_server import noting
from swap_clients import (
    FAMILIES,
    FAULTS,
    STREAMED_ONLY,
    Order,
    Places,
    Sample,
    make_bare,
    make_beside,
    make_ours,
    make_ours_in_memory,
    make_router,
    work,
)
from tables import table

ROUNDS = 10
TOKEN_ROUNDS = 30
"""How many first tokens are taken in one round of swaps."""
WARM_UP = 2
LONGEST = 90.0
"""Seconds after which a call hangs for good."""
CHANCE = random.Random(1)
OURS, MEMORY, BESIDE = "crew", "crew, in memory", "litellm beside crew"
ROUTER, BY_HAND, ALONE = "Router", "by hand", "litellm"
SWAPPING = (OURS, ROUTER, BY_HAND)
STREAMING = (ALONE, OURS, MEMORY, BESIDE)
STREAMED = ("openai", "anthropic", "gemini")
MAKES = (make_ours, make_ours_in_memory, make_beside, make_router, make_bare)
SWAP_TARGET, TOKEN_TARGET = 0.020, 0.002
NAMES = {
    "429": "429",
    "500": "500",
    "reset": "connection reset",
    "refused": "connection refused",
    "error": "error in the stream",
    "cut": "stream cut",
}

Cell = tuple[str, str, str]
"""The family, the fault, the way."""
Taken = dict[Cell, dict[str, list[Sample | None]]]
"""What each client took in each cell, round by round."""


# Taking turns.


class Processes:
    """The processes of the clients, by the names of these."""

    def __init__(self, places: Places) -> None:
        context = get_context("spawn")
        self._pipes: dict[str, Connection] = {}
        self._children = []
        for make in MAKES:
            mine, its = context.Pipe()
            child = context.Process(target=work, args=(make, places, its))
            child.start()
            its.close()  # so that the end of the child is the end of the pipe
            self._children.append(child)
            self._pipes |= dict.fromkeys(mine.recv(), mine)

    def call(self, order: Order) -> Sample | None:
        pipe = self._pipes[order.client]
        pipe.send(order)
        if not pipe.poll(LONGEST):
            raise SystemExit(f"no end after {LONGEST:g} s: {order}")
        found: Sample | None = pipe.recv()
        return found

    def settle(self) -> None:
        """Say that the warm-up is over."""
        for pipe in set(self._pipes.values()):
            pipe.send(None)

    def end(self) -> None:
        for child in self._children:
            child.terminate()
            child.join()


@contextmanager
def running() -> Iterator[Processes]:
    """Start the server and the clients."""
    with (
        noting() as root,
        socket.socket() as nobody,
        tempfile.TemporaryDirectory() as directory,
    ):
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        closed = nobody.getsockname()[1]
        clients = Processes(Places(root=root, closed=closed, directory=Path(directory)))
        try:
            yield clients
        finally:
            clients.end()


def swaps() -> Iterator[Order]:
    """Every family with every fault in every way that makes sense."""
    for family in FAMILIES:
        for fault in FAULTS:
            for stream in (False, True):
                for awaited in (False, True):
                    if stream or fault not in STREAMED_ONLY:
                        yield Order(
                            client="",
                            family=family,
                            fault=fault,
                            stream=stream,
                            awaited=awaited,
                        )


def tokens() -> Iterator[Order]:
    for family in STREAMED:
        for awaited in (False, True):
            yield Order(client="", family=family, stream=True, awaited=awaited)


def play(
    orders: Iterable[Order],
    names: Sequence[str],
    clients: Processes,
    taken: Taken,
) -> None:
    """Each client makes each call, in an order that chance gives."""
    for order in orders:
        found = taken[order.family, order.fault, order.way]
        for name in CHANCE.sample(names, len(names)):
            found[name].append(clients.call(order.by(name)))


def measure(rounds: int) -> tuple[Taken, Taken]:
    """The swaps and the first tokens."""
    swapped: Taken = defaultdict(lambda: defaultdict(list))
    streamed: Taken = defaultdict(lambda: defaultdict(list))
    began = time.monotonic()
    with running() as clients:
        for _ in range(WARM_UP):
            play(swaps(), SWAPPING, clients, swapped)
            play(tokens(), STREAMING, clients, streamed)
        swapped.clear()
        streamed.clear()
        clients.settle()
        for turn in range(rounds):
            play(swaps(), SWAPPING, clients, swapped)
            for _ in range(TOKEN_ROUNDS):
                play(tokens(), STREAMING, clients, streamed)
            seconds = time.monotonic() - began
            print(f"{seconds:4.0f} s: round {turn + 1}", file=sys.stderr, flush=True)
    return swapped, streamed


# The report. Milliseconds.


def spread(values: Sequence[float], unit: float = 1e3) -> str:
    """The median and the quartiles."""
    low, middle, high = (unit * one for one in statistics.quantiles(values, n=4))
    return f"{middle:5.2f} ({low:.2f} to {high:.2f})"


def gap(sample: Sample | None) -> float | None:
    """Seconds from the failure to the next request, if there were both."""
    if sample is None or sample.failed is None:
        return None
    return sample.arrived - sample.failed


Gaps = Mapping[str, Sequence[float | None]]


def pooled(taken: Taken, chosen: Callable[[Cell], bool]) -> Gaps:
    """What the clients took in the chosen cells, pair by pair."""
    return {
        name: [
            gap(sample)
            for cell, found in taken.items()
            if chosen(cell)
            for sample in found[name]
        ]
        for name in SWAPPING
    }


def both(gaps: Gaps, other: str) -> list[tuple[float, float]]:
    pairs = zip(gaps[OURS], gaps[other], strict=True)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def swap_row(name: str, gaps: Gaps) -> list[str]:
    row = [name]
    for client in SWAPPING:
        known = [one for one in gaps[client] if one is not None]
        row.append(spread(known) if known else "no swap")
    routed = both(gaps, ROUTER)
    row.append(spread([a / b for a, b in routed], 1) if routed else "-")
    row.append(spread([a - b for a, b in both(gaps, BY_HAND)]))
    ended = [sum(one is not None for one in gaps[name]) for name in SWAPPING]
    row.append(f"{' / '.join(map(str, ended))} of {len(gaps[OURS])}")
    return row


def print_swaps(taken: Taken) -> None:
    """All swaps, and by way, fault and family."""
    rows = [swap_row("all", pooled(taken, lambda cell: True))]
    for at, names in ((2, None), (1, FAULTS), (0, FAMILIES)):
        for value in names or dict.fromkeys(cell[at] for cell in taken):
            found = pooled(taken, lambda cell, at=at, value=value: cell[at] == value)
            rows.append(swap_row(NAMES.get(value, value), found))
    heads = ("swap, ms", *SWAPPING, "crew / Router", "crew - by hand", "swapped")
    table(heads, rows)
    every = [one for one in pooled(taken, lambda cell: True)[OURS] if one is not None]
    medians = {
        cell: statistics.median(known)
        for cell, found in taken.items()
        if (known := [one for each in found[OURS] if (one := gap(each)) is not None])
    }
    worst = max(medians, key=lambda cell: medians[cell])
    middle, most = statistics.median(every), medians[worst]
    met = "met" if middle <= SWAP_TARGET else "MISSED"
    print(f"\nunder {SWAP_TARGET * 1e3:g} ms at the median: {middle * 1e3:.1f}, {met}")
    print(f"  the slowest kind: {most * 1e3:.1f} ms, {', '.join(worst)}")
    print(f"  the slowest of all: {max(every) * 1e3:.0f} ms")


Moment = Callable[[Sample], float]
TOKEN_COLUMNS: Sequence[tuple[str, str, str, Moment]] = (
    ("request sent", OURS, ALONE, lambda one: one.arrived),
    ("transport has it", OURS, ALONE, lambda one: one.chunk),
    ("listener has it", OURS, ALONE, lambda one: one.heard),
    ("in memory", MEMORY, ALONE, lambda one: one.heard),
    ("to litellm beside crew", OURS, BESIDE, lambda one: one.heard),
)
"""What is added to a moment, by whom, against whom: the last two are until the listener
has it."""


Together = Sequence[Mapping[str, Sample]]
"""What the clients took, turn by turn."""


def answered(cell: Mapping[str, Sequence[Sample | None]]) -> Together:
    """The turns in which every client had an answer."""
    turns = zip(*(cell[name] for name in STREAMING), strict=True)
    found = [dict(zip(STREAMING, turn, strict=True)) for turn in turns]
    return [
        {name: one for name, one in turn.items() if one is not None}
        for turn in found
        if None not in turn.values()
    ]


def added(turns: Together, ours: str, theirs: str, moment: Moment) -> list[float]:
    return [
        moment(turn[ours])
        - turn[ours].began
        - (moment(turn[theirs]) - turn[theirs].began)
        for turn in turns
    ]


def token_row(name: str, turns: Together) -> list[str]:
    taken = {
        name: [turn[name].heard - turn[name].began for turn in turns]
        for name in (OURS, ALONE)
    }
    ratios = [a / b for a, b in zip(taken[OURS], taken[ALONE], strict=True)]
    columns = [
        spread(added(turns, ours, theirs, moment))
        for _, ours, theirs, moment in TOKEN_COLUMNS
    ]
    return [name, spread(taken[ALONE]), *columns, spread(ratios, 1)]


def print_tokens(taken: Taken) -> None:
    """What ours adds to the time to the first token."""
    cells = {cell: answered(found) for cell, found in taken.items()}
    every = [turn for turns in cells.values() for turn in turns]
    rows = [token_row("all", every)]
    for (family, _, way), turns in cells.items():
        rows.append(token_row(f"{family}, {way}", turns))
    columns = [f"+ {name}" for name, *_ in TOKEN_COLUMNS]
    table(("first token, ms", ALONE, *columns, "ratio"), rows)
    middle = statistics.median(added(every, OURS, ALONE, lambda one: one.heard))
    met = "met" if middle <= TOKEN_TARGET else "MISSED"
    print(f"\nadds under {TOKEN_TARGET * 1e3:g} ms at the median: ", end="")
    print(f"{middle * 1e3:.2f}, {met}; {len(every)} pairs")


def main() -> None:
    """Measure and print, and how the targets stand."""
    swapped, streamed = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    print_swaps(swapped)
    print_tokens(streamed)


if __name__ == "__main__":
    main()
