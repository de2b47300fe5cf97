"""What telemetry costs a call: the listener's time beside that of a call.

    uv run python benchmarks/telemetry.py

Each call is two events through a run's progress, to a real OTLP receiver on loopback
that reads and drops what comes; once without and once with telemetry, in turns. The
call beside it is the fastest one there is: a request over HTTP on loopback.
"""

import os
import statistics
import threading
import time
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from crew.progress.events import CallBegun, CallEnded, RunBegun, RunEnded
from crew.progress.progress import Progress
from crew.settings.loader import load_settings
from crew.telemetry import telemetry

ROUNDS, CALLS = 9, 2_000


class _Drop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _per_call(progress: Progress) -> float:
    """Microseconds of the run's own thread."""
    progress.publish(RunBegun(request="x"))
    began = time.thread_time()
    for _ in range(CALLS):
        progress.publish(CallBegun(task="code", role="coder", deployment="glm-free"))
        progress.publish(
            CallEnded(
                task="code",
                role="coder",
                deployment="glm-free",
                outcome="ok",
                seconds=1.0,
                input_tokens=1000,
                output_tokens=100,
                cost_usd=Decimal(0),
                senior_usd=Decimal("0.01"),
            )
        )
    spent = time.thread_time() - began
    progress.publish(RunEnded(status="done"))
    return spent / CALLS * 1e6


def _request(url: str) -> float:
    """Microseconds of a request."""
    began = time.perf_counter()
    urllib.request.urlopen(urllib.request.Request(url, data=b"{}")).read()
    return (time.perf_counter() - began) * 1e6


def main() -> None:
    """Print the medians."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Drop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
    settings = load_settings(Path(__file__).parents[1] / "config")
    found = telemetry(settings, os.environ, print)
    assert found is not None
    off, on = [], []
    for _ in range(ROUNDS):
        off.append(_per_call(Progress("r", listeners=[lambda event: None])))
        on.append(_per_call(Progress("r", listeners=[found])))
    request = statistics.median(_request(url) for _ in range(200))
    cost = statistics.median(on) - statistics.median(off)
    print(f"without telemetry: {statistics.median(off):.0f} us a call")
    print(f"with telemetry:    {statistics.median(on):.0f} us a call")
    print(f"a request on loopback takes {request:.0f} us")
    for seconds in (0.02, 0.5, 5.0):
        share = cost / (seconds * 1e6)
        print(f"share of a call of {seconds} s: {share:.2%}")


if __name__ == "__main__":
    main()
