"""What `crew init` writes beside the checks runs in the sandbox as it stands."""

from pathlib import Path

import pytest

from crew.checks.surroundings import surroundings
from crew.sandbox.toolchains import interpreter
from moving_in import a_home, a_repository, init, write, written


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    a_home(tmp_path / "home", monkeypatch)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return a_repository(tmp_path / "shop", monkeypatch)


@pytest.mark.parametrize(
    ("files", "shares"),
    [
        ({"pyproject.toml": "[tool.ruff]\n"}, [".venv"]),
        ({"test_a.py": "", "venv/bin/python": ""}, ["venv"]),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, ["node_modules"]),
        ({"Makefile": "test:\n\ttrue\n"}, None),
    ],
)
def test_the_checks_are_lent_what_they_need(
    repository: Path, files: dict[str, str], shares: list[str] | None
) -> None:
    write(repository, files)

    init()

    assert written(repository, "inputs.yaml").get("share") == shares
    text = (repository / ".crew/config/inputs.yaml").read_text("utf-8")
    assert text.index("#  lint: ") < text.index("share: [")  # an example of a check


def test_a_linter_that_is_not_installed_is_left_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = "[tool.ruff]\n[tool.mypy]\nfiles = ['src']\n[tool.pytest]\n"
    write(repository, {"pyproject.toml": tools, ".venv/bin/mypy": ""})

    init()

    checks = written(repository, "inputs.yaml")["checks"]
    checks.pop("workspace")
    assert checks == {"test": "pytest -q", "types": "mypy"}
    printed = capsys.readouterr().out
    assert "lint: left out, not installed: ruff check ." in printed
    assert "share    .venv\n" in printed


@pytest.mark.parametrize("file", ["test_shop.py", "tests/shop/test_cart.py"])
def test_tests_without_a_configuration_are_found(repository: Path, file: str) -> None:
    write(repository, {file: ""})

    init()

    assert written(repository, "inputs.yaml")["checks"]["test"] == "pytest -q"


def test_managers_stay_offline_unless_the_command_is_online() -> None:
    offline, online = surroundings(online=False), surroundings(online=True)

    assert (offline["UV_NO_SYNC"], offline["GOPROXY"]) == ("1", "off")
    assert not {"UV_OFFLINE", "GOPROXY", "CARGO_NET_OFFLINE"} & set(online)
    assert online["HOME"] == offline["HOME"]


def test_an_environment_lends_no_home_through_its_links(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("bin/python", "lib/python3", ".ssh/key", "tool/bin/python"):
        write(home, {name: ""})
    hostile, usual = home / "shop/.venv", home / "other/.venv"
    for environment, target in (
        (hostile, home / "bin/python"),
        (usual, home / "tool/bin/python"),
    ):
        (environment / "bin").mkdir(parents=True)
        (environment / "bin/python").symlink_to(target)

    assert interpreter(hostile, home) == [home / "bin"]
    assert home / "tool" not in interpreter(usual, home)
    assert home / "tool/lib" in interpreter(usual, home)
