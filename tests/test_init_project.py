"""`crew init --project NAME`: a whole CrewAI project, on which `crewai run` works."""

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from crew.cli import main
from crew.settings.loader import load_settings
from forked import Forks
from moving_in import GEMINI, a_home, snapshot, write

LAYOUT = {
    ".env.example",
    ".gitignore",
    "AGENTS.md",
    "README.md",
    "pyproject.toml",
    *(f"config/{one}.yaml" for one in ("agents", "inputs", "providers", "tasks")),
    "config/tiers.yaml",
    "config/own_tools.py",
    *(f"src/my_shop/{one}.py" for one in ("__init__", "crew", "main", "tools")),
    "tests/test_crew.py",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    a_home(tmp_path / "home", monkeypatch)
    monkeypatch.delenv("CREW_STATE_DIR")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def make(name: str = "my-shop") -> int:
    return main(["init", "--project", name])


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def within(forks: Forks) -> Run:
    """Runs Python in a project, as if that were installed."""

    def run(project: Path, code: str) -> "subprocess.CompletedProcess[str]":
        installed = f"import sys; sys.path.insert(0, {str(project / 'src')!r})"
        return forks.run(code=f"{installed}\n{code}", cwd=project)

    return run


def test_a_project_is_written_and_its_configuration_loads(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make() == 0

    project = here / "my-shop"
    assert set(snapshot(project)) == LAYOUT
    assert load_settings(project / "config").inputs is not None
    assert not any(
        b"@" in text and word in text
        for text in snapshot(project).values()
        for word in (b"@NAME@", b"@PACKAGE@", b"@VERSION@", b"@SOURCE@")
    )
    shown = capsys.readouterr().out
    assert "Next: cd my-shop && crewai run" in shown
    assert all(f"  {name}\n" in shown for name in LAYOUT)
    assert [path.name for path in here.iterdir()] == ["my-shop"]


def test_its_scripts_are_those_that_crewai_calls(here: Path) -> None:
    make()

    project = tomllib.loads((here / "my-shop" / "pyproject.toml").read_text())

    assert project["project"]["scripts"] == {
        name: f"my_shop.main:{function}"
        for name, function in {
            "run_crew": "run",
            "run_with_trigger": "run_with_trigger",
            "train": "train",
            "replay": "replay",
            "test": "test",
        }.items()
    }
    assert project["tool"]["crewai"]["type"] == "crew"
    assert len(project["tool"]["crewai"]["project_id"]) == 36
    assert project["project"]["dependencies"][0].startswith("tiercrew~=")


def test_crewai_run_works_at_once_as_a_rehearsal(here: Path, within: Run) -> None:
    make()
    project = here / "my-shop"
    script = "sys.argv = ['run_crew']; from my_shop.main import run; run()"

    done = within(project, script)

    assert done.returncode == 0, done.stderr
    assert "REHEARSAL" in done.stderr
    assert "is not used" not in done.stderr
    (run,) = (one for one in (project / "output").iterdir() if one.is_dir())
    assert '"status": "done"' in (run / "run.json").read_text()


def test_its_own_tests_pass(here: Path, within: Run) -> None:
    make()
    script = "import pytest; pytest.main(['-q', '-p', 'no:cacheprovider'])"

    done = within(here / "my-shop", script)

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_its_crew_is_a_plain_one(here: Path, within: Run) -> None:
    make()
    script = "from my_shop.crew import open_crew; print(type(open_crew()).__mro__)"

    done = within(here / "my-shop", script)

    assert "crewai.crew.Crew" in done.stdout, done.stderr


def test_the_dotenv_beside_its_configuration_is_read(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    project = here / "my-shop"
    write(project, {".env": f"GEMINI_API_KEY={GEMINI}\n"})
    monkeypatch.chdir(project)

    assert load_settings().providers["gemini"].api_key == GEMINI


def test_every_key_of_the_providers_is_in_the_example(here: Path) -> None:
    make()
    project = here / "my-shop"
    example = (project / ".env.example").read_text().splitlines()

    variables = {line.removesuffix("=") for line in example if line.endswith("=")}

    providers = load_settings(project / "config").providers.values()
    assert variables == {one.api_key_variable for one in providers} - {None}


def test_keys_that_are_there_order_its_chains(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", GEMINI)

    make()

    tiers = load_settings(here / "my-shop" / "config").tiers
    assert tiers["mid"].chain[0] == "gemini-flash"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is no name for a project"),
        ("1shop", "is no name for a project"),
        ("../shop", "is no name for a project"),
        ("/tmp/shop", "is no name for a project"),
        ("shop shop", "is no name for a project"),
        ("shop-", "is no name for a project"),
        ("café", "is no name for a project"),
        ("x" * 65, "is no name for a project"),
        ('a"\nb', "is no name for a project"),
        ("class", "is a word of Python's"),
        ("json", "is there already"),
        ("crew", "is there already"),
        ("CrewAI", "is there already"),
        ("tests", "is there already"),
    ],
)
def test_a_name_that_no_project_can_have_is_refused(
    here: Path, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(name) == 2

    assert why in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "empty", "file", "link"])
def test_nothing_is_overwritten(
    here: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = here / "my-shop"
    match kind:
        case "directory":
            write(place, {"README.md": "mine"})
        case "empty":
            place.mkdir()
        case "file":
            place.write_text("mine", encoding="utf-8")
        case "link":
            place.symlink_to(here / "elsewhere")
    before = snapshot(here)

    assert make() == 2

    assert "is there already; nothing was written" in capsys.readouterr().err
    assert snapshot(here) == before
    assert not (here / "elsewhere").exists()
