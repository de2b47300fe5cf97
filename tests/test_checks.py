"""Checks: the commands of the user, run in the sandbox, and what is told apart."""

from pathlib import Path

import pytest

import checked
from checked import Opened, isolated
from crew.checks.failures import failing, plain
from crew.checks.reasons import failing_part
from crew.errors import WorkspaceError
from crew.tools.check_tools import check_tool
from test_worktrees import git, repository

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


@pytest.mark.parametrize(
    "printed",
    [
        "RuntimeError: can't start new thread",
        "sh: 1: fork: Resource temporarily unavailable",
        "runtime/cgo: pthread_create failed",
        "OutOfMemoryError: unable to create native thread",
    ],
)
def test_who_gets_no_thread_is_told_of_the_limit(
    opened: Opened, shop: Path, printed: str
) -> None:
    """Not of one that the watch saw: the kernel refused, and the program gave up."""
    (shop / "said").write_text(printed)
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "words")
    text = "checks: {a: 'cat said; exit 1', b: exit 1}\nsandbox: {processes: 60}"
    checks = opened(text, shop)

    user = checks.run("a").reason
    model = check_tool("run_checks", checks, ()).run(names=["a"])

    for told in (user, model):
        assert printed in told
        assert "exit code 1; it may have all of its 60 processes and threads" in told
        assert "`sandbox: {processes: N}`" in told
    assert checks.run("b").reason == "exit code 1"


PRINTED = [
    (
        "FAILED tests/test_a.py::test_x[1 - 2] - assert 1 == 2\n"
        "ERROR tests/test_b.py - ImportError: no\n= 2 failed in 0.1s =",
        ("tests/test_a.py::test_x[1 - 2]", "tests/test_b.py"),
    ),
    ("FAIL: test_x (pkg.test_a.Case.test_x)", ("pkg.test_a.Case.test_x",)),
    ("ERROR: test_x (pkg.test_a.Case)", ("pkg.test_a.Case.test_x",)),
    ("    --- FAIL: TestA/sub (0.00s)\nFAIL\tshop 0.1s", ("TestA/sub",)),
    ("test orders::adds ... FAILED\ntest b ... ok", ("orders::adds",)),
    (
        "  \x1b[31m● orders \u203a adds\x1b[0m\n  ● orders \u203a adds",
        ("orders \u203a adds",),
    ),
    (" FAIL  src/a.test.ts > adds > two 3ms", ("src/a.test.ts > adds > two",)),
    ("not ok 2 - adds # time=1ms\nok 3 - b", ("adds",)),
    (
        "a.py:3:1: F401 `x` unused\na.py:9:1: F401 `x` unused",
        ("a.py: F401 `x` unused", "a.py: F401 `x` unused (2)"),
    ),
    ("src/a.ts(3,1): error TS2322: no", ("src/a.ts: error TS2322: no",)),
    ("make: *** [all] Error 1", ()),
]


@pytest.mark.parametrize(("printed", "ids"), PRINTED)
def test_the_usual_runners_are_understood(printed: str, ids: tuple[str, ...]) -> None:
    assert failing(plain(printed)) == ids


def test_a_reason_is_bounded_and_keeps_both_ends() -> None:
    failure = "____ test_{} ____\n" + "x = 1\n" * 500 + "E  assert 3 == {}\n"
    output = "".join(failure.format(n, n) for n in range(50)) + "50 failed in 1s\n"

    part = failing_part(output)

    assert len(part) < 7_000
    for expected in ("test_0", "assert 3 == 0", "test_2", "50 failed in 1s"):
        assert expected in part


def test_the_base_is_asked_once_for_a_commit(
    opened: Opened, shop: Path, tmp_path: Path
) -> None:
    checks = opened(f"checks: {{{TEST}}}", shop)

    checks.run("test")
    (kept,) = (tmp_path / "state/checks").iterdir()
    kept.write_text('{"failing": [], "counts": null}')
    again = checks.run("test")

    assert again.broke == ("test_shop.Totals.test_old",)
    assert not (tmp_path / "output/r1/workspace.base/shop").exists()
    assert git(shop, "worktree", "list").count("\n") == 2


def test_a_check_without_tests_counts_as_a_whole(opened: Opened, shop: Path) -> None:
    checks = opened("checks: {there: test -f new, gone: test -f shop.py}", shop)
    checks.workspace.resolve("shop/shop.py").unlink()

    there, gone = checks.run("there"), checks.run("gone")

    assert (there.broke, there.failing_before) == ((), ("there",))
    assert (gone.broke, gone.failing_before) == (("gone",), ())


def test_each_repository_has_its_turn(
    opened: Opened, shop: Path, tmp_path: Path
) -> None:
    api = repository(tmp_path / "api")
    text = "checks: {all: test -f shop.py, api: {own: test -f a.txt}}"
    checks = opened(text, shop, api)

    found, own = checks.run("all"), checks.run("own")

    assert checks.names == ("all", "own")
    assert own.passed
    assert (found.passed, found.failing_before) == (False, ("api: all",))
    assert found.reason == "In api: exit code 1"


def test_paths_take_the_place_of_a_commands_own(opened: Opened, shop: Path) -> None:
    (shop / "pytest").write_text('#!/bin/sh\necho "$@"; exit 1\n')
    (shop / "pytest").chmod(0o755)
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "more")
    text = "checks: {t: ./pytest -q ., m: make x, s: 'pytest | cat'}"
    checks = opened(text, shop)

    found = checks.run("t", paths=["shop/test_shop.py"])

    assert found.reason == "-q ./test_shop.py\nexit code 1"
    for name, path in (("m", "shop/shop.py"), ("s", "shop/shop.py"), ("t", "../x")):
        with pytest.raises(WorkspaceError):
            checks.run(name, paths=[path])
    with pytest.raises(WorkspaceError, match="there is no check 'no'; there are: t"):
        checks.run("no")


def test_without_a_repository_checks_run_in_the_workspace(opened: Opened) -> None:
    checks = opened("checks: {t: python3 a.py}")
    checks.workspace.write("a.py", "raise SystemExit(3)\n")

    found = checks.run("t")

    assert (found.reason, found.broke) == ("exit code 3", ("t",))


def test_the_tools_run_checks_and_allowed_programs(opened: Opened, shop: Path) -> None:
    checks = opened(f"checks: {{{TEST}, ok: 'true'}}", shop)
    run_checks = check_tool("run_checks", checks, ())
    run_command = check_tool("run_command", checks, ("python3",))

    every = run_checks.run(names=[])
    one = run_checks.run(names=["ok; rm -rf x"])
    ran = run_command.run(command=["python3", "-c", "print(6 * 7)"])
    shell = run_command.run(command=["sh", "-c", "id"])

    assert "ok: passed" in every
    assert "These failed before you began, too: test_shop.Totals.test_old" in every
    assert one == "Error: there is no check 'ok; rm -rf x'; there are: test, ok"
    assert ran == "42"
    assert shell == "Error: 'sh' is not allowed; allowed: python3"


def test_a_base_without_a_test_fails_nothing(opened: Opened, tmp_path: Path) -> None:
    """The first test of a repository is the run's own, also when it fails."""
    made = repository(tmp_path / "new")
    (made / "run.sh").write_text(
        "if ls test_*.py; then python3 -m unittest -q; else\n"
        "echo 'no tests ran in 0.01s'; exit 5; fi\n"
    )
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "-m", "no tests")
    checks = opened("checks: {test: sh run.sh}", made)
    none = checks.run("test")
    checks.workspace.write(
        "new/test_new.py",
        "import unittest\n\nclass New(unittest.TestCase):\n"
        "    def test_new(self):\n        self.fail()\n",
    )
    found = checks.run("test")

    assert not none.passed
    assert found.broke == ("test_new.New.test_new",)
    assert found.failing_before == ()
    assert found.blames_run
