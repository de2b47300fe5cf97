"""Where the configuration and its keys come from, in the written order."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crew.cli import main
from crew.errors import SettingsError
from crew.settings.loader import load_settings
from crew.settings.places import find
from crew.settings.trust import trust
from small_config import write_files

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A git repository of somebody's application, which is the working directory."""
    directory = tmp_path / "shop"
    directory.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=directory, check=True)
    monkeypatch.chdir(directory)
    yield directory


def accepted(directory: Path) -> Path:
    directory.parent.mkdir(exist_ok=True)
    trust(write_files(directory))
    return directory


def test_the_order_is_the_option_the_variable_here_the_users_own_the_package(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = write_files(tmp_path / "named")
    variable = write_files(tmp_path / "variable")
    user = Path(os.environ["XDG_CONFIG_HOME"], "crew")
    user.parent.mkdir()

    assert find().directory == PROJECT / "config"
    write_files(user)
    assert find().directory == user
    accepted(shop / "config")
    assert find().directory == Path("config")
    accepted(shop / ".crew" / "config")
    assert find().directory == Path(".crew/config")
    monkeypatch.setenv("CREW_CONFIG_DIR", str(variable))
    assert find().directory == variable
    assert load_settings(named).config_dir == named


def test_it_is_looked_for_upwards_to_the_root_of_the_repository(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(tmp_path / "config")
    inner = shop / "src" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)

    assert find().directory == PROJECT / "config"
    accepted(shop / "config")
    assert find().directory == shop / "config"
    (inner / ".git").mkdir()
    assert find().directory == PROJECT / "config"


def test_outside_of_a_repository_only_the_working_directory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(tmp_path / "config")
    (tmp_path / "inner").mkdir()

    monkeypatch.chdir(tmp_path)
    assert find().directory == Path("config")
    monkeypatch.chdir(tmp_path / "inner")
    assert find().directory == PROJECT / "config"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("database.yml", "production: {adapter: sqlite3}\n"),
        ("settings.py", "DEBUG = True\n"),
        ("agents.yaml", "writer: {role: Writer, goal: g, backstory: b, llm: gpt-4}\n"),
        ("providers.yaml", "providers: {aws: {region: eu}}\n"),
        ("tiers.yaml", "tiers: [gold, silver]\n"),
    ],
)
def test_a_config_of_an_application_is_passed_over(
    shop: Path, name: str, text: str
) -> None:
    (shop / "config").mkdir()
    (shop / "config" / name).write_text(text, "utf-8")

    place = find()

    assert place.directory == PROJECT / "config"
    assert place.notices == ()
    assert any("config: not ours" in step.found for step in place.steps)


def test_a_symbolic_link_is_not_followed(shop: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "elsewhere")
    (shop / ".crew").mkdir()
    (shop / ".crew" / "config").symlink_to(tmp_path / "elsewhere")
    (shop / "config").symlink_to(tmp_path / "elsewhere")

    assert find().directory == PROJECT / "config"


def key(place: str | Path | None = None) -> str | None:
    return load_settings(place).providers["alpha"].api_key


def test_the_dotenv_of_the_application_is_never_read(shop: Path) -> None:
    config = accepted(shop / "config")
    (shop / ".env").write_text("ALPHA_API_KEY=of-the-application\n", "utf-8")

    assert key() is None
    assert key(config) is None
    (config / ".env").write_text("ALPHA_API_KEY=ours\n", "utf-8")
    assert key() == key(config) == "ours"


def test_a_configuration_in_dot_crew_has_its_keys_in_either_directory(
    shop: Path,
) -> None:
    config = accepted(shop / ".crew" / "config")
    (shop / ".env").write_text("ALPHA_API_KEY=of-the-application\n", "utf-8")

    assert key() is None
    (shop / ".crew" / ".env").write_text("ALPHA_API_KEY=outer\n", "utf-8")
    assert key() == key(config) == "outer"
    (config / ".env").write_text("ALPHA_API_KEY=inner\n", "utf-8")
    assert key() == "inner"


def test_a_project_may_say_that_its_dotenv_is_for_the_crew(shop: Path) -> None:
    (shop / "pyproject.toml").write_text("[tool.tiercrew]\ndotenv = true\n", "utf-8")
    config = accepted(shop / "config")
    (shop / ".env").write_text("ALPHA_API_KEY=of-the-project\n", "utf-8")

    assert key() == key(config) == "of-the-project"


def test_a_dotenv_that_is_named_is_the_only_one(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = accepted(shop / "config")
    (config / ".env").write_text("ALPHA_API_KEY=ours\n", "utf-8")
    (shop / ".env").write_text("ALPHA_API_KEY=named\n", "utf-8")

    monkeypatch.setenv("CREW_ENV_FILE", ".env")
    assert key(config) == "named"
    monkeypatch.setenv("CREW_ENV_FILE", "gone.env")
    with pytest.raises(SettingsError, match="CREW_ENV_FILE: no such file"):
        key(config)


def test_the_users_own_configuration_has_its_keys_beside_it() -> None:
    user = Path(os.environ["XDG_CONFIG_HOME"], "crew")
    user.parent.mkdir()
    write_files(user)
    (user / ".env").write_text("ALPHA_API_KEY=own\n", "utf-8")

    assert key(user) == "own"


def test_a_clone_of_this_project_reads_the_dotenv_beside_config() -> None:
    assert PROJECT / ".env" in find(PROJECT / "config").dotenv


def test_a_dotenv_that_says_where_the_configuration_is_is_a_mistake(
    shop: Path,
) -> None:
    config = write_files(shop / "config")
    (config / ".env").write_text("CREW_CONFIG_DIR=other\n", "utf-8")

    with pytest.raises(SettingsError, match="CREW_CONFIG_DIR: decides nothing"):
        load_settings(config)


def test_check_prints_the_order_and_what_is_read(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted(shop / "config")
    (shop / "config" / "inputs.yaml").unlink()
    trust(shop / "config")
    (shop / ".env").write_text("ALPHA_API_KEY=x\n", "utf-8")

    code = main(["check"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[2:9] == [
        "  --config         not given",
        "  CREW_CONFIG_DIR  not set",
        "  here, upwards    config: used",
        "  the user's own   not looked at",
        "  the package      not looked at",
        "keys: config/.env (none), the environment",
        "not read: .env (it may be an application's; CREW_ENV_FILE names it)",
    ]
