"""Names in the YAML files are names: no paths, no devices, nothing invisible."""

from pathlib import Path

import pytest

from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files

KEYS = {"ALPHA_API_KEY": "sk-alpha"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


NO_NAMES = [
    "../../README",
    "/etc/passwd",
    "workspace/deep/x",
    "a/../b",
    "..",
    ".",
    "...",
    "",
    " ",
    "a\\b",
    "C:\\x",
    "c:x",
    "a\u0000b",
    "a\u001b[2J",
    "a\u007fb",
    "a\u0085b",
    "a\u2028b",
    "a\nb",
    "a\u202eb",
    "\u200b",
    "x" * 201,
    "é" * 101,
    "CON",
    "nul.txt",
    "com1",
    "LPT¹",
    "aux .md",
    "end.",
    "end ",
    " begin",
    "a*b",
    "a?b",
    "a|b",
    'a"b',
]
NAMES = [
    "Größe messen",
    "设计",
    "código",
    "step 1",
    "a.b",
    "v1.2",
    ".hidden",
    "it's",
    "a-b_c",
    "\u0645\u06cc\u200c\u062e\u0648",
    "👩\u200d💻",
    "console",
    "común",
    "x" * 200,
]


def quoted(name: str) -> str:
    written = "".join(
        one if one.isalnum() or one in " ./" else f"\\U{ord(one):08x}" for one in name
    )
    return f'"{written}"'


def line_of(config: Path, file: str, text: str) -> int:
    lines = (config / f"{file}.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_refused_for_tasks(config: Path, name: str) -> None:
    change(config, "tasks", "code:\n  descr", f"{quoted(name)}:\n  descr")

    line = line_of(config, "tasks", f"{quoted(name)}:")
    found = [one for one in mistakes_of(config, KEYS) if one.line == line]
    assert ["a name" in str(one) or "this name" in str(one) for one in found] == [True]
    assert found[0].file.endswith("tasks.yaml")
    assert len(str(found[0])) < 500


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_refused_for_roles(config: Path, name: str) -> None:
    added = f"{quoted(name)}: {{role: R, goal: g, backstory: b, tier: mid}}\ncoder:"
    change(config, "agents", "coder:", added)

    (found,) = mistakes_of(config, KEYS)
    assert found.line == 6
    assert found.file.endswith("agents.yaml")


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_refused_for_providers(config: Path, name: str) -> None:
    change(config, "providers", "  beta:", f"  {quoted(name)}:")

    found = mistakes_of(config, KEYS)
    assert found[0].line == 11
    assert "name" in found[0].message


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a//b", "a/..", "..", "", "a\\b", "nul"]
)
@pytest.mark.parametrize(
    ("file", "old", "line"),
    [("providers", "  big:", 16), ("tiers", "  senior:", 2)],
)
def test_a_deployment_or_a_tier_leads_nowhere_else(
    config: Path, name: str, file: str, old: str, line: int
) -> None:
    change(config, file, old, f"  {quoted(name)}:")

    assert any(
        one.line == line and "name" in one.message for one in mistakes_of(config, KEYS)
    )


def test_a_deployment_may_be_called_like_its_model(config: Path) -> None:
    change(config, "providers", "  own:", "  meta/llama-4:free:")

    assert "meta/llama-4:free" in load_settings(config, environ=KEYS).deployments


@pytest.mark.parametrize("name", NAMES)
def test_letters_of_every_script_stay_valid(config: Path, name: str) -> None:
    change(config, "tasks", "code:\n  descr", f"{quoted(name)}:\n  descr")
    added = f"{quoted(name)}: {{role: R, goal: g, backstory: b, tier: mid}}\ncoder:"
    change(config, "agents", "coder:", added)

    settings = load_settings(config, environ=KEYS)
    assert name in settings.tasks
    assert name in settings.roles


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Code", "code"),
        ("STRASSE", "straße"),
        ("é", "e\u0301"),
        ("a\u200cb", "ab"),
        ("\ufb01x", "fix"),
    ],
)
def test_names_that_may_be_one_file_do_not_stand_side_by_side(
    config: Path, one: str, other: str
) -> None:
    task = "  description: d {request}\n  expected_output: e\n  agent: coder\n"
    path = config / "tasks.yaml"
    text = f"{quoted(one)}:\n{task}{quoted(other)}:\n{task}"
    path.write_text(text, encoding="utf-8")

    (found,) = mistakes_of(config, KEYS)
    assert found.line == 5
    assert "they may be one file" in found.message
