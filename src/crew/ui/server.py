"""The server: on loopback, silent, and gone at the first signal."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread

import uvicorn
from starlette.types import ASGIApp

from crew.ui.gate import HOST

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BACKLOG = 64


def listening(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes a free one. Raises OSError."""
    return socket.create_server((HOST, port), backlog=_BACKLOG)


class Server(uvicorn.Server):
    """Serves on a socket until a signal, or `stop`. `ending` is called first, so that
    streams end."""

    def __init__(self, app: ASGIApp, ending: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                # Its lines would hold addresses, and with them the token.
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._ending = ending

    def serve_on(
        self,
        bound: socket.socket,
        *,
        ready: Callable[[], None] = lambda: None,
        beside: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Serve until stopped; `beside` works meanwhile, and `ready` is called when
        connections are accepted, which they are at once."""

        async def work() -> None:
            worker = asyncio.ensure_future(beside()) if beside else None
            ready()
            try:
                await self.serve(sockets=[bound])
            finally:
                if worker is not None:
                    worker.cancel()
                    with suppress(asyncio.CancelledError):
                        await worker

        asyncio.run(work())

    def stop(self) -> None:
        """End soon; any thread may ask for it."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, and then everything."""
        self._ending()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at the first signal, at once at a second one. The original would then
        send them again, as if the process had been killed."""
        if current_thread() is not main_thread():  # signals are out of reach there
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in before.items():
            if handler != signal.SIG_IGN:  # as under nohup
                signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)
