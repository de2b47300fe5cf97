"""Checks: the commands of the user, run in the sandbox, and what is told apart."""

from pathlib import Path

import checked
from checked import Opened, isolated

pytestmark = isolated
shop, opened = checked.shop, checked.opened
TEST = "test: python3 -m unittest -q"


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
