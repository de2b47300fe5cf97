"""What the tests of the emulator build on: settings by hand, and its two doors."""

import asyncio
import base64
import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from PIL import Image

from crew.clock import Clock, ManualClock
from crew.emulator.app import build_app
from crew.quota.limit_syntax import parse_limit
from crew.settings import Deployment, Price, Provider, Settings
from hangs import HANGS_AFTER

HELLO = [{"role": "user", "content": "Say hello."}]


def make_settings(
    provider: str = "openai",
    *limits: str,
    classes: dict[str, Sequence[str]] | None = None,
    deployments: Sequence[dict[str, Any]] = ({"name": "slot"},),
    plan: str | None = None,
) -> Settings:
    """One provider with these limits and deployments."""
    account = Provider(
        name=provider,
        limits=tuple(parse_limit(text) for text in limits),
        classes={
            name: tuple(parse_limit(text) for text in texts)
            for name, texts in (classes or {}).items()
        },
        plan=plan,
    )
    built = {}
    for given in deployments:
        values: dict[str, Any] = {"vision": True, **given}
        values["limits"] = tuple(parse_limit(t) for t in given.get("limits", ()))
        values.setdefault("model", f"{provider}/vendor/{given['name']}-1")
        built[given["name"]] = Deployment(provider=account, **values)
    return Settings(
        config_dir=Path("config"),
        state_dir=Path(".crew"),
        store_url="",
        user="u",
        team="t",
        providers={provider: account},
        deployments=built,
        tiers={},
        routing={},
        roles={},
        tasks={},
    )


def price(input_usd: str, output_usd: str) -> Price:
    """Dollars for one million tokens."""
    return Price(input=Decimal(input_usd), output=Decimal(output_usd))


class Desk:
    """A client of an emulator with one provider."""

    def __init__(self, client: httpx.AsyncClient, provider: str) -> None:
        self.client = client
        self.provider = provider

    async def ask(
        self, model: str = "slot", messages: object = HELLO, **more: object
    ) -> httpx.Response:
        """One chat-completions request."""
        body = {"model": model, "messages": messages, **more}
        path = f"/{self.provider}/v1/chat/completions"
        return await self.client.post(path, json=body)

    async def statuses(self, times: int, **more: Any) -> list[int]:
        """The statuses of several requests, one after the other."""
        return [(await self.ask(**more)).status_code for _ in range(times)]

    async def order(self, fault: str, **more: object) -> httpx.Response:
        """Order a fault."""
        body = {"provider": self.provider, "fault": fault, **more}
        return await self.client.post("/_control/faults", json=body)

    async def counts(self, deployment: str = "slot") -> dict[str, int]:
        """The counters of one deployment."""
        counters = (await self.client.get("/_control/counters")).json()
        found: dict[str, int] = counters[self.provider][deployment]
        return found


@asynccontextmanager
async def in_process(
    settings: Settings, clock: Clock | None = None, **more: Any
) -> AsyncIterator[Desk]:
    """An emulator without a server."""
    app = build_app(settings, clock or ManualClock(), **more)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1"
    ) as client:
        yield Desk(client, next(iter(settings.providers)))


@contextmanager
def served(settings: Settings, clock: Clock | None = None) -> Iterator[str]:
    """An emulator behind a real server in a thread; yields its address."""
    config = uvicorn.Config(
        build_app(settings, clock or ManualClock()),
        lifespan="off",
        ws="none",
        http="h11",
        log_level="critical",
        timeout_graceful_shutdown=1,
        # A client that is kept waiting finds its connection open.
        timeout_keep_alive=round(HANGS_AFTER),
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[bound]))
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


@asynccontextmanager
async def over_tcp(settings: Settings) -> AsyncIterator[Desk]:
    """A client of `served`."""
    with served(settings) as root:
        async with httpx.AsyncClient(base_url=root, timeout=HANGS_AFTER) as client:
            yield Desk(client, next(iter(settings.providers)))


def picture(kind: str = "PNG", size: tuple[int, int] = (6, 4)) -> str:
    """An image as a data: URL."""
    out = io.BytesIO()
    Image.new("RGB", size).save(out, kind)
    data = base64.b64encode(out.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"
