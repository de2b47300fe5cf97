"""The emulator as a child process of one's own."""

import json
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crew.clock import Clock, SystemClock
from crew.errors import CrewError
from crew.processes.environment import python_command, python_environment
from crew.settings import Settings
from crew.settings.environment import read_environment
from crew.settings.places import find
from crew.settings.secrets import variables_without_secrets

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


@contextmanager
def running(
    config_dir: Path,
    *,
    speed: float = 1.0,
    default_faults: bool = False,
    latency: float = 0.0,
    clock: Clock | None = None,
) -> Iterator[str]:
    """Run the emulator under the limits of `config_dir`; yields its root address.

    It ends with the block, and with this process however that ends. With a `clock`
    that runs at `speed`, the emulator's shows the same time. Raises CrewError if it
    does not start; the reason is on stderr.
    """
    command = _command(config_dir, port=0, speed=speed)
    command += ["--latency", str(latency)]
    command += ["--default-faults"] if default_faults else []
    if clock is not None:
        command += ["--now", f"{clock.now()!r}@{SystemClock().now()!r}"]
    child = subprocess.Popen(
        command,
        env=_environment(config_dir),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the crew; the emulator follows it
    )
    with child:
        try:
            yield f"http://127.0.0.1:{_port(child)}"
        finally:
            if child.stdin is not None:
                child.stdin.close()
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def serve_forever(
    settings: Settings,
    *,
    port: int = 0,
    speed: float = 1.0,
    ready: Callable[[int], None] = lambda port: None,
) -> int:
    """Run the emulator in the foreground until it is interrupted; its exit code.

    `ready` gets the port once it accepts connections.
    """
    command = _command(settings.config_dir, port=port, speed=speed)
    environment = _environment(settings.config_dir)
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        try:
            ready(_port(child))
            return child.wait()
        except KeyboardInterrupt:
            # The interrupt reached the child as well, and ends it.
            return child.wait(_STOP_SECONDS)


def _command(config_dir: Path, *, port: int, speed: float) -> list[str]:
    command = [*python_command("crew.emulator"), "--with-parent"]
    command += ["--config-dir", str(config_dir)]
    return [*command, "--port", str(port), "--speed", str(speed)]


def _environment(config_dir: Path) -> dict[str, str]:
    """What the emulator needs to read the same YAML, without any secret: of a variable
    that may be one it sees that there is one."""
    ours = read_environment(find(config_dir))
    named = {
        name: value
        for name, value in variables_without_secrets(config_dir, ours).items()
        if not name.startswith(("PYTHON", "LD_", "DYLD_"))
    }
    return {**named, **python_environment(ours)}


def _port(child: subprocess.Popen[bytes]) -> int:
    assert child.stdout is not None
    # Not `select.select`, which takes no file past the 1,024th.
    waiting = select.poll()
    waiting.register(child.stdout, select.POLLIN)
    ready = waiting.poll(_START_SECONDS * 1_000)
    line = child.stdout.readline() if ready else b""
    if not line:
        raise CrewError("the emulator did not start")
    return int(json.loads(line)["port"])
