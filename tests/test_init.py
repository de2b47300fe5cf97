"""`crew init`: what it writes into a repository, and what it leaves alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crew.cli import main
from crew.settings.loader import load_settings
from crew.setup.texts import FILES
from moving_in import (
    GEMINI,
    a_home,
    a_repository,
    answering,
    init,
    mode,
    snapshot,
    write,
    written,
)

ROOT = Path(__file__).parents[1]
INIT = (sys.executable, "-c", "from crew.cli import main; main(['init'])")
CHAINS = (("tiers", "mid"), ("tiers", "vision"), ("routing", "coding.low"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_home(tmp_path / "home", monkeypatch)


@pytest.fixture
def repository(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = a_repository(tmp_path / "shop", monkeypatch)
    (root / ".git").rmdir()
    git("init", "-q")
    return root


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def entries(line: str) -> list[str]:
    """What a line of a chain holds, in whatever order."""
    return sorted(line.replace(",", " ").replace("]", " ").replace("[", " ").split())


def first(root: Path, section: str, name: str) -> str:
    """The first entry of a chain."""
    chain = written(root, "tiers.yaml")[section][name]
    return str((chain["chain"] if isinstance(chain, dict) else chain)[0])


# What it writes.


def test_the_default_yaml_is_written_and_loads(repository: Path) -> None:
    assert init() == 0

    config = repository / ".crew" / "config"
    assert {path.name for path in config.iterdir()} == set(FILES)
    assert load_settings(config).config_dir == config
    for name in FILES:  # without a key, a server or a check they are the defaults
        assert (config / name).read_bytes() == (ROOT / "config" / name).read_bytes()


def test_the_commands_after_it_use_what_it_wrote(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init()
    capsys.readouterr()

    assert main(["check"]) == 0

    shown = capsys.readouterr()
    assert f"{Path('.crew', 'config')} is well-formed" in shown.out
    assert "not used" not in shown.err


def test_it_shows_what_it_wrote_and_the_next_command(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init()

    shown = capsys.readouterr().out
    assert f"{repository / '.crew' / 'config'} (hidden from git)" in shown
    assert f"added  {', '.join(FILES)}" in shown
    assert "Next: crew run" in shown


def test_git_sees_nothing_of_it(repository: Path) -> None:
    init()

    assert git("status", "--porcelain", "-uall") == ""


def test_shared_git_sees_the_configuration_and_no_key(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--share") == 0
    write(repository / ".crew", {".env": "X=1", "journal.db": "", "config/.env": "X"})

    seen = git("status", "--porcelain", "-uall").splitlines()

    names = {line.removeprefix("?? ") for line in seen}
    assert names == {".crew/.gitignore", *(f".crew/config/{name}" for name in FILES)}
    assert "git sees it" in capsys.readouterr().out


def test_a_hidden_configuration_can_be_shared_afterwards(repository: Path) -> None:
    init()
    assert init("--share") == 0

    assert "?? .crew/config/tiers.yaml" in git("status", "--porcelain", "-uall")


def test_a_changed_ignore_file_is_not_overwritten(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, {".crew/.gitignore": "*\n!notes\n"})

    assert init("--share") == 2

    assert "it has other content; add !/config/**" in capsys.readouterr().err
    assert (repository / ".crew" / ".gitignore").read_text() == "*\n!notes\n"


def test_from_a_directory_within_it_goes_to_the_top_of_the_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(repository / "src" / "deep")

    init()

    assert (repository / ".crew" / "config" / "tiers.yaml").exists()
    assert not (repository / "src" / "deep" / ".crew").exists()


def test_outside_of_git_it_goes_to_the_directory_itself(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path / "plain")

    assert init() == 0

    assert (tmp_path / "plain" / ".crew" / "config" / "tiers.yaml").exists()


def test_another_configuration_that_is_used_here_is_left_alone(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, {"config/providers.yaml": "providers: {}\n"})
    write(repository, {"config/tiers.yaml": "tiers: {}\n"})

    assert init() == 0

    assert "config is a configuration already" in capsys.readouterr().out
    assert not (repository / ".crew").exists()


def test_options_that_mean_nothing_here_are_refused(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", "x", "init", "--yes"]) == 2
    assert "writes to .crew/config alone" in capsys.readouterr().err
    assert init("--share", "--project", "x") == 2
    assert not (repository / ".crew").exists()


# Keys.


def test_models_with_a_key_come_first_in_each_chain(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", GEMINI)

    init()

    assert {first(repository, *chain) for chain in CHAINS} == {"gemini-flash"}
    shown = capsys.readouterr().out
    assert "key      GEMINI_API_KEY, from the environment" in shown
    assert GEMINI not in shown
    assert not (repository / ".crew" / ".env").exists()


def test_ordering_loses_no_entry_and_no_comment(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_0123456789")
    monkeypatch.setenv("MISTRAL_API_KEY", "0123456789")

    init()

    before = (ROOT / "config" / "tiers.yaml").read_text().splitlines()
    after = (repository / ".crew" / "config" / "tiers.yaml").read_text().splitlines()
    assert sorted(map(entries, after)) == sorted(map(entries, before))
    comments = [line for line in before if line.lstrip().startswith("#")]
    assert comments == [line for line in after if line.lstrip().startswith("#")]
    mid = written(repository, "tiers.yaml")["tiers"]["mid"]["chain"]
    assert mid[:5] == [
        "groq-gpt-oss",
        "groq-qwen",
        "mistral",
        "groq-gpt-oss-20b",
        "glm-free",
    ]


def test_a_key_beside_the_configuration_is_found(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, {".crew/.env": f"GEMINI_API_KEY={GEMINI}\n"})

    init()

    assert first(repository, "tiers", "mid") == "gemini-flash"
    assert "GEMINI_API_KEY, from .crew/.env" in capsys.readouterr().out


def test_the_users_own_key_is_copied_to_where_it_is_read(
    repository: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, {".config/crew/.env": f"GEMINI_API_KEY='{GEMINI}'\nOTHER=secret-1\n"})

    init()

    copied = repository / ".crew" / ".env"
    assert copied.read_text() == f"GEMINI_API_KEY={GEMINI}\n"
    assert mode(copied) == 0o600
    assert "GEMINI_API_KEY, now in .crew/.env" in capsys.readouterr().out
    assert first(repository, "tiers", "mid") == "gemini-flash"


def test_the_dotenv_of_the_application_is_not_read(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, {".env": f"GEMINI_API_KEY={GEMINI}\n"})

    init()

    assert "No key yet" in capsys.readouterr().out
    assert first(repository, "tiers", "mid") == "glm-free"


def test_without_a_key_it_says_where_to_get_one_and_where_to_put_it(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init() == 0

    shown = capsys.readouterr().out
    assert f"Put one into {repository / '.crew' / '.env'}" in shown
    assert "GEMINI_API_KEY=...   Google Gemini, free quota: https://aistudio" in shown


def test_without_a_terminal_it_asks_nothing(repository: Path) -> None:
    done = subprocess.run(
        INIT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        start_new_session=True,
    )

    assert "Paste" not in done.stdout + done.stderr
    assert "No key yet" in done.stdout


def test_a_key_that_is_typed_is_kept_hidden_and_for_its_owner_alone(
    repository: Path,
) -> None:
    shown = answering(INIT, GEMINI)

    kept = repository / ".crew" / ".env"
    assert kept.read_text() == f"GEMINI_API_KEY={GEMINI}\n"
    assert mode(kept) == 0o600
    assert "https://aistudio.google.com/apikey" in shown
    assert GEMINI not in shown
    assert "GEMINI_API_KEY, now in .crew/.env" in shown
    assert first(repository, "tiers", "mid") == "gemini-flash"
    assert git("status", "--porcelain", "-uall") == ""


def test_a_key_of_another_provider_is_known_by_how_it_begins(
    repository: Path,
) -> None:
    answering(INIT, "sk-or-v1-0123456789")

    kept = (repository / ".crew" / ".env").read_text()
    assert kept == "OPENROUTER_API_KEY=sk-or-v1-0123456789\n"
    assert first(repository, "tiers", "mid") == "glm-free"


def test_what_is_no_key_is_asked_for_again(repository: Path) -> None:
    shown = answering(INIT, "two words", "X=$(reboot)#", "")

    assert shown.count("That is no key") == 2
    assert "reboot" not in shown
    assert "No key yet" in shown
    assert not (repository / ".crew" / ".env").exists()


# Run again, or over something.


def test_run_again_it_changes_nothing_that_a_person_edited(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    init()
    tiers = repository / ".crew" / "config" / "tiers.yaml"
    tiers.write_text(tiers.read_text() + "\n# mine\n", encoding="utf-8")
    write(repository, {".crew/.env": "# mine\nGROQ_API_KEY=\n", "ruff.toml": ""})
    before = snapshot(repository)
    monkeypatch.setenv("GEMINI_API_KEY", GEMINI)

    assert init() == 0

    assert snapshot(repository) == before
    assert f"kept   {', '.join(FILES)}: as they were" in capsys.readouterr().out


def test_a_missing_file_alone_is_added(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init()
    config = repository / ".crew" / "config"
    before = snapshot(repository)
    (config / "tasks.yaml").unlink()
    capsys.readouterr()

    assert init() == 0

    assert snapshot(repository) == before
    assert "added  tasks.yaml\n" in capsys.readouterr().out


def test_what_a_killed_init_left_is_completed_and_used(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init()
    config = repository / ".crew" / "config"
    for name in ("providers.yaml", "tiers.yaml", "inputs.yaml"):
        (config / name).unlink()
    (config / ".tiers.yaml.0a1b2c3d").write_text("half", encoding="utf-8")
    for record in (repository.parent / "home" / ".local").rglob("*.json"):
        record.unlink()
    capsys.readouterr()

    assert init() == 0
    assert main(["check"]) == 0

    assert "not used" not in capsys.readouterr().err


def test_files_of_another_version_that_do_not_fit_are_reported(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = "providers: {}\ndeployments: {}\n"
    write(repository, {".crew/config/providers.yaml": old})

    assert init() == 2

    shown = capsys.readouterr()
    assert "kept   providers.yaml" in shown.out
    assert "tiers.yaml:" in shown.err
    assert (repository / ".crew" / "config" / "providers.yaml").read_text() == old


def test_several_at_once_write_each_file_whole(repository: Path) -> None:
    command = [sys.executable, "-c", "from crew.cli import main; main(['init', '-y'])"]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    said = [child.communicate(timeout=120)[0].decode() for child in children]

    config = repository / ".crew" / "config"
    assert {path.name for path in config.iterdir()} == set(FILES)
    for name in FILES:
        assert (config / name).read_bytes() == (ROOT / "config" / name).read_bytes()
    assert all("Next: crew run" in text for text in said), said


# What a repository may have brought.


@pytest.mark.parametrize("link", [".crew", ".crew/config"])
def test_nothing_is_written_through_a_link(
    repository: Path, tmp_path: Path, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repository / link).parent.mkdir(exist_ok=True)
    (repository / link).symlink_to(outside)

    assert init() == 2

    assert "nothing is written there" in capsys.readouterr().err
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["config/tiers.yaml", ".gitignore", ".env"])
def test_a_link_in_the_place_of_a_file_is_neither_followed_nor_replaced(
    repository: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "home" / "bashrc"
    write(tmp_path, {"home/.config/crew/.env": f"GEMINI_API_KEY={GEMINI}\n"})
    (repository / ".crew" / "config").mkdir(parents=True)
    (repository / ".crew" / name).symlink_to(target)

    assert init() in (0, 1, 2)

    assert not target.exists()
    assert (repository / ".crew" / name).is_symlink()


def test_a_file_in_the_place_of_the_directory_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / ".crew").write_text("mine", encoding="utf-8")

    assert init() == 2

    assert "a link or a file, not a directory" in capsys.readouterr().err
    assert (repository / ".crew").read_text() == "mine"


def test_a_configuration_that_came_with_the_clone_is_neither_changed_nor_trusted(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = (ROOT / "config" / "providers.yaml").read_text()
    evil = evil.replace("  gemini:\n", "  gemini:\n    base_url: http://127.0.0.9/v1\n")
    write(repository, {".crew/config/providers.yaml": evil})

    assert init() == 0

    kept = repository / ".crew" / "config" / "providers.yaml"
    assert kept.read_text() == evil
    assert "Not all of it was written here" in capsys.readouterr().out
    main(["check"])
    assert "is not used" in capsys.readouterr().err


def test_a_key_is_not_written_where_git_would_see_it(
    repository: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, {".config/crew/.env": f"GEMINI_API_KEY={GEMINI}\n"})
    write(repository, {".crew/.gitignore": "!.env\n"})

    init()

    assert "NOT written to .crew/.env" in capsys.readouterr().out
    assert not (repository / ".crew" / ".env").exists()


def test_a_key_is_not_added_to_a_dotenv_that_came_with_the_clone(
    repository: Path,
) -> None:
    write(repository, {".crew/.env": "# theirs\n"})
    git("add", "-f", ".crew/.env")

    shown = answering(INIT, GEMINI)

    assert "NOT written to .crew/.env" in shown
    assert (repository / ".crew" / ".env").read_text() == "# theirs\n"


def test_ones_own_dotenv_is_not_changed_for_a_key_from_elsewhere(
    repository: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init()
    write(repository, {".crew/.env": "GROQ_API_KEY=gsk_0123456789\n"})
    write(home, {".config/crew/.env": f"GEMINI_API_KEY={GEMINI}\n"})
    before = snapshot(repository)

    init()

    assert snapshot(repository) == before
    assert "GEMINI_API_KEY, in" in capsys.readouterr().out


def test_a_dotenv_that_came_with_the_clone_is_not_trusted(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, {".crew/.env": "CREW_STORE=redis://127.0.0.9/0\n"})

    init()

    assert "Not all of it was written here" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_directory_that_cannot_be_written_is_reported(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/proc/self")

    assert init() == 1

    assert "/.crew: " in capsys.readouterr().err


def test_it_imports_neither_crewai_nor_litellm(repository: Path) -> None:
    script = (
        "import json, sys; from crew.cli import main; main(['init', '--yes']); "
        "print(json.dumps([m for m in ('crewai', 'litellm') if m in sys.modules]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert (repository / ".crew" / "config").is_dir()
