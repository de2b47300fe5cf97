"""Which repository a run works on where nobody names one."""

import json
import subprocess
from pathlib import Path

import pytest

from crew.cli import main
from scripted import Scripted


def ask_for_repositories(config: Path) -> None:
    tasks = config / "tasks.yaml"
    text = tasks.read_text("utf-8").replace("{request}", "{request} {repositories}")
    tasks.write_text(text, "utf-8")


@pytest.fixture
def shop(config: Path, tmp_path: Path) -> Path:
    """The working directory as a git repository with a commit."""
    for line in (
        "init -q -b main",
        "add config",
        "-c user.name=a -c user.email=a@b commit -q -m first",
    ):
        subprocess.run(["git", *line.split()], cwd=tmp_path, check=True)
    return tmp_path


def worked_on(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The repositories of a run, by their source."""
    code = main(["run", *arguments, "--json"])

    shown = capsys.readouterr()
    assert code == 0, shown.err
    document = json.loads(shown.out)
    return [one["source"] for one in document["workspace"]["repositories"]]


def test_a_request_works_on_the_current_repository(
    config: Path, shop: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_for_repositories(config)

    assert worked_on(capsys, "Add pages") == [str(shop)]
    assert worked_on(capsys, "Add pages", "--no-repo") == []


def test_inputs_without_the_key_are_for_the_current_repository(
    config: Path, shop: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_for_repositories(config)
    inputs = config / "inputs.yaml"

    inputs.write_text("request: Add pages\n", "utf-8")
    assert worked_on(capsys) == [str(shop)]
    inputs.write_text("request: Add pages\nrepositories: []\n", "utf-8")
    assert worked_on(capsys) == []


def test_a_crew_that_asks_for_no_repository_gets_none(
    config: Path, shop: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = config / "agents.yaml"
    text = agents.read_text("utf-8")
    text = text.replace("goal: work", "goal: work, tools: [read_file]")
    agents.write_text(text, "utf-8")

    assert main(["run", "Add pages", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["workspace"]["repositories"] == []
    assert "the workspace is empty: no text of" in shown.err


def test_outside_of_a_repository_the_workspace_is_empty(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_for_repositories(config)

    assert worked_on(capsys, "Add pages") == []


def test_a_repository_and_none_at_once_is_a_mistake(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", "Add pages", "--repo", ".", "--no-repo"])

    assert code == 2
    assert "--no-repo: --repo names one" in capsys.readouterr().err


def test_a_new_directory_belongs_to_its_repository_and_an_ignored_one_does_not(
    config: Path,
    shop: Path,
    server: Scripted,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask_for_repositories(config)
    monkeypatch.setenv("CREW_CONFIG_DIR", str(config))
    (shop / ".gitignore").write_text("build/\n", "utf-8")
    (shop / "new").mkdir()
    (shop / "build").mkdir()

    monkeypatch.chdir(shop / "new")
    assert worked_on(capsys, "Add pages") == [str(shop)]
    monkeypatch.chdir(shop / "build")
    assert worked_on(capsys, "Add pages") == []
