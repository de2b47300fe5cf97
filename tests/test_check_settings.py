"""The checks of inputs.yaml: what they may be, and each mistake at its line."""

from pathlib import Path

import pytest

from crew.sandbox.job import MB
from crew.settings.check_commands import with_checks
from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files

TEXT = """\
request: x
checks:
  test: pytest -q
  shop: {test: npm test, types: tsc}
sandbox: {time: 2m, memory: 512 MB, processes: 9, disk: 3 GB}
share: [.venv]
setup: uv sync
network: setup
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = write_files(tmp_path / "config")
    (made / "inputs.yaml").write_text(TEXT, encoding="utf-8")
    return made


def test_a_repository_has_its_own_checks_before_those_of_all(config: Path) -> None:
    checks = load_settings(config, environ={}).checks

    assert checks.names == ("test", "types")
    assert checks.of("api") == {"test": "pytest -q"}
    assert checks.of("shop") == {"test": "npm test", "types": "tsc"}
    assert (checks.bounds.seconds, checks.bounds.memory) == (120.0, 512 * MB)
    assert (checks.bounds.processes, checks.bounds.disk) == (9, 3 * 1024 * MB)
    assert (checks.share, checks.setup) == ((".venv",), "uv sync")
    assert checks.setup_online


@pytest.mark.parametrize("written", ["off", "{runtime: off}", "'off'", "no"])
def test_off_is_off_however_yaml_reads_it(config: Path, written: str) -> None:
    line = "sandbox: {time: 2m, memory: 512 MB, processes: 9, disk: 3 GB}"
    change(config, "inputs", line, f"sandbox: {written}")

    assert load_settings(config, environ={}).checks.runtime == "off"


MISTAKES = [
    ("test: pytest -q", "test: ''", 3, "checks.test", "found ''"),
    ("test: pytest -q", "test: [a]", 3, "checks.test", "found a list"),
    ("test: pytest -q", "a/b: x", 3, "checks.a/b", "cannot hold '/'"),
    ("test: pytest -q", "-x: y", 3, "checks.-x", "begin with a hyphen"),
    ("types: tsc", "types: 3", 4, "checks.shop", "found 3; allowed: a command"),
    ("types: tsc", "-t: tsc", 4, "checks.shop.-t", "begin with a hyphen"),
    ("time: 2m", "time: 0", 5, "sandbox.time", "more than 0 seconds"),
    ("memory: 512 MB", "memory: 9", 5, "sandbox.memory", "such as 512 MB"),
    ("memory: 512 MB", "memory: 1 MB", 5, "sandbox.memory", "at least 16 MB"),
    ("time: 2m", "runtime: docker", 5, "sandbox.image", "needs the image"),
    ("time: 2m", "image: x", 5, "sandbox.image", "does nothing without"),
    ("time: 2m", "runtime: jail", 5, "sandbox.runtime", "unknown runtime 'jail'"),
    ("time: 2m", "tim: 2m", 5, "sandbox.tim", "did you mean 'time'"),
    ("[.venv]", "[../x]", 6, "share[0]", "inside the repository"),
    ("[.venv]", "[.git]", 6, "share[0]", ".git is never lent"),
    ("[.venv]", "[/x]", 6, "share[0]", "inside the repository"),
    ("setup: uv sync\n", "", 7, "network", "does nothing without `setup`"),
    ("network: setup", "network: all", 8, "network", "unknown network 'all'"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "message"), MISTAKES)
def test_a_mistake_has_its_line_and_key(
    config: Path, old: str, new: str, line: int, key: str, message: str
) -> None:
    change(config, "inputs", old, new)

    (found,) = mistakes_of(config)

    assert (found.line, found.key) == (line, key)
    assert message in found.message


@pytest.mark.parametrize(
    ("tools", "key", "message"),
    [
        ("tools: [run_command]", "coder.tools", "needs `commands: [...]`"),
        ("tools: [read_file]\n  commands: [node]", "coder.commands", "does nothing"),
        (
            "tools: [run_command]\n  commands: [/bin/sh]",
            "coder.commands[0]",
            "is no program",
        ),
        ("tools: [run_command]\n  commands: [-x]", "coder.commands[0]", "no program"),
    ],
)
def test_a_role_names_the_programs_it_may_run(
    config: Path, tools: str, key: str, message: str
) -> None:
    change(config, "agents", "tools: [read_file]", tools)

    found = {one.key: one.message for one in mistakes_of(config)}

    assert message in found[key]


def test_the_arguments_add_checks_for_every_repository(config: Path) -> None:
    settings = load_settings(config, environ={})

    changed, mistakes = with_checks(settings, ["test=make x=y", "lint=ruff check ."])
    _, wrong = with_checks(settings, ["test", "=x", "-a=b", "a=\n"])

    assert mistakes == []
    assert changed.checks.of("api") == {"test": "make x=y", "lint": "ruff check ."}
    assert changed.checks.of("shop")["test"] == "npm test"
    assert [one.key for one in wrong] == ["--check"] * 4
