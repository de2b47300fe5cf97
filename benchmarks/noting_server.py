"""A provider on loopback that fails on order and notes when what reaches the wire.

The first part of a path is the fault, the second the family whose protocol is spoken:
`/429/anthropic/v1/messages`. Under the fault `fine` the answer's text is moments of
this machine's monotonic clock: when the failures since the last answer went out, and at
last when this request had come in as a whole. So the caller knows how long a swap
took and asks nobody. One client at a time.

It stands beside the emulator for the time between a byte and its note: it writes to
the socket itself, where uvicorn and starlette under the emulator would add their own
milliseconds to differences of less than one. What it writes comes from the emulator's
protocols.
"""

import json
import socket
import socketserver
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from crew.emulator.families.registry import family as played
from crew.emulator.protocols.anthropic import Messages
from crew.emulator.protocols.gemini import GenerateContent
from crew.emulator.protocols.openai import ChatCompletions
from crew.emulator.protocols.wire import Completion, Wire
from crew.emulator.script import Answer

PATHS = {"openai": "v1", "anthropic": "", "gemini": "v1beta", "groq": "openai/v1"}
"""The families, and where litellm expects each below its address."""
WIRES: dict[str, Wire] = {
    "openai": ChatCompletions(),
    "anthropic": Messages(),
    "gemini": GenerateContent(),
    "groq": ChatCompletions(),
}
FINE = "fine"
_STATUSES = {"429": (429, "rate_limit_exceeded"), "500": (500, "server_error")}
_PAUSE = 0.005
"""Seconds between the first words of a stream and its failure: the client has long
read them by then."""


class Notes:
    """When failures went out that no answer has told yet."""

    def __init__(self) -> None:
        self._failed: list[float] = []

    def fail(self) -> None:
        self._failed.append(time.perf_counter())

    def reported(self, arrived: float) -> str:
        reported = [*self._failed, arrived]
        self._failed.clear()
        # More than one piece of a stream, however long the machine has been up.
        return " ".join(f"{one:025.9f}" for one in reported)


def moments(text: str, since: float) -> tuple[float | None, float]:
    """When the first failure after `since` went out, and when the request was in, as
    an answer tells."""
    *failed, arrived = map(float, text.split())
    return min((one for one in failed if one >= since), default=None), arrived


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.notes = Notes()
        super().__init__(("127.0.0.1", 0), Provider)


class Provider(socketserver.StreamRequestHandler):
    """One connection, which is kept open from request to request."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client that hangs up is no news
            self._serve()

    def _serve(self) -> None:
        while line := self.rfile.readline():
            size, more = 0, self.rfile.readline()
            while more.strip():
                name, _, value = more.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
                more = self.rfile.readline()
            body = json.loads(self.rfile.read(size))
            arrived = time.perf_counter()
            path = line.split()[1].decode()
            _, fault, family, *rest = path.split("/")
            stream = body.get("stream") or "streamGenerateContent" in rest[-1]
            if not self._answered(fault, family, bool(stream), arrived):
                return

    def _answered(self, fault: str, family: str, stream: bool, arrived: float) -> bool:
        """Answer, well or badly; whether the connection is still good."""
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)  # closing sends a RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.server.notes.fail()
            self.connection.close()
            return False
        wire = WIRES[family]
        if fault in _STATUSES:
            status, code = _STATUSES[fault]
            refusal = wire.sealed(
                played(family).failure(status, code, "Come back later."), 1
            )
            headers = {**refusal.headers, "retry-after": "20"}
            answer = _whole(json.dumps(refusal.body).encode(), status, headers)
            self.server.notes.fail()
            self.connection.sendall(answer)
            return True
        text = "These words " * 4
        if fault == FINE:
            text = self.server.notes.reported(arrived)
        made = _completion(family, text)
        if not stream:
            self.connection.sendall(_whole(json.dumps(wire.whole(made)).encode()))
            return True
        frames = list(wire.frames(made))
        head = _head(200, {"transfer-encoding": "chunked"}, wire.stream_type)
        words = wire.until_words
        self.connection.sendall(head + _chunk(b"".join(frames[:words])))
        if fault == FINE:
            rest = b"".join([*frames[words:], wire.closing])
            self.connection.sendall(_chunk(rest) + _chunk(b""))
            return True
        time.sleep(_PAUSE)
        self.server.notes.fail()
        if fault == "error":
            error = wire.error_frame(made) + wire.closing
            self.connection.sendall(_chunk(error) + _chunk(b""))
        return fault == "error"


def _completion(family: str, text: str) -> Completion:
    return Completion(
        number=1,
        created=1.0,
        model="m",
        variant=played(family),
        answers=(Answer(text=text),),
        input_tokens=2_000,
        output_tokens=12,
        include_usage=True,
    )


def _head(status: int, headers: dict[str, str], kind: str) -> bytes:
    named = {"content-type": kind, **headers}
    lines = [f"{name}: {value}\r\n" for name, value in named.items()]
    return f"HTTP/1.1 {status} Said\r\n{''.join(lines)}\r\n".encode()


def _whole(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> bytes:
    named = {"content-length": str(len(body)), **(headers or {})}
    return _head(status, named, "application/json") + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _serve(pipe: Connection) -> None:
    with Server() as server:
        pipe.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def noting() -> Iterator[str]:
    """Run the server in a process of its own; yields its root address."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs,), daemon=True)
    child.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        child.terminate()
        child.join()
