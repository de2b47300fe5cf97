"""What a cell of the fault matrix is, and the server that it is played on."""

import json
import os
import re
import socket
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from crew.runs.rehearsal import rehearsing
from crew.settings import Settings
from crew.settings.loader import load_settings

MODELS = {
    "anthropic": "claude-sonnet-5",
    "deepseek": "deepseek-v4-flash",
    "gemini": "gemini-3.5-flash-lite",
    "groq": "openai/gpt-oss-120b",
    "mistral": "mistral-small-latest",
    "ollama_chat": "qwen3:8b",
    "openai": "gpt-4.1",
    "openrouter": "deepseek/deepseek-v4-flash-0731",
    "together_ai": "openai/gpt-oss-120b",
}
FAMILIES = tuple(MODELS)

TIMEOUT = 0.5
"""Seconds that a client waits for the provider that hangs."""
PATIENCE = 30.0
"""Seconds that a client waits for any other answer."""
RETRY_AFTER = 2.0


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
    _fault("filler only", "keep_alive", "TimedOut"),
    _fault("reset", "reset", "BadAnswer"),
    _fault("refused", None, "Unreachable"),
    _fault("401", "unauthorized", "BadKey"),
    _fault("402", "payment_required", "OutOfMoney"),
    _fault("403", "forbidden", "BadKey"),
    _fault("404", "model_not_found", "ModelGone"),
    _fault("400", "bad_request", "BadRequest"),
    _fault("too long", "context_length", "ContextTooLong"),
    _fault("content refused", "content_policy", "ContentRefused"),
    _fault("malformed", "malformed", "BadAnswer"),
    _fault("HTML", "html", "Blocked"),
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
    """How the crew works."""

    name: str
    stream: bool = False
    tools: bool = False
    awaited: bool = False

    @property
    def spared(self) -> int:
        """How many requests pass before the fault: with tools it hits the second,
        which tells what the tool said."""
        return int(self.tools)


WAYS = (
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
    """One crew: whose LLM it has, how it works, and what the first provider does to
    it."""

    client: str
    fault: Fault
    family: str
    way: Way

    @property
    def second(self) -> str:
        """The family that works: the next in line."""
        return FAMILIES[(FAMILIES.index(self.family) + 1) % len(FAMILIES)]


def configure(directory: Path) -> Path:
    """Write a configuration: one deployment of each family, without any limit, a
    chain that begins with it, and one role with one task."""
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
    role = f"role: Tester, goal: Test, backstory: Tests., tier: from_{FAMILIES[0]}"
    _write(directory / "agents.yaml", [f"tester: {{{role}}}"])
    task = "description: Say hello., expected_output: A greeting, agent: tester"
    _write(directory / "tasks.yaml", ["process: sequential", f"hello: {{{task}}}"])
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


class Nobody:
    """A port where nobody is at home."""

    def __init__(self) -> None:
        self._taken = self._bound()  # so that no other gets the port
        self.port = int(self._taken.getsockname()[1])

    def close(self) -> None:
        self._taken.close()

    def after_one(self, server: int) -> None:
        """Pass one request on to the server's port before that."""
        listening = self._bound(self.port)
        listening.listen()
        listening.settimeout(PATIENCE)
        Thread(target=_pass_on, args=(listening, server), daemon=True).start()

    def _bound(self, port: int = 0) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", port))
        return bound


def _pass_on(listening: socket.socket, server: int) -> None:
    with listening:
        client, _ = listening.accept()
    with client, socket.create_connection(("127.0.0.1", server)) as other:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(65536)
        # What comes next needs a connection of its own, so that it is refused.
        request = re.sub(rb"(?im)^connection:[^\r]*", b"Connection: close", request)
        head, _, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        other.sendall(request)
        missing = (int(length[1]) if length else 0) - len(body)
        while missing > 0 and (more := client.recv(65536)):
            other.sendall(more)
            missing -= len(more)
        while answer := other.recv(65536):
            client.sendall(answer)


class Lane:
    """A server with all families, for one cell after the other."""

    def __init__(self, settings: Settings, connects: Connects) -> None:
        self._unplayed = settings
        self._connects = connects
        self._nobody, self._before = Nobody(), 0
        self._server = ExitStack()
        self.open()

    def open(self) -> None:
        """Start a server, in the place of the one before: what still hangs there
        ends, and nothing late is counted in the next cell."""
        self._server.close()
        self._played = self._server.enter_context(rehearsing(self._unplayed))
        first = next(iter(self._played.deployments.values()))
        root = httpx.URL(first.base_url or "")
        self._port = root.port or 0
        self._controls = str(root.copy_with(path="/_control/"))

    def close(self) -> None:
        self._server.close()
        self._nobody.close()

    def begin(self, cell: Cell, *, times: int = 1000) -> Settings:
        """Order the cell's fault; the settings that its crew works with."""
        self._ask("reset", {})
        fault, spared = cell.fault, cell.way.spared
        first = self._played.deployments[cell.family]
        if fault.order is None:
            self._before = self._connects.to(self._nobody.port)
            if spared:
                self._nobody.after_one(self._port)
            url = httpx.URL(first.base_url or "").copy_with(port=self._nobody.port)
            first = replace(first, base_url=str(url))
        else:
            order: dict[str, Any] = {
                "provider": cell.family,
                "fault": fault.order,
                "times": times,
                "after": spared,
            }
            if fault.retry_after is not None:
                order["retry_after"] = fault.retry_after
            self._ask("faults", order)
        if fault.order in ("timeout", "keep_alive"):
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
            first = self._connects.to(self._nobody.port) - self._before
        return first, second

    def _ask(self, path: str, body: object = None) -> Any:
        """A control, each on a connection of its own: one that is kept is slow."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self._controls + path, data, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def lanes(count: int) -> Iterator[list[Lane]]:
    """So many servers, each in a process of its own."""
    connects = Connects()
    with ExitStack() as stack:
        # A call that was given up may still write there.
        scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        home = Path(stack.enter_context(scratch))
        environ = {"KEY": "none", "CREW_STATE_DIR": str(home / "state")}
        os.environ["CREWAI_STORAGE_DIR"] = str(home / "crewai")
        settings = load_settings(configure(home), environ=environ)
        with ThreadPoolExecutor(4) as starting:
            made = list(starting.map(lambda _: Lane(settings, connects), range(count)))
        for lane in made:
            stack.callback(lane.close)
        yield made
