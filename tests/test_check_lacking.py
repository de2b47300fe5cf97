"""A check whose program is not in the sandbox says in one line what to do."""

from pathlib import Path

import pytest

import checked
from checked import Opened, isolated
from crew.checks.lacking import advice
from test_worktrees import git

shop, opened = checked.shop, checked.opened
LACKING = [
    ("/bin/sh: 1: pytest: not found", "pytest"),
    ("sh: line 1: jest: command not found", "jest"),
    ("make: pytest: No such file or directory\nmake: *** [test] Error 127", "pytest"),
    ("env: \u2018tox\u2019: No such file or directory", "tox"),
    ("error: Failed to spawn: `pytest`\n  Caused by: No such file", "pytest"),
    ("Command not found: mypy", "mypy"),
    ("/usr/bin/python3: No module named pytest", "pytest"),
    ("E   ModuleNotFoundError: No module named 'freezegun'", "freezegun"),
    ("Error: Cannot find module '@babel/core'\nRequire stack:", "@babel/core"),
    (
        'npm error npx canceled due to missing packages: ["eslint@9.1.0"]',
        "eslint",
    ),
    ('ERR_PNPM  Command "vitest" not found', "vitest"),
]


@pytest.mark.parametrize(("output", "name"), LACKING)
def test_what_is_not_there_is_named(output: str, name: str, tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()

    lend, install = advice(output, tmp_path, []), advice(output, tmp_path, [".venv"])

    assert lend.startswith(f"{name} is not in the sandbox. ")
    assert "write `share: [.venv]` into inputs.yaml" in lend
    assert "`setup` with `network: setup`" in install
    assert "\n" not in lend + install


@pytest.mark.parametrize(
    "output",
    [
        "AssertionError: 1 != 2",
        "ModuleNotFoundError: No module named 'shop.cart'",
        "Cannot find module './cart'",
        "cat: x: No such file or directory",
    ],
)
def test_a_mistake_of_the_repository_is_none_of_the_sandbox(
    output: str, tmp_path: Path
) -> None:
    (tmp_path / "src/shop").mkdir(parents=True)

    assert advice(output, tmp_path, []) == ""


def test_what_wants_the_network_is_sent_to_the_setup() -> None:
    assert "`setup`" in advice("cause: Temporary failure in name resolution", None, [])


def test_a_program_named_by_its_path_is_put_where_a_check_finds_it() -> None:
    line = advice("/bin/sh: 1: /opt/own/bin/py.test: not found", None, [])

    assert line.startswith("/opt/own/bin/py.test is not in the sandbox, which has ")
    assert "Put it on PATH" in line
    assert "\n" not in line


@isolated
def test_a_program_that_is_missing_is_not_the_runs_fault(
    opened: Opened, shop: Path
) -> None:
    (shop / "run.sh").write_text("exit 0\n")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "a script")
    checks = opened("checks: {no: no-such-program -q, own: sh run.sh}", shop)
    checks.workspace.write("shop/run.sh", "no-such-program\n")

    missing, own = checks.run("no"), checks.run("own")

    assert (missing.ended_by, missing.broke) == ("refused", ())
    assert missing.reason.splitlines()[-1].startswith("no-such-program is not in the")
    # This one was there before the run.
    assert (own.ended_by, own.broke) == ("exit", ("own",))
