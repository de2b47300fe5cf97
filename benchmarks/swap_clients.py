"""The clients of benchmarks/swap.py: litellm alone, its Router, and where ours begins.

Each is made in a process of its own, because litellm keeps its callbacks and switches
for a whole process, and makes one call whenever it is told to.
"""

import asyncio
import gc
import io
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from noting_server import FINE, PATHS, moments

import crew  # noqa: F401  before crewai and litellm: it keeps them off the network

MODELS = {
    "openai": "gpt-4.1",
    "anthropic": "claude-sonnet-5",
    "gemini": "gemini-3.5-flash-lite",
    "groq": "openai/gpt-oss-120b",
}
FAMILIES = tuple(PATHS)
FAULTS = ("429", "500", "reset", "refused", "error", "cut")
STREAMED_ONLY = ("error", "cut")
SECONDS = 30.0
_SAID = "The orders API gives all orders at once, and somebody has 40,000 of them. " * 8
MESSAGES = [
    {"role": "system", "content": "You are a software engineer. " * 40},
    {"role": "user", "content": f"Add pagination to the orders API. {_SAID}"},
    {"role": "assistant", "content": f"I read the code first. {_SAID}"},
    {"role": "user", "content": f"Here it is. {_SAID}"},
    {"role": "assistant", "content": f"I would give each page a token. {_SAID}"},
    {"role": "user", "content": f"Go on. {_SAID}"},
]
"""A conversation of some 4,000 characters, as an agent has it after a few steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call of the client with this name. `family` is the first deployment's; with
    a fault, the next family's works."""

    client: str
    family: str
    fault: str = FINE
    stream: bool = False
    awaited: bool = False

    def by(self, client: str) -> "Order":
        return replace(self, client=client)

    @property
    def way(self) -> str:
        return f"{'streamed' if self.stream else 'whole'}, " + (
            "async" if self.awaited else "sync"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Moments of the monotonic clock: when the call began, when the first failure left
    the server, when the next request was there, when the first words were with the
    transport and with whoever listens."""

    began: float
    failed: float | None
    arrived: float
    heard: float = 0.0
    chunk: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The server's address, a port where nobody listens, a directory to write in."""

    root: str
    closed: int
    directory: Path

    def base_url(self, family: str, fault: str) -> str:
        """Where a family fails in one way, or answers."""
        root = f"http://127.0.0.1:{self.closed}" if fault == "refused" else self.root
        return f"{root}/{fault}/{family}/{PATHS[family]}".rstrip("/")


Client = Callable[[Order], Sample | None]
"""Makes one call; None when no answer came of it."""
Clients = Mapping[str, Client]
"""The clients of one process, by their names."""


class Refusals:
    """When this process tried to connect to the port where nobody listens: there is
    no server that could note it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.first = 0.0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and arguments[1][1] == self._port:
            self.first = self.first or time.perf_counter()


def following(family: str) -> str:
    """The family that works, where this one fails."""
    return FAMILIES[(FAMILIES.index(family) + 1) % len(FAMILIES)]


class Stand:
    """What the clients of a process share. One event loop: litellm streams from some
    families with one HTTP client for all loops, which two cannot use by turns."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._refusals = Refusals(places.closed)
        self._marks: dict[str, float] = {}
        self._loop = asyncio.Runner()

    def mark(self, name: str) -> None:
        """Note that the first words are here."""
        self._marks.setdefault(name, time.perf_counter())

    def take(
        self,
        order: Order,
        call: Callable[[], str],
        acall: Callable[[], Coroutine[Any, Any, str]],
    ) -> Sample:
        """Make a call; its answer tells the server's moments."""
        self._marks.clear()
        self._refusals.first = 0.0
        began = time.perf_counter()
        text = self._loop.run(acall()) if order.awaited else call()
        failed, arrived = moments(text, began)
        if order.fault == "refused":
            failed = self._refusals.first
        return Sample(began=began, failed=failed, arrived=arrived, **self._marks)


def _parameters(places: Places, family: str, fault: str = FINE) -> dict[str, Any]:
    return {
        "model": f"{family}/{MODELS[family]}",
        "api_key": "none",
        "api_base": places.base_url(family, fault),
        "timeout": SECONDS,
        "max_retries": 0,
    }


def bare(stand: Stand) -> Clients:
    """litellm alone, and with the least that a swap can be: try one, and where that
    raises, the other."""
    import litellm

    litellm.suppress_debug_info = True
    asked = {
        (family, fault): _parameters(stand.places, family, fault)
        for family in FAMILIES
        for fault in (FINE, *FAULTS)
    }

    def alone(order: Order) -> list[Asked]:
        return [asked[order.family, order.fault]]

    def by_hand(order: Order) -> list[Asked]:
        return [*alone(order), asked[following(order.family), FINE]]

    def client(asking: Callable[[Order], list[Asked]]) -> Client:
        return Peer(
            stand=stand,
            complete=litellm.completion,
            acomplete=litellm.acompletion,
            asking=asking,
        )

    return {"litellm": client(alone), "by hand": client(by_hand)}


def router(stand: Stand) -> Clients:
    """litellm's Router: a group of one deployment for each way to fail, and the next
    family's for its fallback."""
    import litellm

    litellm.suppress_debug_info = True
    groups = [(family, fault) for family in FAMILIES for fault in (FINE, *FAULTS)]
    made = litellm.Router(
        [
            {
                "model_name": f"{family}-{fault}",
                "litellm_params": _parameters(stand.places, family, fault),
            }
            for family, fault in groups
        ],
        fallbacks=[
            {f"{family}-{fault}": [f"{following(family)}-{FINE}"]}
            for family, fault in groups
        ],
        num_retries=0,
    )

    def asking(order: Order) -> list[Asked]:
        return [{"model": f"{order.family}-{order.fault}"}]

    client = Peer(
        stand=stand,
        complete=made.completion,
        acomplete=made.acompletion,
        asking=asking,
    )
    return {"Router": client}


Asked = Mapping[str, Any]
"""The arguments of one request to litellm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A client that asks in litellm's way, one after the other until there is an
    answer, and reads that to its end."""

    stand: Stand
    complete: Callable[..., Any]
    acomplete: Callable[..., Any]
    asking: Callable[[Order], Sequence[Asked]]

    def __call__(self, order: Order) -> Sample | None:
        try:
            return self.stand.take(
                order, lambda: self._text(order), lambda: self._atext(order)
            )
        except (NoAnswer, ValueError):  # ValueError: half an answer, taken for all
            return None

    def _text(self, order: Order) -> str:
        for asked in self.asking(order):
            with suppress(Exception):  # whatever it is, the next one is asked
                answer = self.complete(messages=MESSAGES, stream=order.stream, **asked)
                if order.stream:
                    return "".join(self._read(chunk) for chunk in answer)
                return str(answer.choices[0].message.content)
        raise NoAnswer

    async def _atext(self, order: Order) -> str:
        for asked in self.asking(order):
            with suppress(Exception):  # as above
                answer = await self.acomplete(
                    messages=MESSAGES, stream=order.stream, **asked
                )
                if order.stream:
                    return "".join([self._read(chunk) async for chunk in answer])
                return str(answer.choices[0].message.content)
        raise NoAnswer

    def _read(self, chunk: Any) -> str:
        said = (chunk.choices[0].delta.content if chunk.choices else None) or ""
        if said:
            self.stand.mark("chunk")
            self.stand.mark("heard")
        return said


class NoAnswer(Exception):
    """Nobody gave one."""


Make = Callable[[Places], Clients]


def make_bare(places: Places) -> Clients:
    return bare(Stand(places))


def make_router(places: Places) -> Clients:
    return router(Stand(places))


# Imported where they are made: the others go without CrewAI.


def make_ours(places: Places) -> Clients:
    from swap_ours import ours

    return ours(places, name="crew")


def make_ours_in_memory(places: Places) -> Clients:
    from swap_ours import ours

    return ours(places, name="crew, in memory", store_url="memory:")


def make_beside(places: Places) -> Clients:
    from swap_ours import beside

    return beside(places)


def work(make: Make, places: Places, pipe: Connection) -> None:
    """A process: makes the clients, and a call whenever it is told to; told nothing,
    it takes what there is for what will stay.

    Garbage is collected between the calls. The peers leave streams behind, and one that
    is collected while httpcore holds the lock of its pool waits for that for ever.
    """
    logging.disable(logging.CRITICAL)  # litellm tells every failure
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        clients = make(places)
        gc.disable()
        gc.freeze()  # to look through all modules after each call takes long
        pipe.send(list(clients))
        while True:
            order = pipe.recv()
            if order is None:
                gc.freeze()
            else:
                found = clients[order.client](order)
                gc.collect()
                pipe.send(found)
