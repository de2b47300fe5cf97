"""What every test stands on: no network but loopback, no keys, its own directories."""

import gc
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import crew  # noqa: F401  before crewai: it keeps telemetry and litellm offline
from configured import KEY, SECRET, configure
from forked import Forks
from scripted import Scripted, serving

# A busy machine is slow, which is no failure.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

# These take longest, so they begin, in this order: then the workers end together.
LONGEST = (
    "test_three_commands.py",
    "test_transport.py",
    "test_hostile_surroundings.py",
    "test_whole_answers.py",
    "test_exchange.py",
    "test_sandbox_attacks.py",
    "test_crew.py",
    "test_mcp.py",
    "test_llm.py",
    "test_apply.py",
    "test_full_disk.py",
    "test_page_in_browser.py",
    "test_images.py",
    "test_own_project.py",
    "test_in_front.py",
    "test_worktrees.py",
    "test_memory.py",
    "test_hostile_yaml.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_configure() -> None:
    disk = _memory_disk()
    if disk is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(disk))
    # A shell starts what is in its background with Ctrl-C ignored, nohup with SIGHUP.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            is_int = number == signal.SIGINT
            usual = signal.default_int_handler if is_int else signal.SIG_DFL
            signal.signal(number, usual)
    # The tests and what they import stay: to look for garbage in between takes longer
    # than the imports themselves.
    gc.disable()


def pytest_collection_finish() -> None:
    _keep_what_is_left()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Iterator[None]:
    yield
    if nextitem is not None and nextitem.path != item.path:
        _keep_what_is_left()


def _keep_what_is_left() -> None:
    """What libraries keep for good grows to millions of objects, through which each
    full collection looks. Of what is left after a file, none does again."""
    gc.collect()
    gc.freeze()


def _memory_disk() -> Path | None:
    """A disk in memory, with room for the suite, from which programs can be started:
    a new file, an fsync and a removal take a hundredth of the time there."""
    disk = Path("/dev/shm")
    with suppress(OSError):
        found = os.statvfs(disk)
        roomy = found.f_bavail * found.f_frsize >= 2 * 2**30
        if roomy and not found.f_flag & os.ST_NOEXEC and os.access(disk, os.W_OK):
            return disk
    return None


_connect = socket.socket.connect


def _loopback_only(self: socket.socket, address: object) -> None:
    host = address[0] if isinstance(address, tuple) else ""
    if host and not str(host).startswith("127.") and host not in ("::1", "localhost"):
        raise OSError(f"a test tried to reach {host}")
    _connect(self, address)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _clean_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No outside sockets, no provider keys, and a state directory of the test's own."""
    monkeypatch.setattr(socket.socket, "connect", _loopback_only)
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE")) or name.startswith("CREW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CREW_STATE_DIR", str(tmp_path / ".crew"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".state"))
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path / "crewai"))
    yield


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A provider whose answers name the model that was asked."""
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


@pytest.fixture
def config(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of `configured.py` for that provider, beside the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")  # named, so it is trusted
    return configure(tmp_path / "config", server.url)


@pytest.fixture(scope="session")
def _fork_server() -> Iterator[Forks]:
    server = Forks()
    yield server
    server.close()


@pytest.fixture
def forks(_fork_server: Forks) -> Iterator[Forks]:
    """Begins processes that run a crew, without the seconds of their imports; see
    `forked.py`."""
    yield _fork_server
    _fork_server.end_all()
