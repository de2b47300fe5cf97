"""The README and `crew --help`, held against what is really there."""

import ast
import importlib
import re
import shutil
from pathlib import Path

import pytest

from crew.cli import main
from crew.errors import SettingsError
from crew.quota.limit_syntax import parse_limit
from crew.settings.loader import load_settings

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
OPTION = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def section(title: str) -> str:
    return README.partition(f"# {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[str]:
    """What the first column of a section's tables shows as code."""
    return re.findall(r"^\| `(.+?)`.*\|$", section(title), re.MULTILINE)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def commands(capsys: pytest.CaptureFixture[str]) -> dict[str, set[str]]:
    """Each command and its options, as `--help` tells them."""
    names = re.findall(r"^  (\w+)  ", shown(capsys), re.MULTILINE)
    assert "run" in names
    return {
        name: set(OPTION.findall(shown(capsys, name))) - {"--help"} for name in names
    }


def test_the_table_of_commands_is_what_help_tells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reported: dict[str, set[str]] = {}
    for row in rows("Commands"):
        if row.startswith("crew "):
            reported.setdefault(row.split()[1], set()).update(OPTION.findall(row))

    assert reported == commands(capsys)


def test_the_options_before_a_command_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for option in set(OPTION.findall(shown(capsys))) - {"--help", "--version"}:
        assert f"`crew {option} " in README


def test_every_command_that_the_readme_shows_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = commands(capsys)
    code = "\n".join([*re.findall(r"`([^`\n]+)`", README), *blocks("")])
    used = re.findall(r"(?:^|run |^crew: )crew (\w+)([^\n]*)", code, re.MULTILINE)

    assert {name for name, _ in used} <= set(known)
    for name, rest in used:
        assert set(OPTION.findall(rest)) <= known[name]


def test_the_exit_codes_are_those_that_help_tells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def codes(text: str) -> list[str]:
        reported = " ".join(text.split()).partition("Exit codes: ")[2]
        return re.findall(r"\d+", reported.partition(".")[0])

    assert codes(README) == codes(shown(capsys)) == ["0", "1", "2", "75", "130"]


def test_the_variables_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    sources = (PROJECT / "src").rglob("*.py")
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    reported = set(re.findall(r"\bCREW_[A-Z_]+\b", README))

    assert reported
    assert reported <= set(re.findall(r"\bCREW_[A-Z_]+\b", source))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The project's files, with what the README adds to them."""
    directory = tmp_path / "config"
    shutil.copytree(PROJECT / "config", directory)
    for block in blocks("yaml"):
        parts = re.split(r"^# (\w+\.yaml).*\n", block, flags=re.MULTILINE)
        assert not parts[0].strip()
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            with (directory / name).open("a", encoding="utf-8") as file:
                file.write(f"\n{text}")
    return directory


def test_the_yaml_loads_together_with_the_projects(config: Path) -> None:
    settings = load_settings(config, environ={})

    assert settings.roles["reviewer"].patience == 20.0
    assert settings.tasks["review"].agent == "reviewer"


def test_a_mistake_is_told_as_the_readme_shows_it(config: Path) -> None:
    agents = config / "agents.yaml"
    own = agents.read_text(encoding="utf-8")
    agents.write_text(own.replace("tier: mid   ", "tier: mdi   "), encoding="utf-8")
    (line,) = re.findall(r"^crew: config/agents.yaml:\d+: (.*)$", README, re.MULTILINE)

    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ={})

    (mistake,) = caught.value.mistakes
    assert f"{mistake.key}: {mistake.message}" == line


def test_the_files_of_the_configuration_are_all_named() -> None:
    files = {path.name for path in (PROJECT / "config").glob("*.yaml")}

    assert {row for row in rows("The YAML") if row.endswith(".yaml")} == files


def test_the_limits_parse_and_keep_their_form() -> None:
    limits = [row for row in rows("The YAML") if row[0].isdigit()]

    assert len(limits) >= 6
    for text in limits:
        assert str(parse_limit(text)) == text


def test_the_python_compiles_and_imports_what_exists() -> None:
    found = blocks("python")

    assert found
    for block in found:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert {alias.name for alias in node.names} <= set(dir(module))


def test_the_tests_are_started_as_the_readme_says() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")

    assert "pip install uv && uv run pytest" in README
    assert "uv run pytest" in script


def test_each_sentence_has_a_line_of_its_own() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL).splitlines()
    lines = [line for line in prose if not line.startswith("|")]

    assert [line for line in lines if re.search(r"[.?!] [A-Z`]", line)] == []
