"""What the environment and .env say, and that no key of theirs is shown."""

from pathlib import Path

import pytest

from crew.errors import SettingsError
from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


def test_a_missing_directory_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={"CREW_CONFIG_DIR": str(tmp_path / "none")})

    (found,) = caught.value.mistakes
    assert (found.file, found.key) == (str(tmp_path / "none"), "CREW_CONFIG_DIR")


def test_dotenv_is_read_below_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config / ".env").write_text(
        "ALPHA_API_KEY=from-file\nCREW_USER=file\nCREW_TEAM\n", encoding="utf-8"
    )
    monkeypatch.setenv("CREW_USER", "real")

    found = load_settings(config)

    assert found.providers["alpha"].api_key == "from-file"
    assert (found.user, found.team) == ("real", "default")
    assert "ALPHA_API_KEY" not in __import__("os").environ


def test_a_dotenv_that_is_not_utf8_is_a_mistake(config: Path) -> None:
    (config / ".env").write_bytes(b"CREW_USER=\xe9\n")

    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(config)


def test_a_dotenv_that_cannot_be_read_is_a_mistake_and_not_a_rehearsal(
    config: Path,
) -> None:
    (config / ".env").write_text(
        'A=1\n\nALPHA_API_KEY="sk-unterminated\nB=1\nhidden words\n', encoding="utf-8"
    )

    with pytest.raises(SettingsError) as caught:
        load_settings(config)

    found = [(Path(one.file).name, one.line) for one in caught.value.mistakes]
    assert found == [(".env", 3), (".env", 5)]
    assert "sk-" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_directory_called_dotenv_holds_no_variables(config: Path) -> None:
    (config / ".env").mkdir()

    assert load_settings(config).providers["alpha"].api_key is None


def test_a_dotenv_that_may_not_be_opened_is_a_mistake(config: Path) -> None:
    (config / ".env").symlink_to(".env")  # a loop: root, too, cannot open it

    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(config)


def test_a_user_without_a_name_is_unknown(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)

    assert load_settings(config, environ={}).user == "unknown"


def test_the_state_and_the_store_are_where_the_environment_says(config: Path) -> None:
    found = load_settings(config, environ={"CREW_STATE_DIR": "/var/crew"})
    assert found.state_dir == Path("/var/crew")
    assert found.store_url == "sqlite:////var/crew/quota.db"

    elsewhere = load_settings(config, environ={"CREW_STORE": "redis://h/0"})
    assert elsewhere.store_url == "redis://h/0"


def test_an_unknown_store_is_told_with_the_other_mistakes(config: Path) -> None:
    change(config, "tiers", "then:", "than:")

    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ={"CREW_STORE": "mysql://:secret@host/1"})

    reported = [str(mistake) for mistake in caught.value.mistakes]
    assert any("CREW_STORE: 'mysql' is not supported" in line for line in reported)
    assert any("than" in line for line in reported)
    assert not any("secret" in line for line in reported)


@pytest.mark.parametrize(
    "url", ["memory:", "redis://host:1/0", "sqlite:////tmp/x.db", "unix:///r.sock"]
)
def test_a_known_store_is_no_mistake(config: Path, url: str) -> None:
    assert load_settings(config, environ={"CREW_STORE": url}).store_url == url


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("providers", "${ALPHA_API_KEY}", "SECRETVALUE12345"),
        ("providers", "${ALPHA_API_KEY}", "[SECRETVALUE12345]"),
        ("providers", "${ALPHA_API_KEY}", "{a: SECRETVALUE12345}"),
        ("providers", "${ALPHA_API_KEY}", "${ALPHA_API_KEY:-SECRETVALUE12345}"),
        ("providers", "api_key: ${ALPHA_API_KEY}", "apikey: SECRETVALUE12345"),
        ("providers", "api_key: ${ALPHA_API_KEY}", "key: ${ALPHA_API_KEY}"),
        ("providers", "provider: beta", "api_key: SECRETVALUE12345"),
        ("providers", "base_url: http://127.0.0.1:1", "base_url: ${ALPHA_API_KEY}"),
        ("providers", "provider: beta", "provider: ${OTHER}"),
        ("providers", "timeout: 5m", "timeout: ${OTHER}"),
        ("providers", "local: true", "local: ${OTHER}"),
        ("providers", "model: openai/big", "model: openai/${OTHER}\n    x: y"),
        ("providers", "provider: beta", "provider: SECRETVALUE12345"),
        ("providers", "5 concurrent", "${OTHER}"),
        ("tiers", "2 usd/run", "${OTHER}"),
        ("tiers", "2 usd/run", "7 ${OTHER}/run"),
        ("tiers", "[big]", "['${OTHER}']"),
        ("agents", "tier: mid", "tier: ${OTHER}"),
        ("agents", "kind: coding", "kind: ${OTHER}"),
        ("tasks", "[design]", "['${OTHER}']"),
        ("tasks", "process: hierarchical", "process: ${OTHER}"),
    ],
)
def test_no_message_shows_a_key_or_the_value_of_a_variable(
    config: Path, file: str, old: str, new: str
) -> None:
    environ = {"ALPHA_API_KEY": "SECRETVALUE12345", "OTHER": "hiddenvalue"}
    change(config, file, old, new)

    found = "\n".join(map(str, mistakes_of(config, environ)))

    assert f"{file}.yaml:" in found
    assert "SECRETVALUE12345" not in found
    assert "hiddenvalue" not in found


def test_a_key_in_the_yaml_is_refused_without_being_shown(config: Path) -> None:
    change(config, "providers", "${ALPHA_API_KEY}", "plain-words-key")

    (found,) = mistakes_of(config)

    assert (found.line, found.key) == (3, "providers.alpha.api_key")
    assert "write ${ALPHA_API_KEY}" in found.message
    assert "plain" not in found.message


def test_what_looks_like_a_key_is_not_shown_anywhere(config: Path) -> None:
    change(config, "providers", "provider: beta", "provider: sk-or-v1-0123456789")

    (found,) = mistakes_of(config)

    assert "0123456789" not in str(found)
    assert "unknown provider '***'" in found.message


def test_keys_are_not_in_the_representation_of_settings(config: Path) -> None:
    found = load_settings(config, environ={"ALPHA_API_KEY": "SECRETVALUE12345"})

    assert "SECRETVALUE12345" not in repr(found)
