"""What no text asks for reaches a model all the same; what nobody can answer is
refused before anything starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from scripted import Scripted, serving


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


@pytest.fixture
def config(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    return configure(tmp_path / "config", server.url)


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
