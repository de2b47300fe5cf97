"""A machine that lets a run down: what is missing, locked or unwritable is one line."""

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from configured import KEY, SECRET, configure
from crew import sqlite_file
from crew.cli import main
from crew.quota.stores import sqlite as sqlite_store
from scripted import Scripted, serving
from test_full_disk import Disk, disk

__all__ = ["disk"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")  # named, so it is trusted
    monkeypatch.setenv(KEY, SECRET)
    with serving() as script:
        configure(tmp_path / "config", script.url, limits=["90 requests/hour"])
        script.brain = lambda request: "the work"
        yield script


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if not line.startswith("·")]
    return line


def test_an_output_that_is_no_directory_is_one_line(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("output").write_text("a file")

    assert main(["run", "Add pages"]) == 1
    assert "output" in only_line(capsys)
    assert server.requests == []


@pytest.mark.parametrize("place", [".crew", "output"])
def test_a_place_that_turns_read_only_is_one_line(
    server: Scripted,
    disk: Disk,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    def write(what: object) -> None:
        if place in str(what):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(what))

    monkeypatch.setattr(disk, "write", write)

    assert main(["run", "Add pages"]) == 1
    line = only_line(capsys)
    assert line.startswith("crew: ")
    assert place in line
    assert "Read-only file system" in line
    assert server.requests == []


def test_a_state_directory_that_is_removed_meanwhile_costs_no_task_twice(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    def brain(request: dict[str, object]) -> str:
        if request["model"] == "thinker":
            shutil.rmtree(".crew")
        return "400" if len(server.requests) == 2 else "the work"

    server.brain = brain

    assert main(["run", "Add pages"]) == 1
    shown = capsys.readouterr().err
    (run,) = [path.parent.name for path in Path("output").glob("*/run.json")]
    assert main(["run", "--resume", run]) == 0

    assert "Traceback" not in shown
    assert "the journal was removed; that design is done is in output/" in shown
    models = [request["model"] for request in server.requests]
    assert models == ["thinker", "smith", "smith", "scribe"]


def test_a_store_that_is_locked_for_too_long_is_one_line(
    server: Scripted,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (sqlite_file, sqlite_store):
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(
        sqlite_store.SQLiteStore.__init__, "__kwdefaults__", {"busy_seconds": 0.05}
    )
    assert main(["run", "Add pages"]) == 0
    capsys.readouterr()
    with closing(sqlite3.connect(".crew/quota.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")

        assert main(["status"]) == 1
        assert "another process holds it" in only_line(capsys)


def test_a_temporary_directory_that_is_full_stops_no_run(
    server: Scripted,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), tempfile.gettempdir())

    monkeypatch.setattr(tempfile, "mkstemp", full)
    monkeypatch.setattr(tempfile, "mkdtemp", full)

    assert main(["run", "Add pages"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_result_that_the_terminal_cannot_take_is_one_line(
    server: Scripted,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["check"]) == 1
        monkeypatch.undo()

    assert capfd.readouterr().err == (
        "crew: No space left on device: make room on the disk\n"
    )
