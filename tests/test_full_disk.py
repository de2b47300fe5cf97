"""The disk fills at any write: one line, no traceback, nothing is paid for twice."""

import errno
import io
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from scripted import Scripted, serving

_WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "COMMIT")


class Disk:
    """Counts the writes below a directory; those of `full` find no room."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.full: Callable[[int], bool] = lambda number: False
        self.writes: list[str] = []

    def write(self, what: object) -> None:
        self.writes.append(str(what))
        if self.full(len(self.writes)):
            raise OSError(errno.ENOSPC, "No space left on device", str(what))

    def ours(self, path: object) -> bool:
        if not isinstance(path, str | Path):
            return False
        return Path.cwd().joinpath(path).is_relative_to(self.top)


def written(disk: Disk, write: Callable[..., int], file: int, data: Any) -> int:
    """In the place of os.write."""
    with suppress(FileNotFoundError):  # the path of a descriptor, where a system has it
        path = Path(f"/proc/self/fd/{file}").readlink()
        if disk.ours(path):
            disk.write(path)
    return write(file, data)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    io_open, mkdir, fsync, connect = io.open, os.mkdir, os.fsync, sqlite3.connect

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if set(mode) & set("wxa+") and disk.ours(file):
            disk.write(file)
        return io_open(file, mode, *args, **options)

    def made(path: Any, *args: Any, **options: Any) -> None:
        if disk.ours(path):
            disk.write(path)
        mkdir(path, *args, **options)

    def synced(descriptor: int) -> None:
        disk.write("fsync")
        fsync(descriptor)

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *args: Any) -> Any:
            if statement.lstrip().startswith(_WRITES):
                try:
                    disk.write(" ".join(statement.split()[:3]))
                except OSError:
                    error = sqlite3.OperationalError("database or disk is full")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise error from None
            return super().execute(statement, *args)

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        options.setdefault("factory", Connection)
        return connect(*args, **options)

    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "write", partial(written, disk, os.write))
    monkeypatch.setattr(sqlite3, "connect", connected)
    yield disk


@contextmanager
def place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of its own for one run."""
    made = tmp_path / name
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("CREW_STATE_DIR", str(made / ".crew"))
    yield made


def carry_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    disk: Disk,
    server: Scripted,
    full: Callable[[int], bool],
) -> tuple[int, str, Counter[str]]:
    """One run on a disk that is full for some writes, then on one with room until it
    is done. Returns how the first ended, what it printed, and who was called."""
    server.requests.clear()
    disk.writes.clear()
    disk.full = full
    code = main(["run", "Add pages"])
    disk.full = lambda number: False
    shown = capsys.readouterr().err
    runs = [path.parent.name for path in Path("output").glob("*/inputs.json")]
    if code != 0 and runs:
        assert main(["run", "--resume", runs[0]]) == 0, shown
        capsys.readouterr()
    return code, shown, Counter(request["model"] for request in server.requests)


def test_every_write_in_turn_finds_no_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    disk: Disk,
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with serving() as server:
        server.brain = lambda request: "the work"
        config = configure(tmp_path / "config", server.url, limits=["90 requests/hour"])
        monkeypatch.setenv("CREW_CONFIG_DIR", str(config))
        with place("all", tmp_path, monkeypatch):
            given = (tmp_path, monkeypatch, capsys, disk, server)
            code, *_ = carry_out(*given, lambda number: False)
            writes = list(disk.writes)
        assert code == 0
        found: list[tuple[object, ...]] = []

        for once in (True, False):
            for number in telling(writes)[:: 1 if once else 4]:

                def full(at: int, number: int = number, once: bool = once) -> bool:
                    return at == number if once else at >= number

                with place(f"{number}-{once}", tmp_path, monkeypatch):
                    code, shown, calls = carry_out(*given, full)
                what = (number, writes[number - 1], once, code, calls, shown)
                if wrong := mistaken(code, shown, calls, once=once):
                    found.append((wrong, *what))
    assert not found, "\n".join(map(str, found))


def telling(writes: list[str]) -> list[int]:
    """Which writes are tried. Statements in a row are one, up to the COMMIT; and each
    task writes the same, so a few of those of the later ones will do."""
    kinds = ["statement" if one.startswith(_WRITES[:-1]) else one for one in writes]
    apart = [
        number
        for number, kind in enumerate(kinds, 1)
        if number == 1 or kind != kinds[number - 2]
    ]
    later = writes.index("INSERT INTO task") + 2
    return [
        *(number for number in apart if number < later),
        *range(later, len(writes) + 1, 6),
    ]


def mistaken(code: int, shown: str, calls: Counter[str], *, once: bool) -> str:
    """What is wrong with how a run ended that found no room."""
    errors = [line for line in shown.splitlines() if line.startswith("crew:")]
    if "Traceback" in shown or "Exception" in shown:
        return "a traceback"
    if code not in (0, 1):
        return "another exit code"
    if code and not ("No space left" in errors[0] or "disk is full" in errors[0]):
        return "no word of the disk"
    if once and any(count > 1 for count in calls.values()):
        return "paid twice"
    for model, task in (("thinker", "design"), ("smith", "code")):
        done = rf"^· \d+:\d\d {task} unproved after"
        if re.search(done, shown, re.MULTILINE) and calls[model] != 1:
            return f"{task} was done, and paid twice"
    return ""
