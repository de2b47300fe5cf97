"""The `crew` command line itself: help, names, completion, words without quotes."""

import re
from pathlib import Path

import pytest

from crew.cli import main


def test_help_imports_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    assert {"run", "status", "report", "check"} <= set(
        re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out, re.MULTILINE)
    )


def test_a_command_alone_is_the_help_and_a_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2

    assert "Usage: crew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "no such command 'rnu'; did you mean 'run'?"),
        (["zzz"], "no such command 'zzz'; There are: run, "),
        (["run", "--jsn"], "did you mean one of: '--json', "),
        (["status", "--config", "x"], "--config stands before the command"),
        (["status", "extra"], "unexpected extra argument"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    assert told.lower() in capsys.readouterr().err.lower()


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert re.fullmatch(r"crew \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_shell_completes_commands_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_CREW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "crew st")
    monkeypatch.setenv("COMP_CWORD", "1")

    main([])

    assert "plain,status" in capsys.readouterr().out


def test_words_without_quotes_are_one_request(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Options may stand among them; the mistake shows what was read."""
    monkeypatch.chdir(tmp_path)

    code = main(["run", "add", "pagination", "--repo", "nowhere", "to", "orders"])

    told = capsys.readouterr().err
    assert code == 2
    assert "nowhere" in told
    assert "pagination" not in told
