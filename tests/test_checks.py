"""Checks: the commands of the user, run in the sandbox, and what is told apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crew.checks import Checks
from crew.settings import Inputs, Settings
from crew.settings.loader import load_settings
from crew.workspace import Workspace
from small_config import write_files
from test_worktrees import git, repository

TEST = "test: python3 -m unittest -q"
GOOD = """\
import unittest
from shop import total

class Totals(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1, 2]), 3)

    def test_old(self):
        self.assertEqual(total([]), None)
"""
CODE = "def total(numbers):\n    return sum(numbers)\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository in which one test of two fails."""
    made = repository(tmp_path / "shop")
    (made / "shop.py").write_text(CODE)
    (made / "test_shop.py").write_text(GOOD)
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "-m", "a shop")
    return made


Opened = Callable[..., Checks]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Checks by the text of inputs.yaml, on repositories."""

    def open_checks(text: str, *repositories: Path) -> Checks:
        config = tmp_path / "config"
        if not config.exists():
            write_files(config)
        (config / "inputs.yaml").write_text(f"request: x\n{text}\n")
        settings: Settings = load_settings(config, environ={})
        settings = replace(settings, state_dir=tmp_path / "state")
        names = tuple(map(str, repositories))
        inputs = Inputs(request="x", repositories=names)
        made = Workspace.prepare(tmp_path / "output" / "r1" / "workspace", "r1", inputs)
        return Checks.of(settings, made)

    return open_checks


def test_a_check_runs_in_the_root_of_the_worktree(opened: Opened, shop: Path) -> None:
    checks = opened("checks: {here: test -f shop.py && test ! -w .git}", shop)

    found = checks.run("here")

    assert (found.passed, found.reason, found.ended_by) == (True, "", "exit")
    assert checks.names == ("here",)


def test_what_failed_before_is_told_apart(opened: Opened, shop: Path) -> None:
    checks = opened(f"checks: {{{TEST}}}", shop)
    old = "test_shop.Totals.test_old"

    before = checks.run("test")
    checks.workspace.write("shop/shop.py", "def total(numbers):\n    return 4\n")
    after = checks.run("test")

    assert (before.passed, before.broke, before.failing_before) == (False, (), (old,))
    assert not before.blames_run
    assert after.broke == ("test_shop.Totals.test_total",)
    assert after.failing_before == (old,)
    assert after.blames_run
    assert "AssertionError: 4 != 3" in after.reason
    assert 'File "test_shop.py", line 6, in test_total' in after.reason
