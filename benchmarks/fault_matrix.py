"""Who gets an answer when the first provider fails: every fault, family and way.

    uv run python benchmarks/fault_matrix.py [--quick]

The emulator plays nine provider families, each called over litellm's own code path for
it. In a cell the first deployment fails with one fault for as long as the cell lasts,
and the second, of another family, works. A cell is one call of an agent's LLM: ours is
a `TieredLLM` in a run of its own. Beside it, on the same kind of server and for one
family of each protocol: litellm's Router with a fallback, called directly, with its
default of 2 retries and with none; and a plain `crewai.LLM`, which has no second, once
with the same lasting fault and once with a fault that passes after one request.

A cell is finished when the whole answer came back as the server made it, or the tool
call. Attempts are what the emulator counted (for a refused connection: the connects of
this process). Of ours, each attempt must be a lease in the journal, and the journal
must name the class of the failure and, with the next deployment, the reason.

A cell that never ends is given up after some seconds, with its server and litellm's
HTTP clients: one that hangs in a pool of connections would take all others with it.

Ours is called in every way, the others with and without streaming; with --quick ours
in one way for each fault and family, by turns, and the others without streaming. Ours
and the Router without retries run alone. The others mostly sleep between their retries,
so theirs run side by side, which adds some tens of milliseconds.
"""

import argparse
import asyncio
import gc
import io
import json
import logging
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import httpx

import crew  # noqa: F401  before crewai and litellm: it keeps them off the network
from crew.loader import load_settings
from crew.rehearsal import rehearsing
from crew.settings import Deployment, Settings

MODELS = {
    "anthropic": "claude-sonnet-5",
    "deepseek": "deepseek-v4-flash",
    "gemini": "gemini-3.5-flash-lite",
    "groq": "openai/gpt-oss-120b",
    "mistral": "mistral-small-latest",
    "ollama_chat": "qwen3:8b",
    "openai": "gpt-5.6",
    "openrouter": "deepseek/deepseek-v4-flash-0731",
    "together_ai": "openai/gpt-oss-120b",
}
FAMILIES = tuple(MODELS)
COMPARED = ("openai", "anthropic", "gemini")
"""One family of each protocol, for the peers."""

TIMEOUT = 0.5
"""Seconds that a client waits for the provider that hangs."""
PATIENCE = 30.0
"""Seconds that a client waits for any other answer."""
RETRY_AFTER = 2.0
BOUND = 15.0
"""Seconds after which a cell of a peer counts as not finished."""
OUR_BOUND = 5.0
"""The same for ours, which has nothing to wait for but the timeout."""
HELLO = [{"role": "user", "content": "Say hello."}]
SAID = "A rehearsed answer."
LIST = {
    "type": "function",
    "function": {
        "name": "list_files",
        "description": "List the files of a directory.",
        "parameters": {
            "type": "object",
            "properties": {"directory": {"type": "string"}},
            "required": ["directory"],
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the first provider does. `order` is the emulator's name of it, `classes`
    the classes that the journal may name."""

    name: str
    order: str | None
    classes: tuple[str, ...]
    retry_after: float | None = None
    streamed_only: bool = False


def _fault(name: str, order: str | None, *classes: str, **fields: Any) -> Fault:
    return Fault(name=name, order=order, classes=classes, **fields)


FAULTS = (
    _fault(
        f"429, retry-after {RETRY_AFTER:g}",
        "rate_limit",
        "RateLimited",
        retry_after=RETRY_AFTER,
    ),
    _fault("429", "rate_limit", "RateLimited"),
    _fault("500", "server_error", "Overloaded"),
    _fault("502", "bad_gateway", "Overloaded"),
    _fault("503", "unavailable", "Overloaded"),
    _fault("529", "overloaded", "Overloaded"),
    _fault("out of capacity", "capacity", "Overloaded"),
    _fault("timeout", "timeout", "TimedOut"),
    _fault("reset", "reset", "BadAnswer"),
    _fault("refused", None, "Unreachable"),
    _fault("401", "unauthorized", "BadKey"),
    _fault("402", "payment_required", "OutOfMoney"),
    _fault("403", "forbidden", "BadKey"),
    _fault("404", "model_not_found", "ModelGone"),
    _fault("malformed", "malformed", "BadAnswer"),
    _fault("HTML", "html", "BadAnswer"),
    _fault("empty", "empty", "BadAnswer"),
    _fault("no choices", "no_choices", "BadAnswer"),
    _fault("error in a 200", "error_in_200", "BadAnswer", "Overloaded"),
    _fault("breaks off", "broken_stream", "BadAnswer"),
    _fault(
        "error in the stream",
        "error_in_stream",
        "BadAnswer",
        "Overloaded",
        streamed_only=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the LLM is called."""

    name: str
    stream: bool = False
    tools: bool = False
    awaited: bool = False

    @property
    def offered(self) -> list[Any] | None:
        return [LIST] if self.tools else None


CALL, STREAM, TOOLS, ASYNC = WAYS = (
    Way(name="call"),
    Way(name="stream", stream=True),
    Way(name="tools", tools=True),
    Way(name="async", awaited=True),
)
MORE_WAYS = (
    Way(name="tools, stream", tools=True, stream=True),
    Way(name="async, stream", awaited=True, stream=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One call: who makes it, how, and what the first provider does to it."""

    client: str
    fault: Fault
    family: str
    way: Way

    @property
    def second(self) -> str:
        """The family that works: the next in line."""
        return FAMILIES[(FAMILIES.index(self.family) + 1) % len(FAMILIES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a cell. `wrong` is empty when it finished; `unnamed` when the
    journal says what it should (peers keep none)."""

    cell: Cell
    seconds: float
    first: int
    second: int
    wrong: str
    hidden: int = 0
    unnamed: str = ""


# The server's side.


def configure(directory: Path) -> Path:
    """Write a configuration: one deployment of each family, without any limit, and a
    role whose chain begins with it."""
    lines = ["providers:"]
    for family in FAMILIES:
        lines.append(f"  {family}: {{api_key: '${{KEY}}', timeout: {PATIENCE:g}s}}")
    lines.append("deployments:")
    for family, model in MODELS.items():
        lines.append(
            f"  {family}: {{provider: {family}, model: '{family}/{model}', "
            "price: {input: 1, output: 2}, tools: true, context_window: 100_000, "
            "max_output: 8_000}"
        )
    _write(directory / "providers.yaml", lines)
    chains = [
        f"  from_{one}: [{one}, {FAMILIES[(at + 1) % len(FAMILIES)]}]"
        for at, one in enumerate(FAMILIES)
    ]
    _write(directory / "tiers.yaml", ["tiers:", *chains, "max_wait: 0s"])
    _write(
        directory / "agents.yaml",
        [
            f"{one}: {{role: {one}, goal: g, backstory: b, tier: from_{one}}}"
            for one in FAMILIES
        ],
    )
    task = f"description: test, expected_output: text, agent: {FAMILIES[0]}"
    _write(directory / "tasks.yaml", ["process: sequential", f"test: {{{task}}}"])
    return directory


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Connects:
    """How often this process tried to connect to a port."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            self._counts[arguments[1][1]] += 1

    def to(self, port: int) -> int:
        return self._counts[port]


class Lane:
    """A server with all families and a port where nobody is at home; one cell after
    the other."""

    def __init__(self, settings: Settings, connects: Connects) -> None:
        self._unplayed = settings
        self._connects = connects
        self._before = 0
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        self._closed = self._nobody.getsockname()[1]
        self._server = ExitStack()
        self.open()

    def open(self) -> None:
        """Start a server, in the place of the one before: what still hangs there
        ends, and nothing late is counted in the next cell."""
        self._server.close()
        self._runner = asyncio.Runner()
        self._played = self._server.enter_context(rehearsing(self._unplayed))
        first = next(iter(self._played.deployments.values()))
        self._root = str(httpx.URL(first.base_url or "").copy_with(path="/_control/"))

    def close(self) -> None:
        self._server.close()
        self._nobody.close()

    def run(self, waiting: Coroutine[Any, Any, object]) -> object:
        """Await it in the loop of this lane: in each new one the peers would make
        clients, and keep them open."""
        return self._runner.run(waiting)

    def begin(self, cell: Cell, *, times: int = 1000) -> Settings:
        """Order the cell's fault; the settings that it is called with."""
        self._ask("reset", {})
        self._before = self._connects.to(self._closed)
        fault = cell.fault
        if fault.order is not None:
            order = {"provider": cell.family, "fault": fault.order, "times": times}
            if fault.retry_after is not None:
                order["retry_after"] = fault.retry_after
            self._ask("faults", order)
        first = self._played.deployments[cell.family]
        if fault.order is None:
            path = httpx.URL(first.base_url or "").path
            first = replace(first, base_url=f"http://127.0.0.1:{self._closed}{path}")
        if fault.order == "timeout":
            first = replace(first, timeout=TIMEOUT)
        deployments = {**self._played.deployments, cell.family: first}
        return replace(self._played, deployments=deployments)

    def attempts(self, cell: Cell) -> tuple[int, int]:
        """Requests that reached the first and the second provider."""
        counted = self._ask("counters")
        first, second = (
            sum(one["requests"] for one in counted[family].values())
            for family in (cell.family, cell.second)
        )
        if cell.fault.order is None:
            first = self._connects.to(self._closed) - self._before
        return first, second

    def _ask(self, path: str, body: object = None) -> Any:
        """A control, each on a connection of its own: one that is kept is slow."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self._root + path, data, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def lanes(count: int) -> Iterator[list[Lane]]:
    """So many servers, each in a process of its own."""
    connects = Connects()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = {"KEY": "none", "CREW_STATE_DIR": str(home / "state")}
        settings = load_settings(configure(home), environ=environ)
        with ThreadPoolExecutor(4) as starting:
            made = list(starting.map(lambda _: Lane(settings, connects), range(count)))
        for lane in made:
            stack.callback(lane.close)
        yield made


# The clients.


def judged(answer: object, way: Way) -> str:
    """What is wrong with the answer."""
    if way.tools:
        text = str(answer)
        whole = "list_files" in text and "directory" in text
        return "" if whole else f"no tool call: {text[:60]!r}"
    return "" if answer == SAID else f"returned {str(answer)[:60]!r}"


def ours(lane: Lane, cell: Cell) -> Outcome:
    """One call of a TieredLLM, in a run of its own."""
    from crew.llm import TieredLLM
    from crew.run import Run

    settings = lane.begin(cell)
    # A run's own name is of the second and two bytes: of a thousand, some are twins.
    run = Run.open(settings, output=settings.state_dir, run_id=uuid4().hex)
    llm = TieredLLM.bound(run, settings.roles[cell.family])
    llm.stream = cell.way.stream
    # A new loop for each call is the hardest: clients of the old ones are left over.
    seconds, wrong, ended = bounded(
        lambda: _called(llm, cell.way, asyncio.run), cell, OUR_BOUND
    )
    first, second = lane.attempts(cell)
    calls = run.journal.calls(run.id)
    if ended:
        run.close()
    else:
        lane.open()
        _new_clients()
    leases = Counter(call.deployment for call in calls)
    known = leases[cell.family] + leases[cell.second] + (not ended)
    return Outcome(
        cell=cell,
        seconds=seconds,
        first=first,
        second=second,
        wrong=wrong,
        hidden=first + second - known,
        unnamed=_unnamed(cell, [(call.outcome, call.reason) for call in calls]),
    )


def _new_clients() -> None:
    """Let litellm make new HTTP clients: a call that hangs may hold the pool of the
    old ones, and the next cell would hang with it."""
    import litellm

    litellm.in_memory_llm_clients_cache = type(litellm.in_memory_llm_clients_cache)()
    for name in ("module_level_client", "module_level_aclient"):
        vars(litellm).pop(name, None)


def _called(llm: Any, way: Way, run: Callable[..., object]) -> object:
    if way.awaited:
        return run(llm.acall(HELLO, tools=way.offered))
    return llm.call(HELLO, tools=way.offered)


def _unnamed(cell: Cell, calls: Sequence[tuple[str, str]]) -> str:
    """What the journal does not say as it should."""
    outcomes = [outcome for outcome, _ in calls]
    if len(calls) != 2 or outcomes[0] not in cell.fault.classes:
        return f"journal: {', '.join(outcomes) or 'nothing'}"
    if not calls[1][1].startswith(f"{cell.family}: "):
        return f"journal: the reason is {calls[1][1]!r}"
    return ""


def plain(lane: Lane, cell: Cell, *, times: int = 1000) -> Outcome:
    """One call of CrewAI's own LLM, as its documentation has it."""
    from crewai import LLM

    first = lane.begin(cell, times=times).deployments[cell.family]
    address, seconds = str(first.base_url), first.timeout or PATIENCE
    named: dict[str, Any] = {"base_url": address, "timeout": seconds}
    if cell.family == "gemini":  # CrewAI passes on no address of Google's
        options = {
            "base_url": address.removesuffix("/v1beta"),
            "timeout": int(seconds * 1000),
        }
        named = {"client_params": {"http_options": options}}
    llm = LLM(model=first.model, api_key="none", stream=cell.way.stream, **named)
    return peer(lane, cell, lambda: _called(llm, cell.way, lane.run))


def routed(lane: Lane, cell: Cell, **options: int) -> Outcome:
    """One call of a Router with two model groups, the second the fallback."""
    import litellm

    chosen = lane.begin(cell).deployments
    groups = {"first": chosen[cell.family], "second": chosen[cell.second]}
    router = litellm.Router(
        [{"model_name": n, "litellm_params": _params(d)} for n, d in groups.items()],
        fallbacks=[{"first": ["second"]}],
        **options,
    )
    asked: dict[str, Any] = {"model": "first", "messages": HELLO}
    if cell.way.tools:
        # litellm 1.103 and later import mcp 2 here, which crewai excludes.
        asked |= {"tools": [LIST], "_skip_mcp_handler": True}
    if cell.way.awaited:
        return peer(lane, cell, lambda: lane.run(_routed_async(router, asked)))
    return peer(lane, cell, lambda: _routed_sync(router, asked, cell.way))


def _params(deployment: Deployment) -> dict[str, Any]:
    return {
        "model": deployment.model,
        "api_key": "none",
        "api_base": deployment.base_url,
        "timeout": deployment.timeout or PATIENCE,
    }


def _routed_sync(router: Any, asked: dict[str, Any], way: Way) -> object:
    answer = router.completion(**asked, stream=way.stream)
    if not way.stream:
        return _said(answer)
    deltas = [chunk.choices[0].delta.content for chunk in answer if chunk.choices]
    return "".join(delta or "" for delta in deltas)


async def _routed_async(router: Any, asked: dict[str, Any]) -> object:
    return _said(await router.acompletion(**asked))


def _said(answer: Any) -> object:
    message = answer.choices[0].message
    return message.tool_calls or message.content


def peer(
    lane: Lane, cell: Cell, call: Callable[[], object], bound: float = BOUND
) -> Outcome:
    seconds, wrong, ended = bounded(call, cell, bound)
    first, second = lane.attempts(cell)
    if not ended:
        lane.open()
        _new_clients()
    return Outcome(cell=cell, seconds=seconds, first=first, second=second, wrong=wrong)


def bounded(
    call: Callable[[], object], cell: Cell, bound: float
) -> tuple[float, str, bool]:
    """Make the call: its seconds, what is wrong, and whether it came to an end."""
    said: list[str] = []

    def run() -> None:
        try:
            said.append(judged(call(), cell.way))
        except Exception as error:  # whatever it is, the cell did not finish
            said.append(told(error))

    thread = threading.Thread(target=run, daemon=True)
    began = time.perf_counter()
    thread.start()
    thread.join(bound)
    seconds = time.perf_counter() - began
    wrong = said[0] if said else f"no end after {bound:g} s"
    return seconds, wrong, bool(said)


def told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:100]}"


Client = Callable[[Lane, Cell], Outcome]
OURS, ONCE = "crew", "plain CrewAI, fails once"
CLIENTS: dict[str, Client] = {
    OURS: ours,
    "Router, num_retries=0": lambda lane, cell: routed(lane, cell, num_retries=0),
    "Router, default": routed,
    "plain CrewAI": plain,
    ONCE: lambda lane, cell: plain(lane, cell, times=1),
}
ALONE = (OURS, "Router, num_retries=0")


# The matrix.


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


def a_quarter(played: Sequence[Cell]) -> list[Cell]:
    """Each family with each fault, in one of the ways by turns."""
    turns = {
        (fault, family): WAYS[(row + column) % len(WAYS)]
        for row, fault in enumerate(FAULTS)
        for column, family in enumerate(FAMILIES)
    }
    return [
        one
        for one in played
        if one.way is turns[one.fault, one.family] or one.fault.streamed_only
    ]


def measured(*, quick: bool) -> Matrix:
    """Play the whole matrix."""
    mine = cells(OURS, FAMILIES, (*WAYS, *MORE_WAYS))
    peer_ways, most = (CALL, STREAM), 200.0
    if quick:
        mine, peer_ways, most = a_quarter(cells(OURS, FAMILIES, WAYS)), (CALL,), 50.0
    matrix = Matrix()
    with lanes(10 if quick else 16) as opened:
        _warm_up(opened[0])
        matrix.say(f"{len(opened)} servers run; {OURS}")
        matrix.play(opened[:1], mine, until=most)
        _new_clients()
        gc.collect()  # the clients of hundreds of loops
        others = [name for name in CLIENTS if name not in ALONE]
        for client in ALONE[1:]:
            matrix.say(client)
            alone = cells(client, COMPARED, peer_ways)
            matrix.play(opened[:1], alone, until=1.25 * most)
        matrix.say(", ".join(others))
        slow = [one for name in others for one in cells(name, COMPARED, peer_ways)]
        matrix.play(opened, slow, until=1.7 * most)
        matrix.say("done")
    return matrix


def _warm_up(lane: Lane) -> None:
    """The first calls of a process import much; nobody is measured with that."""
    fine = Fault(name="none", order=None, classes=())
    for family in FAMILIES:
        for way in WAYS:
            ours(lane, Cell(client=OURS, fault=fine, family=family, way=way))
    for family in COMPARED:
        cell = Cell(client="", fault=fine, family=family, way=CALL)
        routed(lane, cell, num_retries=0)
        plain(lane, replace(cell, fault=replace(fine, order="bad_request")))


# The tables.


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [heads, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    print()
    for line in lines:
        padded = (one.ljust(w) for one, w in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def print_clients(matrix: Matrix) -> None:
    heads = ("client", "finished", "median", "worst", "attempts at the first")
    rows = []
    for client in CLIENTS:
        found = matrix.of(client)
        if found:
            seconds = [one.seconds for one in found]
            firsts = [one.first for one in found]
            rows.append(
                (
                    client,
                    f"{sum(not one.wrong for one in found)} of {len(found)}",
                    f"{statistics.median(seconds) * 1e3:,.0f} ms",
                    f"{max(seconds):.2f} s",
                    f"median {statistics.median(firsts):g}, most {max(firsts)}",
                )
            )
    table(heads, rows)
    mine = matrix.of(OURS)
    swaps = sum((one.first, one.second) == (1, 1) for one in mine)
    print(f"\n{OURS}: one attempt at each of the two in {swaps} of {len(mine)} cells;")
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
    most = max(one.first for one in found)
    return f"{finished}/{len(found)}  {median:.2f} s  {most}x"


def print_unfinished(matrix: Matrix) -> None:
    """Every cell that is not as it should be, those that are alike on one line."""
    for client in CLIENTS:
        alike: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for one in matrix.of(client):
            if complaint := _complaint(one):
                group = complaint if client == OURS else ""
                alike[one.cell.fault.name, group].append(one)
        if alike:
            print(f"\n{client}: not as it should be")
        for (fault, _), found in alike.items():
            said = ", ".join(sorted({_complaint(one) for one in found}))
            print(f"  {fault}: {_places([one.cell for one in found])}: {said}")
    if matrix.skipped:
        print("\nnot played, for want of time")
    for client, count in Counter(one.client for one in matrix.skipped).items():
        print(f"  {client}: {count} cells")


def _complaint(one: Outcome) -> str:
    if one.cell.client != OURS:
        return one.wrong.partition(":")[0]
    attempts = "" if (one.first, one.second) == (1, 1) else f"{one.first}+{one.second}"
    hidden = f"{one.hidden} hidden" if one.hidden else ""
    return "; ".join(filter(None, (one.wrong, one.unnamed, attempts, hidden)))


def _places(found: Sequence[Cell]) -> str:
    """The families, and how they were called."""
    ways: dict[str, list[str]] = defaultdict(list)
    for cell in found:
        ways[cell.family].append(cell.way.name)
    families: dict[str, list[str]] = defaultdict(list)
    for family, named in ways.items():
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
    mine = matrix.of(OURS)
    missed = any(one.client == OURS for one in matrix.skipped)
    return 1 if missed or any(_complaint(one) for one in mine) else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a call that is still trying would not hear of the end
