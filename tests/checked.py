"""A repository, and checks on it by the text of inputs.yaml."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crew.checks import Checks
from crew.sandbox.bubblewrap import find
from crew.settings import Inputs
from crew.settings.loader import load_settings
from crew.workspace import Workspace
from small_config import write_files
from test_worktrees import git, repository

isolated = pytest.mark.skipif(
    find(os.environ) is None, reason="nothing isolates a command on this machine"
)
Opened = Callable[..., Checks]
CODE = "def total(numbers):\n    return sum(numbers)\n"
TESTS = """\
import unittest
from shop import total

class Totals(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1, 2]), 3)

    def test_old(self):
        self.assertEqual(total([]), None)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository in which one test of two fails."""
    made = repository(tmp_path / "shop")
    (made / "shop.py").write_text(CODE)
    (made / "test_shop.py").write_text(TESTS)
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "-m", "a shop")
    return made


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Checks by the text of inputs.yaml, on repositories; the system's programs."""
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")

    def open_checks(text: str, *repositories: Path) -> Checks:
        config = tmp_path / "config"
        if not config.exists():
            write_files(config)
        (config / "inputs.yaml").write_text(f"request: x\n{text}\n", encoding="utf-8")
        settings = load_settings(config, environ={"ALPHA_API_KEY": "sk-alpha-secret"})
        settings = replace(settings, state_dir=tmp_path / "state")
        inputs = Inputs(request="x", repositories=tuple(map(str, repositories)))
        root = tmp_path / "output" / "r1" / "workspace"
        return Checks.of(settings, Workspace.prepare(root, "r1", inputs))

    return open_checks
