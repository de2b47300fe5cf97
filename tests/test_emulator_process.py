"""The emulator as a child process: on loopback only, and never outliving its parent."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from crew.clock import ScaledClock
from crew.emulator.process import running
from crew.errors import CrewError
from hangs import HANGS_AFTER
from loopback import http

CHILD = """
import signal, sys
from pathlib import Path
from crew.emulator.process import running
with running(Path(sys.argv[1])) as root:
    print(root, flush=True)
    signal.pause()
"""

FOREGROUND = """
import json, sys
from pathlib import Path
from crew.emulator.process import serve_forever
from crew.settings.loader import load_settings
def ready(port):
    print(json.dumps({"port": port}), flush=True)
sys.exit(serve_forever(load_settings(Path(sys.argv[1])), ready=ready))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small configuration."""
    place = tmp_path_factory.mktemp("config")
    (place / "providers.yaml").write_text(
        "providers:\n"
        "  openai: {api_key: '${OPENAI_API_KEY}', limits: [2 requests/hour]}\n"
        "deployments:\n"
        "  slot: {provider: openai, model: openai/some-model}\n"
    )
    (place / "tiers.yaml").write_text("tiers:\n  mid: [slot]\n")
    rest = "goal: G, backstory: B, tier: mid}"
    (place / "agents.yaml").write_text(
        f"manager: {{role: Manager, {rest}\ncoder: {{role: Coder, {rest}\n"
    )
    (place / "tasks.yaml").write_text(
        "code: {description: D, expected_output: E, agent: coder}\n"
    )
    return place


@pytest.fixture(scope="module")
def root(config: Path) -> Iterator[str]:
    with running(config) as address:
        yield address


def alive(root: str) -> bool:
    try:
        http.get(f"{root}/_control/counters")
    except httpx.TransportError:
        return False
    return True


@contextmanager
def ending(root: str) -> Iterator[None]:
    """Let the emulator end in the block, and wait until it has."""
    host, _, port = root.removeprefix("http://").partition(":")
    address = (host, int(port))
    with socket.create_connection(address, timeout=HANGS_AFTER) as connection:
        yield
        # The end of the process is the end of a connection that asks nothing.
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_child_enforces_the_limits_of_its_configuration(root: str) -> None:
    body = {"model": "slot", "messages": [{"role": "user", "content": "x"}]}
    url = f"{root}/openai/v1/chat/completions"
    answers = [http.post(url, json=body) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net/tcp")
def test_child_listens_on_loopback_only(root: str) -> None:
    port = int(root.rpartition(":")[2])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [
        line.split()[1] for line in lines if line.split()[1].endswith(f":{port:04X}")
    ]

    assert root.startswith("http://127.0.0.1:")
    assert set(listening) == {f"0100007F:{port:04X}"}


def test_child_ends_with_the_block(config: Path) -> None:
    with running(config) as root:
        assert alive(root)

    assert not alive(root)


def test_child_shows_the_time_of_a_given_clock(config: Path) -> None:
    clock = ScaledClock(1000.0)
    began = clock.now()
    with running(config, speed=1000.0, clock=clock) as root:
        before = clock.now()
        answer = http.get(f"{root}/_control/clock")
        after = clock.now()

    # And not what its own would show, which began to run with the child.
    assert (began + before) / 2 < answer.json()["now"] <= after + 5


def test_child_dies_with_a_parent_that_was_killed(config: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        root = parent.stdout.readline().strip()
        with ending(root):
            os.kill(parent.pid, signal.SIGKILL)
            parent.wait()

    assert not alive(root)


def test_foreground_says_its_port_and_ends_quietly_on_interrupt(config: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        root = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        assert alive(root)
        os.killpg(process.pid, signal.SIGINT)
        said, complaint = process.communicate(timeout=HANGS_AFTER)

    assert (process.returncode, said, complaint) == (0, b"", b"")
    assert not alive(root)


def test_hanging_call_does_not_keep_the_child(config: Path) -> None:
    with running(config) as root:
        order = {"provider": "openai", "fault": "timeout"}
        http.post(f"{root}/_control/faults", json=order)
        body = {"model": "slot", "messages": [{"role": "user", "content": "x"}]}
        with pytest.raises(httpx.ReadTimeout):
            hasty = httpx.Timeout(HANGS_AFTER, read=0.2)
            http.post(f"{root}/openai/v1/chat/completions", json=body, timeout=hasty)

    assert not alive(root)


def test_wrong_configuration_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CrewError), running(tmp_path / "missing"):
        pass

    assert "Traceback" not in capfd.readouterr().err
