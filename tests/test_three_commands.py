"""From nothing to the first real call: install, `crew init`, `crew run`, and one key.

The wheel is built and installed without an index: what it depends on is lent by the
environment of the tests. The emulator plays Gemini.
"""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from crew.emulator.process import running
from moving_in import GEMINI, answering, write

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")


def called(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is built and installed, once for all tests."""
    return tmp_path_factory.mktemp("installed")


@pytest.fixture(scope="module")
def env(place: Path) -> dict[str, str]:
    """The environment of a user who has nothing of ours."""
    (place / "home").mkdir()
    return {
        "PATH": f"{place / 'tool' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(place / "home"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "UV_OFFLINE": "1",
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(place / "cache"),
    }


def an_environment(place: Path, env: dict[str, str]) -> None:
    """A virtual environment that is lent what the tests have installed."""
    made = ("venv", "-q", "--python", sys.executable, place)
    called(UV, *made, cwd=place.parent, env=env)
    (site,) = place.glob("lib/python*/site-packages")
    lent = sysconfig.get_path("purelib")
    (site / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")


def install(what: str | Path, place: Path, env: dict[str, str]) -> None:
    alone = ("--no-deps", "--no-index", "--no-build-isolation", "--python", place)
    called(UV, "pip", "install", "-q", *alone, what, cwd=place.parent, env=env)


@pytest.fixture(scope="module")
def wheel(place: Path, env: dict[str, str]) -> Path:
    wheels = place / "wheels"
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels)
    called(*build, cwd=ROOT, env=env)
    (built,) = wheels.iterdir()
    return built


@pytest.fixture(scope="module")
def tool(place: Path, wheel: Path, env: dict[str, str]) -> Path:
    """`uv tool install`, by its parts: a virtual environment with the wheel in it."""
    an_environment(place / "tool", env)
    install(wheel, place / "tool", env)
    return place / "tool"


@pytest.fixture
def shop(tmp_path: Path, env: dict[str, str]) -> Path:
    """A repository of the user's, with one commit."""
    root = tmp_path / "shop"
    write(root, {"README.md": "# Shop\n"})
    called("git", "init", "-q", cwd=root, env=env)
    called("git", "add", ".", cwd=root, env=env)
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    called("git", *who, "commit", "-qm", "Begin", cwd=root, env=env)
    return root


def test_three_commands_and_one_key_lead_to_the_first_real_call(
    tool: Path, shop: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = tool / "bin" / "crew"
    (defaults,) = tool.glob("lib/python*/site-packages/crew/defaults")
    monkeypatch.chdir(shop)
    with running(ROOT / "config") as emulator:
        # The emulator in the place of Google, before the user comes.
        providers = defaults / "providers.yaml"
        text = providers.read_text(encoding="utf-8")
        address = f"  gemini:\n    base_url: {emulator}/gemini/v1beta\n"
        providers.write_text(text.replace("  gemini:\n", address, 1), "utf-8")

        shown = answering([str(crew), "init"], GEMINI, env=env)
        said = called(crew, "run", "Add a price list", cwd=shop, env=env)
        providers.write_text(text, "utf-8")

    assert "Next: crew run" in shown
    assert "REHEARSAL" not in said
    assert GEMINI not in shown + said
    (document,) = (shop / "output").glob("*/run.json")
    run = json.loads(document.read_text(encoding="utf-8"))
    assert (run["status"], run["rehearsal"]) == ("done", False)
    assert {call["provider"] for call in run["calls"]} == {"gemini"}
    assert "ok" in {call["outcome"] for call in run["calls"]}
    assert called("git", "status", "--porcelain", cwd=shop, env=env) == ""


def test_the_installed_tool_puts_one_script_on_the_path(tool: Path) -> None:
    ours = {path.name for path in (tool / "bin").iterdir()}

    assert "crew" in ours
    assert not ours & {"run_crew", "run_with_trigger", "train", "replay", "test"}


def test_the_installed_tool_makes_a_project_that_takes_the_same_installation(
    tool: Path, wheel: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    called(tool / "bin" / "crew", "init", "--project", "shop", cwd=tmp_path, env=env)

    project = (tmp_path / "shop" / "pyproject.toml").read_text(encoding="utf-8")

    assert f'tiercrew = {{ path = "{wheel}" }}' in project


def test_crewai_run_works_in_the_project_that_was_made(
    tool: Path, wheel: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    called(tool / "bin" / "crew", "init", "--project", "shop", cwd=tmp_path, env=env)
    project = tmp_path / "shop"
    an_environment(project / ".venv", env)
    install(wheel, project / ".venv", env)
    install(project, project / ".venv", env)
    crewai = UV.with_name("crewai")
    lone = {**env, "UV_NO_SYNC": "1", "PATH": f"{UV.parent}:{env['PATH']}"}
    before = (project / "pyproject.toml").read_text(encoding="utf-8")

    said = called(crewai, "run", cwd=project, env=lone)

    assert "REHEARSAL" in said
    (document,) = (project / "output").glob("*/run.json")
    assert json.loads(document.read_text(encoding="utf-8"))["status"] == "done"
    assert (project / "pyproject.toml").read_text(encoding="utf-8") == before
