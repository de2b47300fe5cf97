"""What the guard costs per call, as a ratio to one bare `litellm.completion`.

    uv run python benchmarks/guard_cost.py

One call is a reservation and its settlement over 5 limits of 3 pools. The completion
goes to an HTTP server on loopback that answers at once. All figures are medians of
one run on one machine; the ratios are what counts.
"""

import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import crew  # noqa: F401  first: it keeps litellm off the network

# isort: split
import litellm

from crew.clock import SystemClock
from crew.quota import open_store
from crew.quota.limits import Pool, Refusal, Usage, parse_limit
from crew.quota.store import Store

CALLS = 2_000
PROCESSES = 4
ESTIMATE = Usage(input_tokens=900, output_tokens=400, usd=Decimal("0.002"))
ACTUAL = Usage(input_tokens=880, output_tokens=310, usd=Decimal("0.0018"))


def pools() -> list[Pool]:
    """A provider, a deployment and the budget, with room for every call."""
    written = {
        "provider:p": ["10M requests/minute", "900B input_tokens/minute"],
        "deployment:d": ["900B output_tokens/minute", "10M requests/day @ UTC"],
        "budget": ["1M usd/month @ UTC"],
    }
    return [
        Pool(name=name, limits=tuple(parse_limit(text) for text in texts))
        for name, texts in written.items()
    ]


def timed(step: Callable[[], None], times: int) -> list[float]:
    """Seconds that each of `times` steps took."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        taken.append(time.perf_counter() - began)
    return taken


def call_on(store: Store) -> Callable[[], None]:
    drawn = pools()

    def step() -> None:
        got = store.reserve(drawn, ESTIMATE, lease_seconds=60)
        assert not isinstance(got, Refusal)
        store.settle(got, ACTUAL)

    return step


def on_store(url: str, times: int) -> list[float]:
    store = open_store(url, SystemClock())
    step = call_on(store)
    timed(step, 100)
    taken = timed(step, times)
    store.close()
    return taken


def in_a_process(url: str, queue: "multiprocessing.Queue[list[float]]") -> None:
    queue.put(on_store(url, CALLS // PROCESSES))


def four_processes(url: str) -> list[float]:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[list[float]] = context.Queue()
    workers = [
        context.Process(target=in_a_process, args=(url, queue))
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    taken = [seconds for _ in workers for seconds in queue.get()]
    for worker in workers:
        worker.join()
    return taken


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
        body = json.dumps(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def bare_completion(times: int) -> list[float]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def step() -> None:
        litellm.completion(
            model="openai/m",
            messages=[{"role": "user", "content": "Say hello."}],
            api_key="none",
            api_base=f"http://127.0.0.1:{server.server_port}/v1",
            max_retries=0,
        )

    timed(step, 20)
    taken = timed(step, times)
    server.shutdown()
    return taken


def main() -> None:
    """Measure and print the ratios."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory) / 'quota.db'}"
        base = statistics.median(bare_completion(300))
        print(f"one bare litellm.completion on loopback: {base * 1e6:,.0f} us = 1")
        rows = {
            "in memory": on_store("memory:", CALLS),
            "SQLite, one process": on_store(url, CALLS),
            f"SQLite, {PROCESSES} processes at once": four_processes(url),
        }
        for name, taken in rows.items():
            median = statistics.median(taken)
            print(f"reserve + settle, {name:<28} {median / base:7.1%}", end="")
            print(f"  ({median * 1e6:,.0f} us)")


if __name__ == "__main__":
    sys.exit(main())
