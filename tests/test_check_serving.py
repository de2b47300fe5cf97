"""`crew check` by role: who serves it, and which key would help most."""

from pathlib import Path

import pytest

from crew.check.serving import helps_most, serving
from crew.cli import main
from crew.settings.loader import load_settings

PROJECT = Path(__file__).parents[1]


def test_each_role_is_shown_with_those_that_have_a_key() -> None:
    settings = load_settings(PROJECT / "config", environ={"GEMINI_API_KEY": "x"})

    served = serving(settings, {}, rehearsed=False)

    coder = next(one for one in served if one.role == "coder")
    assert coder.work == "coding"
    assert coder.deployments[0] == "gemini-flash"
    assert "claude-opus" not in coder.shown


def test_the_key_that_helps_most_serves_roles_that_nobody_serves() -> None:
    none = load_settings(PROJECT / "config", environ={})
    one = load_settings(PROJECT / "config", environ={"OPENROUTER_API_KEY": "x"})

    first, second = helps_most(none), helps_most(one)

    assert first is not None
    assert first.variable == "OPENROUTER_API_KEY"
    assert first.free
    assert second is not None
    assert second.variable != first.variable


def test_roles_come_before_deployments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-not-a-key")

    assert main(["--config", str(PROJECT / "config"), "check"]) == 0

    told = capsys.readouterr().out
    assert told.index("  coder ") < told.index("The key that helps most: ")
    assert told.index("The key that helps most: ") < told.index("  claude-opus ")
    assert "AIza-not-a-key" not in told
