"""A key is shown nowhere: not on the terminal, and in no file that a run leaves."""

from pathlib import Path

import pytest

from configured import KEY, SECRET
from crew.cli import main
from scripted import Scripted


def everything(top: Path) -> list[Path]:
    return sorted(top.rglob("*"))


def test_a_refused_key_is_told_by_its_variable_and_shown_nowhere(
    config: Path, server: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"message": f"Incorrect API key provided: {SECRET}", "code": SECRET}
    server.canned = 401, {"error": error}
    code = main(["run", "Add pages"])
    main(["report", "--json"])
    main(["status", "--json"])
    main(["check"])

    shown = capsys.readouterr()
    assert code == 75
    assert {names["authorization"] for _, names in server.posted} == {
        f"Bearer {SECRET}"
    }
    assert f"{KEY} was refused (401); check it" in shown.err
    assert "Traceback" not in shown.err
    assert SECRET not in shown.out + shown.err
    files = [path for path in everything(tmp_path) if path.is_file()]
    assert {path.name for path in files} >= {"journal.db", "quota.db", "run.json"}
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_run_that_goes_well_keeps_no_key_either(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Add pages"]) == 0

    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    files = [path for path in everything(tmp_path) if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
