"""The emulator's server: on loopback, quiet, and gone when its parent is."""

import asyncio
import json
import socket
import sys
from contextlib import suppress
from typing import TextIO

import uvicorn
from starlette.types import ASGIApp

_HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """Says its port on `out` once it accepts connections."""

    def __init__(self, config: uvicorn.Config, out: TextIO) -> None:
        super().__init__(config)
        self._out = out

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            self._out.write(json.dumps({"port": sockets[0].getsockname()[1]}) + "\n")
            self._out.flush()


class _Parent(asyncio.Protocol):
    """Stops the server when the other end of our stdin is closed."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.should_exit = True
        self._server.force_exit = True


def serve(app: ASGIApp, *, port: int, with_parent: bool) -> None:
    """Serve on 127.0.0.1 until asked to stop. Port 0 takes any free one."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        # After uvicorn's 5 s, on a busy machine, a client may send into the closing.
        timeout_keep_alive=600,
    )
    server = _Server(config, sys.stdout)

    async def run() -> None:
        if with_parent:
            loop = asyncio.get_running_loop()
            await loop.connect_read_pipe(lambda: _Parent(server), sys.stdin)
        await server.serve(sockets=[bound])

    with (
        socket.create_server((_HOST, port), backlog=1024) as bound,
        suppress(KeyboardInterrupt),
    ):
        asyncio.run(run())
