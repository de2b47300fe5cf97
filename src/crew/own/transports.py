"""The ways to an MCP server that CrewAI's client takes, without what breaks there.

CrewAI enters each connection in a task of its own before Python 3.12, and then cannot
leave it; it knows no working directory for a command, and shows its stderr.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from crewai.mcp.transports.http import HTTPTransport
from crewai.mcp.transports.stdio import StdioTransport
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

CONNECTS_WITHIN, READS_WITHIN = 30.0, 120.0
"""Seconds, over HTTP."""


class Address(HTTPTransport):
    """A server at an address."""

    async def connect(self) -> "Address":
        """Connect. Raises what the server and its address make of it."""
        if not self.connected:
            self._transport_context = _requests(self.url, self.headers)
            read, write = await self._transport_context.__aenter__()
            self._set_streams(read=read, write=write)
        return self


class Command(StdioTransport):
    """A server that is a child process: it works in `directory`, has no variables but
    `env`, and its stderr goes into `log`."""

    directory: Path
    log: Path

    async def connect(self) -> "Command":
        """Start it. Raises OSError."""
        if not self.connected:
            parameters = StdioServerParameters(
                command=self.command,
                args=self.args,
                env=self.env,
                cwd=self.directory,
            )
            self._transport_context = _process(parameters, self.log)
            read, write = await self._transport_context.__aenter__()
            self._set_streams(read=read, write=write)
        return self


@asynccontextmanager
async def _requests(
    url: str, headers: Mapping[str, str]
) -> AsyncIterator[tuple[Any, Any]]:
    bounds = httpx.Timeout(CONNECTS_WITHIN, read=READS_WITHIN)
    async with (
        httpx.AsyncClient(headers=headers, timeout=bounds) as client,
        streamable_http_client(url, http_client=client) as (read, write, _),
    ):
        yield read, write


@asynccontextmanager
async def _process(
    parameters: StdioServerParameters, log: Path
) -> AsyncIterator[tuple[Any, Any]]:
    with log.open("w", encoding="utf-8") as errors:
        async with stdio_client(parameters, errlog=errors) as (read, write):
            yield read, write
