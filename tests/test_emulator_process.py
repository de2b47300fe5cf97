"""The emulator as a child process: on loopback only, and never outliving its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crew.clock import ScaledClock
from crew.emulator.process import running
from crew.errors import CrewError

CHILD = """
import sys, time
from pathlib import Path
from crew.emulator.process import running
with running(Path(sys.argv[1])) as root:
    print(root, flush=True)
    time.sleep(60)
"""

FOREGROUND = """
import sys
from pathlib import Path
from crew.emulator.process import serve_forever
from crew.settings.loader import load_settings
sys.exit(serve_forever(load_settings(Path(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small configuration."""
    place = tmp_path_factory.mktemp("config")
    (place / "providers.yaml").write_text(
        "providers:\n"
        "  openai: {api_key: '${OPENAI_API_KEY}', limits: [2 requests/minute]}\n"
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
        httpx.get(f"{root}/_control/counters", timeout=5)
    except httpx.TransportError:
        return False
    return True


def gone(root: str) -> bool:
    """Whether the emulator is gone within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not alive(root):
            return True
        time.sleep(0.02)
    return False


def test_child_enforces_the_limits_of_its_configuration(root: str) -> None:
    body = {"model": "slot", "messages": [{"role": "user", "content": "x"}]}
    url = f"{root}/openai/v1/chat/completions"

    assert [httpx.post(url, json=body).status_code for _ in range(3)] == [200, 200, 429]


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
    with running(config, speed=1000.0, clock=clock) as root:
        before = clock.now()
        reported = httpx.get(f"{root}/_control/clock").json()["now"]
        after = clock.now()

    assert before - 5 <= reported <= after + 5


def test_child_dies_with_a_parent_that_was_killed(config: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        root = parent.stdout.readline().strip()
        assert alive(root)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()

        assert gone(root)


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
        said, complaint = process.communicate(timeout=10)

    assert (process.returncode, said, complaint) == (0, b"", b"")
    assert gone(root)


def test_hanging_call_does_not_keep_the_child(config: Path) -> None:
    with running(config) as root:
        order = {"provider": "openai", "fault": "timeout"}
        httpx.post(f"{root}/_control/faults", json=order)
        body = {"model": "slot", "messages": [{"role": "user", "content": "x"}]}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{root}/openai/v1/chat/completions", json=body, timeout=0.2)

    assert not alive(root)


def test_wrong_configuration_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CrewError), running(tmp_path / "missing"):
        pass

    assert "Traceback" not in capfd.readouterr().err
