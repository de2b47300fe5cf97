"""Which crews finish when the first provider fails: every fault, family and way.

    uv run python benchmarks/fault_matrix.py [--quick]

A cell is one kickoff of a real crew: one agent, one task. The emulator plays nine
provider families, each called over the code path of its own. The first deployment
fails with one fault for as long as the cell lasts, and the second, of another family,
works. The crew is just kicked off, or streamed, or has a tool, or is awaited; with the
tool the fault hits the second request, which holds the tool's result.

Ours is built by `crew.build_crew`, in a run of its own. Beside it, on the same kind of
server and for one family of each protocol, the same crew on other LLMs: one that calls
litellm's Router with a fallback, with its default of 2 retries and with none; and
`crewai.LLM`, which has no second, once with the same lasting fault and once with a
fault that passes after one request.

A cell is finished when the kickoff returned and its text is the server's whole answer,
which tells what the tool said; what was streamed must end in it too. Attempts are what
the emulator counted (for a refused connection: the connects of this process). Of ours,
each attempt must be a lease in the journal, and the journal must name the class of the
failure and, with the next deployment, the reason.

A cell that never ends is given up after some seconds, with its server and litellm's
HTTP clients: one that hangs in a pool of connections would take all others with it.

Even a crew that is awaited calls the LLM of an agent from a thread, and awaits it only
for summaries and conversions. So ours has cells of a second kind: its agent's LLM,
awaited, in a new loop each time.

Ours works in six ways, the others in four; with --quick all in one way for each fault
and family, by turns. Ours and the Router without retries run alone. The others mostly
sleep between their retries, so theirs run side by side, which adds some tens of
milliseconds.
"""

import argparse
import gc
import io
import logging
import os
import statistics
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from fault_crews import Outcome, new_clients, our_llm, ours, plain, routed
from fault_lane import FAMILIES, FAULTS, MORE_WAYS, WAYS, Cell, Fault, Lane, Way, lanes
from tables import table

COMPARED = ("openai", "anthropic", "gemini", "ollama_chat")
"""One family of each protocol, for the peers."""

Client = Callable[[Lane, Cell], Outcome]
OURS, OUR_LLM, ONCE = "crew", "its LLM, awaited", "plain CrewAI, fails once"
CLIENTS: dict[str, Client] = {
    OURS: ours,
    OUR_LLM: our_llm,
    "Router, num_retries=0": lambda lane, cell: routed(lane, cell, num_retries=0),
    "Router, default": routed,
    "plain CrewAI": plain,
    ONCE: lambda lane, cell: plain(lane, cell, times=1),
}
MINE = (OURS, OUR_LLM)
ALONE = (*MINE, "Router, num_retries=0")
BATCH = 50
"""After so many cells the clients of their loops, and their journals, are let go: with
more than a thousand open files no server could be started any more."""


@dataclass(slots=True, kw_only=True)
class Matrix:
    """All cells and what came of them."""

    began: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    skipped: list[Cell] = field(default_factory=list)

    def play(
        self, opened: Sequence[Lane], played: Iterable[Cell], *, until: float
    ) -> None:
        """Play cells, in each lane one after the other. None is begun later than
        `until`, in seconds after the start."""
        waiting: SimpleQueue[Cell] = SimpleQueue()
        for cell in played:
            waiting.put(cell)
        with ThreadPoolExecutor(len(opened)) as threads:
            ends = [
                threads.submit(self._empty, lane, waiting, self.began + until)
                for lane in opened
            ]
            for end in ends:
                end.result()

    def _empty(self, lane: Lane, waiting: "SimpleQueue[Cell]", until: float) -> None:
        with suppress(Empty):
            while True:
                cell = waiting.get_nowait()
                if time.monotonic() > until:
                    self.skipped.append(cell)
                else:
                    self.outcomes.append(CLIENTS[cell.client](lane, cell))

    def of(self, client: str) -> list[Outcome]:
        return [one for one in self.outcomes if one.cell.client == client]

    def say(self, what: str) -> None:
        seconds = time.monotonic() - self.began
        print(f"  {seconds:4.0f} s: {what}", file=sys.stderr, flush=True)


def cells(client: str, families: Sequence[str], ways: Sequence[Way]) -> list[Cell]:
    """All cells of a client that make sense: nobody is out only once."""
    return [
        Cell(client=client, fault=fault, family=family, way=way)
        for fault in FAULTS
        for family in families
        for way in ways
        if way.stream or not fault.streamed_only
        if fault.order is not None or client != ONCE
    ]


def by_turns(played: Sequence[Cell]) -> list[Cell]:
    """Each family with each fault, in one of the ways by turns."""
    ways = list(dict.fromkeys(one.way for one in played))
    turns = {
        (fault, family): ways[(row + column) % len(ways)]
        for row, fault in enumerate(FAULTS)
        for column, family in enumerate(FAMILIES)
    }
    return [
        one
        for one in played
        if one.way is turns[one.fault, one.family] or one.fault.streamed_only
    ]


def chosen(*, quick: bool) -> dict[str, list[Cell]]:
    """The cells of each client."""
    ways = WAYS if quick else (*WAYS, *MORE_WAYS)
    awaited = [way for way in (*WAYS, *MORE_WAYS) if way.awaited]
    found = {client: cells(client, COMPARED, WAYS) for client in CLIENTS}
    found[OURS] = cells(OURS, FAMILIES, ways)
    found[OUR_LLM] = cells(OUR_LLM, FAMILIES, awaited)
    return {n: by_turns(one) for n, one in found.items()} if quick else found


def measured(*, quick: bool) -> Matrix:
    """Play the whole matrix."""
    played = chosen(quick=quick)
    longest = 150.0 if quick else 540.0
    matrix = Matrix()
    with lanes(10 if quick else 16) as opened:
        _warm_up(opened[0])
        slow = []
        for client in CLIENTS:
            # Filler keeps all but ours waiting for ever.
            alone = [one for one in played[client] if not _waits(one)]
            slow += [one for one in played[client] if _waits(one)]
            if client not in ALONE:
                slow += alone
                continue
            matrix.say(f"{client}: {len(alone)} cells")
            for at in range(0, len(alone), BATCH):
                matrix.play(opened[:1], alone[at : at + BATCH], until=longest)
                new_clients()
                gc.collect()
        matrix.say(f"the others, {len(opened)} at a time: {len(slow)} cells")
        matrix.play(opened, slow, until=longest)
        matrix.say("done")
    return matrix


def _waits(cell: Cell) -> bool:
    return cell.fault.order == "keep_alive" and cell.client not in (OURS, OUR_LLM)


def _warm_up(lane: Lane) -> None:
    """The first crews of a process import much; nobody is measured with that."""
    fine = Fault(name="none", order=None, classes=())
    for family in FAMILIES:
        for way in WAYS:
            cell = Cell(client=OURS, fault=fine, family=family, way=way)
            (our_llm if way.awaited else ours)(lane, cell)
    for family in COMPARED:
        cell = Cell(client="", fault=fine, family=family, way=WAYS[0])
        routed(lane, cell, num_retries=0)
        plain(lane, replace(cell, fault=replace(fine, order="bad_request")))


# The tables.


def print_clients(matrix: Matrix) -> None:
    heads = ("client", "finished", "median", "worst", "tries at the first")
    rows = []
    for client in CLIENTS:
        found = matrix.of(client)
        if found:
            seconds = [one.seconds for one in found]
            tries = [one.tried for one in found]
            rows.append(
                (
                    client,
                    f"{sum(not one.wrong for one in found)} of {len(found)}",
                    f"{statistics.median(seconds) * 1e3:,.0f} ms",
                    f"{max(seconds):.2f} s",
                    f"median {statistics.median(tries):g}, most {max(tries)}",
                )
            )
    table(heads, rows)
    mine = [one for client in MINE for one in matrix.of(client)]
    swaps = sum((one.tried, one.second) == (1, 1) for one in mine)
    print(f"\n{' and '.join(MINE)}:")
    print(f"  one attempt at each of the two in {swaps} of {len(mine)} cells;")
    print(f"  {sum(one.hidden for one in mine)} attempts without a lease of their own;")
    named = sum(not one.unnamed for one in mine)
    print(f"  the journal names the failure and the reason in {named} of {len(mine)}")


def print_faults(matrix: Matrix) -> None:
    """Finished, median seconds and most attempts at the first, fault by fault."""
    by: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in matrix.outcomes:
        by[one.cell.fault.name, one.cell.client].append(one)
    rows = []
    for fault in FAULTS:
        row = [fault.name]
        for client in CLIENTS:
            found = by[fault.name, client]
            row.append(_summary(found) if found else "-")
        rows.append(row)
    table(("fault", *CLIENTS), rows)


def _summary(found: Sequence[Outcome]) -> str:
    finished = sum(not one.wrong for one in found)
    median = statistics.median(one.seconds for one in found)
    most = max(one.tried for one in found)
    return f"{finished}/{len(found)}  {median:.2f} s  {most}x"


def print_unfinished(matrix: Matrix) -> None:
    """Every cell that is not as it should be, those that are alike on one line."""
    for client in CLIENTS:
        played = matrix.of(client)
        of_fault = Counter(one.cell.fault.name for one in played)
        alike: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for one in played:
            if complaint := _complaint(one):
                group = complaint if client in MINE else ""
                alike[one.cell.fault.name, group].append(one)
        if alike:
            print(f"\n{client}: not as it should be")
        for (fault, _), found in alike.items():
            everywhere = len(found) == of_fault[fault] > 1
            places = _places([one.cell for one in found])
            said = ", ".join(sorted({_complaint(one) for one in found}))
            print(f"  {fault}: {'everywhere' if everywhere else places}: {said}")
    if matrix.skipped:
        print("\nnot played, for want of time")
    for client, count in Counter(one.client for one in matrix.skipped).items():
        print(f"  {client}: {count} cells")


def _complaint(one: Outcome) -> str:
    if one.cell.client not in MINE:
        return one.wrong.partition(":")[0]
    attempts = "" if (one.tried, one.second) == (1, 1) else f"{one.tried}+{one.second}"
    hidden = f"{one.hidden} hidden" if one.hidden else ""
    return "; ".join(filter(None, (one.wrong, one.unnamed, attempts, hidden)))


def _places(found: Sequence[Cell]) -> str:
    """The families, and how the crews worked."""
    ways: dict[str, set[Way]] = defaultdict(set)
    for cell in found:
        ways[cell.family].add(cell.way)
    families: dict[str, list[str]] = defaultdict(list)
    for family in sorted(ways):
        named = [way.name for way in (*WAYS, *MORE_WAYS) if way in ways[family]]
        families[" + ".join(named)].append(family)
    return "; ".join(f"{', '.join(who)} ({how})" for how, who in families.items())


def main() -> int:
    """Play the matrix; the exit code is 1 when a cell of ours is not as it should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a part of it")
    quick = parser.parse_args().quick
    logging.disable(logging.CRITICAL)  # the peers tell every failure
    from crewai.events.event_bus import crewai_event_bus

    # CrewAI's own handlers tell every failure on the terminal.
    with crewai_event_bus.scoped_handlers(), redirect_stdout(io.StringIO()):
        matrix = measured(quick=quick)
    print_clients(matrix)
    print_faults(matrix)
    print_unfinished(matrix)
    missed = any(one.client in MINE for one in matrix.skipped)
    failed = any(_complaint(one) for client in MINE for one in matrix.of(client))
    return 1 if missed or failed else 0


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # a crew that is still trying would not hear of the end
