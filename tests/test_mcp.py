"""Tools of an MCP server: a real one, as a child process and over HTTP."""

import json
import socket
import sys
from pathlib import Path

import httpx
import pytest

from configured import SECRET
from crew import build_crew, kickoff, load_settings
from crew.errors import SettingsError
from forked import DEVNULL, Forks
from loopback import http
from scripted import Scripted
from test_own_tools import calling, put, with_keys

SERVER = """\
import os, sys
from mcp.server.fastmcp import FastMCP

port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
server = FastMCP("mine", port=port, log_level="ERROR")
print("\\x1b[31mstarting", file=sys.stderr, flush=True)

@server.tool()
def shout(text: str, times: int = 1) -> str:
    "Say it loudly."
    return text.upper() * times

@server.tool()
def surroundings() -> str:
    "What the server sees."
    return repr((sorted(os.environ), os.getcwd(), os.environ.get("TOKEN")))

@server.tool()
def write_file(path: str) -> str:
    "A name that is taken."
    return path

@server.tool()
def fail() -> str:
    "It fails."
    raise ValueError("no luck")

server.run("streamable-http" if port else "stdio")
"""
COMMAND = f"command: ['{sys.executable}', served.py]"


@pytest.fixture
def mine(config: Path, server: Scripted) -> Path:
    put(config, "served.py", SERVER)
    return config


def with_server(config: Path, keys: str) -> Path:
    with_keys(config, "agents", "architect", f"tools: [list_files, mcp: {{{keys}}}]")
    return config


def offered(server: Scripted) -> list[str]:
    return [one["function"]["name"] for one in server.requests[0]["tools"]]


def test_a_role_works_with_the_tools_of_a_command(
    mine: Path, server: Scripted, capfd: pytest.CaptureFixture[str]
) -> None:
    with_server(mine, f"{COMMAND}, tools: [shout, fail]")
    server.brain = calling("shout", text="hey", times=2)

    outcome = kickoff(request="x", config=mine)

    assert offered(server) == ["list_files", "shout", "fail"]
    (function,) = (
        one["function"]
        for one in server.requests[0]["tools"]
        if one["function"]["name"] == "shout"
    )
    assert {"text", "times"} == set(function["parameters"]["properties"])
    assert outcome.document["tasks"][0]["result"] == "I got: HEYHEY"
    printed = capfd.readouterr()
    assert "starting" not in printed.err
    assert "MCP" not in printed.out + printed.err


def test_a_command_gets_no_key_and_works_beside_the_yaml(
    mine: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "gh-secret")
    monkeypatch.setenv("MY_TOKEN", "mine-alone")
    with_server(
        mine, f"{COMMAND}, tools: [surroundings], env: {{TOKEN: '${{MY_TOKEN}}'}}"
    )
    server.brain = calling("surroundings")
    settings = load_settings(mine)

    kickoff(request="x", config=settings)

    seen = str(server.requests[1]["messages"][-1]["content"])
    assert str(mine) in seen
    assert "'TOKEN'" in seen
    assert "mine-alone" in seen
    assert not any(name in seen for name in ("ONE_API_KEY", "GITHUB_TOKEN", SECRET))
    assert "mine-alone" not in repr(settings)


def test_a_tool_of_a_server_that_fails_says_so_to_the_model(
    mine: Path, server: Scripted
) -> None:
    with_server(mine, f"{COMMAND}, tools: [fail]")
    server.brain = calling("fail")

    kickoff(request="x", config=mine)

    assert "no luck" in str(server.requests[1]["messages"][-1]["content"])


def test_a_prefix_makes_room_beside_our_tools(mine: Path, server: Scripted) -> None:
    with_server(mine, f"{COMMAND}, tools: [write_file], prefix: notes")
    server.brain = calling("notes_write_file", path="here")

    outcome = kickoff(request="x", config=mine)

    assert outcome.document["tasks"][0]["result"] == "I got: here"


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        (f"{COMMAND}, tools: [shot]", "", "unknown tool 'shot'; did you mean 'shout'?"),
        (COMMAND, "", "'write_file' is the name of another tool"),
        (
            f"command: ['{sys.executable}', nothing.py]",
            "",
            "its last words:",
        ),
        ("command: [no-such-program]", "", "no-such-program"),
        ("url: 'http://127.0.0.1:1/mcp'", "", "does not answer"),
    ],
)
def test_a_server_that_does_not_work_stops_the_crew_before_it_begins(
    mine: Path, tmp_path: Path, keys: str, key: str, message: str
) -> None:
    settings = load_settings(with_server(mine, keys))

    with pytest.raises(SettingsError) as caught:
        build_crew(settings)

    mistake = caught.value.mistakes[0]
    assert (mistake.line, mistake.key) == (1, "architect.tools[1]")
    assert message in mistake.message
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ("comand: [x]", "mcp.comand", "did you mean 'command'?"),
        ("command: []", "mcp.command", "is empty"),
        ("command: x", "mcp.command", "expected a list"),
        ("url: ftp://x", "mcp.url", "is no address"),
        ("tools: [x]", "mcp", "expected one of `command` and `url`"),
        ("command: [x], url: 'http://x'", "mcp", "expected one of"),
        ("command: [x], headers: {a: b}", "mcp.headers", "use `env`"),
        ("url: 'http://x', env: {a: b}", "mcp.env", "use `headers`"),
        ("command: [x], prefix: a-b", "mcp.prefix", "letters, digits and _"),
        ("command: [x], env: {a: '${NOT_SET}'}", "mcp.env.a", "NOT_SET"),
    ],
)
def test_a_mistake_in_a_server_is_found_when_the_yaml_is_read(
    mine: Path, keys: str, key: str, message: str
) -> None:
    with_server(mine, keys)

    with pytest.raises(SettingsError) as caught:
        load_settings(mine)

    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.key) == (1, f"architect.tools[1].{key}")
    assert message in mistake.message


@pytest.fixture
def address(mine: Path, forks: Forks) -> str:
    """The address of the server, over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = forks.start(str(port), script=mine / "served.py", stderr=DEVNULL)
    url = f"http://127.0.0.1:{port}/mcp"
    while process.poll() is None:
        try:
            http.get(url)
            break
        except httpx.ConnectError:
            continue
    return url


def test_a_role_works_with_the_tools_of_an_address(
    mine: Path, server: Scripted, address: str
) -> None:
    with_server(mine, f"url: '{address}', tools: [shout]")
    server.brain = calling("shout", text="hey")

    outcome = kickoff(request="x", config=mine)

    assert json.dumps(outcome.document["tasks"][0]["result"]) == '"I got: HEY"'
