"""The README and the pages under docs/, held against what is really there."""

import ast
import importlib
import re
import shutil
from pathlib import Path

import pytest
import yaml

from crew.cli import main
from crew.errors import SettingsError
from crew.quota.limit_syntax import LimitSyntaxError, parse_limit
from crew.routing import Request, route
from crew.settings.loader import load_settings, load_tiers
from forked import Forks

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
PAGES = [
    PROJECT / "README.md",
    PROJECT / "examples" / "README.md",
    *sorted(DOCS.glob("*.md")),
]
ALL = [pytest.param(path, id=path.name) for path in PAGES]
OPTION = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")
OUTSIDE = ("git ", "uv ", "pip ", "npm ", "node ", "litellm ")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text: str, title: str) -> str:
    return text.partition(f"# {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[str]:
    """What the first column of the tables shows as code."""
    return re.findall(r"^\| `(.+?)`.*\|$", text, re.MULTILINE)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def commands(capsys: pytest.CaptureFixture[str]) -> dict[str, set[str]]:
    """Each command and its options, as `--help` tells them."""
    names = below(shown(capsys))
    assert "run" in names
    return {name: options(capsys, name) for name in names}


def below(text: str) -> list[str]:
    return re.findall(r"^  (\w+)  ", text.partition("--help")[2], re.MULTILINE)


def options(capsys: pytest.CaptureFixture[str], *names: str) -> set[str]:
    """Those of a command, with those of the commands below it."""
    text = shown(capsys, *names)
    found = set(OPTION.findall(text)) - {"--help"}
    return found.union(*(options(capsys, *names, name) for name in below(text)))


# What is generated


def test_the_generated_parts_are_fresh(forks: Forks) -> None:
    code = (
        "from generate import DOCS, filled\n"
        "texts = {page.name: page.read_text('utf-8') for page in DOCS.glob('*.md')}\n"
        "print(*(name for name, text in texts.items() if filled(text) != text))"
    )

    stale = forks.run(code=code, cwd=DOCS)

    advice = "run: uv run python docs/generate.py"
    assert stale.returncode == 0, stale.stderr
    assert stale.stdout.split() == [], advice


# Commands


def test_the_page_of_commands_has_every_command_and_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = re.split(r"^### crew (\w+)$", page("commands.md"), flags=re.MULTILINE)
    reported = {
        name: {option for row in rows(text) for option in OPTION.findall(row)}
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }

    assert reported == commands(capsys)


def test_the_options_before_a_command_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for option in set(OPTION.findall(shown(capsys))) - {"--help"}:
        assert f"`crew {option}" in page("commands.md")


@pytest.mark.parametrize("path", ALL)
def test_every_command_that_a_page_shows_exists(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = path.read_text(encoding="utf-8")
    known = commands(capsys)
    shells = [block for kind in ("", "sh") for block in blocks(text, kind)]
    code = "\n".join([*re.findall(r"`([^`\n]+)`", prose(text)), *shells])
    used = re.findall(
        r"(?:^|run |&& |^crew: )crew (?:--config \S+ )?([a-z]+)([^\n]*)",
        code,
        re.MULTILINE,
    )

    assert {name for name, _ in used} <= set(known)
    for name, rest in used:
        asked = re.split(r" (?:#|&&|\|) ", rest)[0]
        assert set(OPTION.findall(asked)) <= known[name] | {"--help"}


def test_the_exit_codes_are_those_that_help_tells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def codes(text: str) -> list[str]:
        reported = " ".join(text.split()).partition("Exit codes: ")[2]
        return re.findall(r"\b\d+\b", reported.partition(".")[0])

    told = codes(page("commands.md"))
    table = re.findall(r"^\| (\d+) \|", page("notebooks-and-ci.md"), re.MULTILINE)
    assert told == codes(shown(capsys)) == ["0", "1", "2", "75", "130"]
    assert table == told


# Variables


def test_the_variables_are_read() -> None:
    sources = (PROJECT / "src").rglob("*.py")
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    told = "\n".join(
        path.read_text(encoding="utf-8") for path in [*PAGES, PROJECT / ".env.example"]
    )
    reported = set(re.findall(r"\bCREW_[A-Z_]+\b", told))

    assert reported
    assert reported <= set(re.findall(r"\bCREW_[A-Z_]+\b", source))


def test_env_example_has_the_variables_of_the_page_and_the_keys_of_the_yaml() -> None:
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    there = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    table = section(page("configuration.md"), "Variables")
    providers = (PROJECT / "config" / "providers.yaml").read_text(encoding="utf-8")
    keys = set(re.findall(r"^    api_key: \$\{(\w+)\}", providers, re.MULTILINE))

    named = {row for row in rows(table) if not row.endswith("_API_KEY")}
    assert there == named - {"CREW_CONFIG_DIR", "CREW_ENV_FILE"} | keys


# YAML


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The project's files, with what the tutorial adds to them."""
    directory = tmp_path / "config"
    shutil.copytree(PROJECT / "config", directory)
    (block,) = blocks(page("tutorial-yaml.md"), "yaml")
    for name, text in files(block).items():
        with (directory / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}")
    return directory


def files(block: str) -> dict[str, str]:
    """The files that a block of YAML shows, by name."""
    parts = re.split(r"^# (\w+\.yaml).*\n", block, flags=re.MULTILINE)
    assert not parts[0].strip()
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("path", ALL)
def test_the_yaml_of_a_page_is_yaml(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8"), "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


def test_the_yaml_of_the_tutorial_loads_together_with_the_projects(
    config: Path,
) -> None:
    settings = load_settings(config, environ={})

    assert settings.roles["reviewer"].patience == 20.0
    assert settings.tasks["review"].agent == "reviewer"


def test_a_mistake_is_told_as_the_tutorial_shows_it(config: Path) -> None:
    agents = config / "agents.yaml"
    own = agents.read_text(encoding="utf-8")
    agents.write_text(own.replace("tier: mid   ", "tier: mdi   "), encoding="utf-8")
    (line,) = re.findall(
        r"^crew: config/agents.yaml:\d+: (.*)$", page("tutorial-yaml.md"), re.MULTILINE
    )

    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ={})

    (mistake,) = caught.value.mistakes
    assert f"{mistake.key}: {mistake.message}" == line


def test_the_files_of_the_configuration_are_all_named() -> None:
    there = {path.name for path in (PROJECT / "config").glob("*.yaml")}
    named = rows(page("tutorial-yaml.md").partition("\n## ")[0])

    assert set(named) == there


def test_the_two_files_of_a_project_of_ones_own_load(tmp_path: Path) -> None:
    (block,) = blocks(page("tutorial-own-project.md"), "yaml")
    for name, text in files(block).items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    settings = load_tiers(tmp_path, environ={})

    assert settings.tiers["mid"].chain == ("flash", "oss")


def test_the_order_that_the_page_of_routing_tells_is_the_one_that_is_taken(
    tmp_path: Path,
) -> None:
    text = page("routing.md")
    (block,) = blocks(text, "yaml")
    shutil.copy(PROJECT / "config" / "providers.yaml", tmp_path)
    (tmp_path / "tiers.yaml").write_text(files(block)["tiers.yaml"], encoding="utf-8")
    providers = (tmp_path / "providers.yaml").read_text(encoding="utf-8")
    keys = dict.fromkeys(re.findall(r"\$\{(\w+_API_KEY)\}", providers), "key")
    settings = load_tiers(tmp_path, environ=keys)
    told = re.findall(r"^\| `(high|medium)` \| (.+) \|$", text, re.MULTILINE)

    assert len(told) == 2
    for complexity, order in told:
        request = Request(
            tier="mid",
            input_tokens=1,
            output_tokens=1,
            kind="coding",
            complexity=complexity,
        )
        found = route(settings, request).candidates
        assert ", ".join(one.name for one in found) == order


# Limits


def table_after(text: str, header: str) -> list[str]:
    return rows(text.partition(f"| {header} |")[2].partition("\n\n")[0])


def test_the_limits_parse_and_keep_their_form() -> None:
    limits = table_after(page("limits.md"), "Written | Means")

    assert len(limits) >= 8
    for text in limits:
        assert str(parse_limit(text)) == text


def test_the_limits_that_are_refused_are_refused_for_the_reason_told() -> None:
    text = page("limits.md").partition("| Refused | Because |")[2].partition("\n\n")[0]
    refused = re.findall(r"^\| `(.+?)` \| (.+?) \|$", text, re.MULTILINE)

    assert len(refused) >= 6
    for limit, because in refused:
        with pytest.raises(LimitSyntaxError, match=re.escape(because)):
            parse_limit(limit)


# Python


@pytest.mark.parametrize("path", ALL)
def test_the_python_compiles_and_imports_what_exists(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert {alias.name for alias in node.names} <= set(dir(module))


# Text


def anchors(path: Path) -> set[str]:
    titles = re.findall(
        r"^#+ (.+)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE
    )
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in kept}


@pytest.mark.parametrize("path", ALL)
def test_links_lead_somewhere(path: Path) -> None:
    text = prose(path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("path", ALL)
def test_each_sentence_has_a_line_of_its_own(path: Path) -> None:
    lines = prose(path.read_text(encoding="utf-8")).splitlines()
    text = [line for line in lines if not line.startswith(("|", "#"))]

    found = [re.sub(r"^ *(?:\d+\.|-) ", "", line) for line in text]
    assert [line for line in found if re.search(r"[.?!] [A-Z`]", line)] == []
