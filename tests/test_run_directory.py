"""The directory of a run: whole files, one worker at a time, and what a reader sees."""

import ast
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crew.errors import SettingsError
from crew.runs.directory import Beginning, RunDirectory, hide_from_git
from crew.settings import Inputs

SOURCE = Path(__file__).parents[1] / "src" / "crew"
BEGINNING = Beginning(
    inputs=Inputs(request="größer", repositories=("../shop",), values={"a": "b"}),
    rehearsal=True,
)
HOLDER = """
import sys
from pathlib import Path
from crew.runs.directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "output" / "r1")
    made.begin(BEGINNING)
    return made


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_a_run_was_started_with_is_read_back(directory: RunDirectory) -> None:
    assert directory.is_begun
    assert directory.beginning() == BEGINNING


def test_a_run_that_is_not_there_names_the_latest(directory: RunDirectory) -> None:
    other = RunDirectory(directory.path.with_name("r0"))

    with pytest.raises(SettingsError, match="the latest is r1"):
        other.beginning()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"inputs": {"nobody": 1}}'])
def test_a_broken_beginning_is_no_run(directory: RunDirectory, text: str) -> None:
    (directory.path / "inputs.json").write_text(text)

    with pytest.raises(SettingsError, match="no run 'r1'"):
        directory.beginning()


def test_results_are_kept_as_they_are(directory: RunDirectory) -> None:
    directory.write_result("code", "  x = 1\n\n")

    assert directory.results(["design", "code"]) == {"code": "  x = 1\n\n"}


def test_the_document_is_written_whole(directory: RunDirectory) -> None:
    path = directory.path / "run.json"
    directory.write_document({"result": "old"})
    directory.write_document({"result": "größer — 大 \ud800"})
    text = path.read_text(encoding="utf-8")

    assert json.loads(text) == {"result": "größer — 大 \ud800"}
    assert text.startswith('{\n  "result": "größer — 大')
    assert text.endswith("}\n")
    assert directory.document() == {"result": "größer — 大 \ud800"}


def test_a_lone_surrogate_in_a_result_is_no_error(directory: RunDirectory) -> None:
    directory.write_result("code", "a \ud800 b")

    assert directory.results(["code"]) == {"code": "a \\ud800 b"}


def test_files_stay_as_they_were_when_writing_fails(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    directory.write_document({"result": "old"})
    directory.write_result("code", "old")
    before = sorted(directory.path.iterdir())
    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(OSError, match="No space"):
        directory.write_document({"result": "new"})
    with pytest.raises(OSError, match="No space"):
        directory.write_result("code", "new")
    assert directory.document() == {"result": "old"}
    assert directory.results(["code"]) == {"code": "old"}
    assert sorted(directory.path.iterdir()) == before


def test_a_write_that_stops_half_way_leaves_the_old_file_and_no_part(
    directory: RunDirectory,
) -> None:
    directory.write_document({"result": "old"})
    directory.write_result("code", "old")
    before = sorted(directory.path.iterdir())
    long = "new" * 10_000

    with pytest.raises(OSError, match="too large"), files_up_to(4_096):
        directory.write_document({"result": long})
    with pytest.raises(OSError, match="too large"), files_up_to(4_096):
        directory.write_result("code", long)
    with pytest.raises(OSError, match="too large"), files_up_to(4_096):
        directory.write_result("document", long)
    assert directory.document() == {"result": "old"}
    assert directory.results(["code", "document"]) == {"code": "old"}
    assert sorted(directory.path.iterdir()) == before


def test_one_process_works_on_a_run_and_a_reader_sees_how_it_goes(
    directory: RunDirectory,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        assert directory.status("running") == "running"
        with pytest.raises(SettingsError, match="still running"), directory.hold():
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

    assert directory.status("running") == "interrupted"
    with directory.hold():
        assert directory.status("running") == "running"


@pytest.mark.parametrize("recorded", ["done", "failed", "closed"])
def test_the_status_of_a_run_that_ended_stays(
    directory: RunDirectory, recorded: str
) -> None:
    assert directory.status(recorded) == recorded


def test_a_scripts_own_crew_is_running_as_far_as_anybody_knows(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path / "r2").status("running") == "running"


def test_git_does_not_see_a_hidden_directory(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    hide_from_git(tmp_path / "output")
    (tmp_path / "output" / "found.txt").write_text("found")

    status = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert status.stdout == ""


def test_no_other_module_spells_the_names_of_a_runs_files() -> None:
    spelling = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in ("run.json", "inputs.json")
    }

    assert spelling == {"runs/directory.py"}
