"""What no text asks for reaches a model all the same; what nobody can answer is
refused before anything starts."""

from pathlib import Path

import pytest

from crew.cli import main
from scripted import Scripted


def rewrite(config: Path, old: str, new: str) -> None:
    path = config / "tasks.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_a_request_that_no_text_asks_for_is_put_to_the_first_task(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(config, " of {request}", "")

    assert main(["run", "ROTATE THE KEYS NOW"]) == 0
    first, *others = server.requests
    assert "The request: ROTATE THE KEYS NOW" in str(first["messages"])
    assert not any("ROTATE" in str(request["messages"]) for request in others)
    reported = capsys.readouterr().err
    assert "no text of tasks.yaml has {request}" in reported
    assert "the first task, design" in reported


def test_a_repository_that_no_text_asks_for_is_put_to_the_first_task(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "a.py").write_text("x = 1\n")

    assert main(["run", "Add pages", "--repo", str(shop)]) == 0
    first = str(server.requests[0]["messages"])
    assert "Repositories in the workspace: shop" in first
    assert first.count("Add pages") == 1
    assert "has {repositories}; it is put to" in capsys.readouterr().err


def test_what_a_text_asks_for_is_put_nowhere_else(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Add pages"]) == 0
    assert "The request:" not in str(server.requests)
    assert "put to the first task" not in capsys.readouterr().err


def test_human_input_without_a_terminal_is_refused_before_anything_starts(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rewrite(config, "agent: coder}", "agent: coder, human_input: true}")

    assert main(["run", "Add pages"]) == 2
    reported = capsys.readouterr().err
    assert "tasks.yaml:3: code.human_input: nobody can answer" in reported
    assert server.requests == []
    assert not (tmp_path / "output").exists()
