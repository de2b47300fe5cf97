"""The tools of an MCP server, by CrewAI's own client.

The client connects anew for each call of a tool: a server that is a command is started
for it, and ends with it. It works in the directory of the configuration, gets the
environment of any child of ours with what `env` names, and its stderr goes to a file.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from crewai.events.event_bus import crewai_event_bus
from crewai.events.event_listener import event_listener
from crewai.mcp import MCPClient
from crewai.tools import BaseTool
from crewai.tools.mcp_native_tool import MCPNativeTool
from crewai.utilities.pydantic_schema_utils import create_model_from_schema

from crew.own.transports import Address, Command
from crew.processes.environment import inherited
from crew.settings import Settings
from crew.settings.own_values import Server
from crew.settings.wording import unknown

STARTS_WITHIN, LISTS_WITHIN, ANSWERS_WITHIN = 60, 30, 120
"""Seconds. A command may have to be downloaded first, as by `npx`."""


class NotServed(Exception):
    """The tools of a server cannot be had. The message says why."""


def server_tools(server: Server, settings: Settings) -> list[BaseTool]:
    """The tools of a server that a role gets. Raises NotServed."""
    log = _log(server, settings)
    connect = _connection(server, settings, log)
    try:
        with _unseen():
            listed = _alone(_listed(connect()))
    # Whatever the client raises, which has no class of its own for it.
    except (Exception, asyncio.CancelledError) as exc:
        raise NotServed(
            f"the MCP server {server.shown} does not answer: {_why(exc)}{_last(log)}"
        ) from exc
    known = {str(one["original_name"]): one for one in listed}
    names = list(known) if server.tools is None else server.tools
    for name in names:
        if name not in known:
            raise NotServed(
                f"the MCP server {server.shown}: {unknown('tool', name, known)}"
            )
    if not names:
        raise NotServed(f"the MCP server {server.shown} has no tools")
    return [_tool(server, known[name], connect) for name in names]


@contextmanager
def _unseen() -> Iterator[None]:
    """CrewAI shows each step of a connection on the terminal, until a crew that is not
    verbose is made."""
    formatter = event_listener.formatter
    before, formatter.verbose = formatter.verbose, False
    try:
        yield
        crewai_event_bus.flush()
    finally:
        formatter.verbose = before


def _alone(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns; a loop may be running, as in a notebook."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class _ServedTool(MCPNativeTool):
    """A tool of a server. What the server answered counts, however it then ends."""

    async def _run_async(self, **kwargs: Any) -> Any:
        async with _connected(self._client_factory()) as client:
            found = await client.call_tool_result(self.original_tool_name, kwargs)
        text = self._extract_content(found.content)
        return f"Error: {text}" if found.is_error else text


async def _listed(client: MCPClient) -> list[dict[str, Any]]:
    async with _connected(client):
        return await client.list_tools()


@asynccontextmanager
async def _connected(client: MCPClient) -> AsyncIterator[MCPClient]:
    await client.connect()
    try:
        yield client
    finally:
        with suppress(Exception):  # it has answered; how it ends does not matter
            await client.disconnect()


def _connection(
    server: Server, settings: Settings, log: Path
) -> Callable[[], MCPClient]:
    """How to get a client, which serves one call."""

    def connect() -> MCPClient:
        transport: Command | Address
        if server.url is not None:
            transport = Address(url=server.url, headers=dict(server.headers))
        else:
            command, *arguments = server.command
            environment = {**inherited(os.environ), **server.env}
            transport = Command(command, arguments, environment)
            transport.directory, transport.log = settings.config_dir, log
        return MCPClient(
            transport,
            connect_timeout=STARTS_WITHIN,
            discovery_timeout=LISTS_WITHIN,
            execution_timeout=ANSWERS_WITHIN,
            max_retries=1,  # a tool that was called may have done its work
        )

    return connect


def _tool(
    server: Server, listed: Mapping[str, Any], connect: Callable[[], MCPClient]
) -> BaseTool:
    name = str(listed["name"])
    schema: dict[str, Any] = {"description": listed["description"] or name}
    if listed["inputSchema"]:
        try:
            schema["args_schema"] = create_model_from_schema(
                listed["inputSchema"],
                model_name=f"{name}_arguments",
                enrich_descriptions=True,
            )
        except Exception as exc:  # whatever the schema of a stranger does to it
            raise NotServed(
                f"the MCP server {server.shown}: the arguments of {name} cannot be "
                f"read: {_why(exc)}; leave it out of `tools`"
            ) from exc
    tool = _ServedTool(  # type: ignore[call-arg]  # pydantic hides its __init__
        client_factory=connect,
        tool_name=name,
        tool_schema=schema,
        server_name=server.prefix or "mcp",
        original_tool_name=str(listed["original_name"]),
    )
    if server.prefix is None:
        tool.name = name
    return tool


def _log(server: Server, settings: Settings) -> Path:
    """Where the stderr of a command goes."""
    if not server.command:
        return Path(os.devnull)
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256("\0".join(server.command).encode()).hexdigest()
    log = settings.state_dir.absolute() / f"mcp-{digest[:8]}.log"
    log.touch(mode=0o600)
    return log


def _why(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _last(log: Path) -> str:
    """The last line that a server wrote, and where the others are."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    written = [line.strip() for line in lines if line.strip()]
    return f"; its last words: {written[-1][:300]} ({log})" if written else ""
