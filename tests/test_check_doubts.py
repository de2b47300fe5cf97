"""A check that passes because less is tested does not prove the work in silence."""

from pathlib import Path

import pytest

import checked
from checked import TESTS, Opened, isolated
from crew.checks import Checks
from crew.checks.counts import Counts, counted
from crew.checks.failures import plain
from crew.checks.test_names import decides, names, removed
from test_worktrees import git

shop, opened = checked.shop, checked.opened
TEST = "checks: {test: python3 -m unittest -q}"
MENDED = TESTS.replace("assertEqual(total([]), None)", "assertEqual(total([]), 0)")
OLD = "    def test_old"
SKIPPED = MENDED.replace(OLD, f"    @unittest.skip('x')\n{OLD}")
WITHOUT = MENDED[: MENDED.index(OLD)]


@pytest.fixture
def checks(opened: Opened, shop: Path) -> Checks:
    """Of a shop in which both tests pass."""
    (shop / "test_shop.py").write_text(MENDED)
    git(shop, "commit", "--quiet", "--all", "-m", "mended")
    return opened(TEST, shop)


@isolated
def test_work_that_leaves_the_tests_alone_is_proved(
    checks: Checks, tmp_path: Path
) -> None:
    checks.workspace.write("shop/shop.py", "def total(n):\n    return sum(n)\n")

    found = checks.run("test")

    assert found.proves
    assert not (tmp_path / "state/checks").exists()  # nothing to compare


@isolated
@pytest.mark.parametrize(
    ("file", "text", "doubts"),
    [
        ("test_shop.py", MENDED + "\n    def test_new(self): pass\n", ()),
        (
            "test_shop.py",
            WITHOUT,
            (
                "the run removed tests: test_shop.py::test_old",
                "1 test passed, and 2 at the base",
            ),
        ),
        (
            "test_shop.py",
            SKIPPED,
            ("1 test passed, and 2 at the base (1 more are skipped)",),
        ),
        (
            "test_shop.py",
            WITHOUT + "\n    def test_a(self): pass\n    def test_b(self): pass\n",
            ("the run removed tests: test_shop.py::test_old",),
        ),
        # The source itself ends the runner.
        (
            "shop.py",
            "import os\nos._exit(0)\n",
            ("it counts no tests any more; 2 tests passed at the base",),
        ),
    ],
)
def test_fewer_tests_are_named(
    checks: Checks, file: str, text: str, doubts: tuple[str, ...]
) -> None:
    checks.workspace.write(f"shop/{file}", text)

    found = checks.run("test")

    assert (found.passed, found.doubts) == (True, doubts)
    assert found.proves == (not doubts)


@isolated
def test_a_test_that_moved_is_not_lost(checks: Checks) -> None:
    checks.workspace.resolve("shop/test_shop.py").unlink()
    checks.workspace.write("shop/test_moved.py", MENDED)
    checks.workspace.commit("moved")

    assert checks.run("test").doubts == ()


@isolated
def test_removed_tests_are_named_where_others_fail(checks: Checks) -> None:
    checks.workspace.write("shop/test_shop.py", WITHOUT.replace(", 3)", ", 4)"))

    found = checks.run("test")

    assert found.broke == ("test_shop.Totals.test_total",)
    assert found.doubts == ("the run removed tests: test_shop.py::test_old",)


@isolated
def test_a_configuration_that_hides_tests_is_noticed(
    opened: Opened, shop: Path
) -> None:
    (shop / "test_shop.py").write_text(MENDED)
    (shop / "Makefile").write_text("t:\n\tpython3 -m unittest -q\n")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "make")
    checks = opened("checks: {unit: make t, lint: 'true'}", shop)
    checks.workspace.write("shop/Makefile", "t:\n\t-python3 -m unittest -q test_no\n")

    unit, lint = checks.run("unit"), checks.run("lint")

    assert "it ends without an error although it counts 1 test failed" in unit.doubts
    assert lint.proves


@isolated
def test_where_no_test_runs_nothing_is_proved(opened: Opened, shop: Path) -> None:
    command = "echo Ran 0 tests in 0.000s; echo OK"
    checks = opened(f"checks: {{test: '{command}'}}", shop)

    assert checks.run("test").doubts == ("no test ran",)


@isolated
def test_a_check_that_is_killed_blames_no_single_test(checks: Checks) -> None:
    checks.workspace.write(
        "shop/shop.py", "import os\nprint('FAILED a.py::b')\nos.kill(os.getpid(), 9)\n"
    )

    found = checks.run("test")

    assert not found.passed
    assert found.blames_run
    assert "exit code 137" in found.reason


COUNTED = [
    ("5 passed, 1 skipped in 0.12s", (5, 0, 1)),
    ("\x1b[31m== 2 failed\x1b[0m, 1 passed, 1 error in 1.00s ==", (1, 3, 0)),
    ("140 passed, 5 skipped, 152 subtests passed in 2.11s", (140, 0, 5)),
    ("3 passed, 2 xfailed, 1 xpassed, 4 warnings in 61.00s (0:01:01)", (4, 0, 2)),
    ("no tests ran in 0.01s", (0, 0, 0)),
    ("Ran 4 tests in 0.1s\n\nFAILED (failures=1, skipped=1)", (2, 1, 1)),
    ("Ran 2 tests in 0.000s\n\nOK", (2, 0, 0)),
    ("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured\n"
     "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured", (7, 0, 1)),
    ("Tests:       1 skipped, 5 passed, 6 total", (5, 0, 1)),
    ("      Tests  2 failed | 3 passed (5)", (3, 2, 0)),
    ("  5 passing (10ms)\n  1 pending", (5, 0, 1)),
    ("\u2139 pass 3\n\u2139 fail 0\n# skipped 1", (3, 0, 1)),
    ("# pass 3", (3, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("output", "expected"), COUNTED)
def test_the_usual_runners_are_counted(
    output: str, expected: tuple[int, int, int]
) -> None:
    found = counted(plain(output))

    assert found is not None
    assert (found.passed, found.failed, found.skipped) == expected


@pytest.mark.parametrize(
    "output",
    ["", "All checks passed!", "2 passed", "Success: no issues in 3 files"],
)
def test_other_output_counts_nothing(output: str) -> None:
    assert counted(output) is None


def test_ten_megabytes_of_output_are_counted_by_their_end() -> None:
    assert counted("x" * 10_000_000 + "\n3 passed in 1.00s\n") == Counts(passed=3)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class T:\n    async def test_a(self): ...\ndef helper(): ...", {"test_a"}),
        ("func TestAdd(t *testing.T) {}\nfunc add() {}", {"TestAdd"}),
        ("it('adds', () => {})\ntest.each([1])(\"%d is\", f)", {"adds", "%d is"}),
        ("#[test]\nfn adds() {}\nfn other() {}", {"adds"}),
    ],
)
def test_tests_are_found_by_name(text: str, found: set[str]) -> None:
    assert set(names(text)) == found


def test_of_two_tests_of_a_name_one_can_be_removed() -> None:
    before = {"a.py": "def test_x(): ...\n", "b.py": "def test_x(): ...\n"}

    assert removed(before, {"a.py": "", "b.py": "def test_x(): ...\n"}) == [
        "b.py::test_x"
    ]


@pytest.mark.parametrize(
    ("path", "does"),
    [
        ("conftest.py", True),
        ("src/a/pyproject.toml", True),
        ("tests/data/x.json", True),
        ("src/add.test.ts", True),
        ("pkg/add_test.go", True),
        ("src/add.py", False),
        ("README.md", False),
    ],
)
def test_files_that_decide_what_runs_are_known(path: str, does: bool) -> None:
    assert decides(path) == does
