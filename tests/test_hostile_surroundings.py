"""The directory and the environment that a command runs in: nothing there decides but
what the YAML and `.env` name, and no child sees a key."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from crew.cli import main
from crew.emulator.process import running
from crew.processes.environment import inherited, python_environment
from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files

HOSTILE = "open({marker!r}, 'a').write(__file__)\n"
MODULES = ("crew", "yaml", "crewai", "litellm", "pydantic", "json", "sitecustomize")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A working directory with modules that write a marker."""
    place = tmp_path / "project"
    place.mkdir()
    text = HOSTILE.format(marker=str(tmp_path / "marker"))
    for name in MODULES:
        (place / f"{name}.py").write_text(text, encoding="utf-8")
    for name in ("dotenv", "PIL", "regex"):
        (place / name).mkdir()
        (place / name / "__init__.py").write_text(text, encoding="utf-8")
    return place


def test_the_emulator_imports_nothing_from_the_working_directory(
    config: Path, hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}:.:")

    with running(config) as root:
        assert "alpha" in json.load(urllib.request.urlopen(f"{root}/_control/counters"))

    assert not (tmp_path / "marker").exists()


def test_the_command_imports_nothing_from_the_working_directory(
    config: Path, hostile: Path, tmp_path: Path
) -> None:
    command = Path(sys.executable).with_name("crew")
    done = subprocess.run(
        [command, "--config", str(config), "run", "Add pages"],
        cwd=hostile,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )

    assert not (tmp_path / "marker").exists()
    assert "Traceback" not in done.stderr
    assert "REHEARSAL" in done.stderr


CHILD_ENVIRONMENT = """
import os, sys
sys.path.insert(0, os.environ["TESTS"])
from crew.emulator.process import running
from collections.abc import Iterator
from pathlib import Path
with running(Path(sys.argv[1])):
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == os.getpid():
                    print((entry / "environ").read_text())
            except OSError:
                pass
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux alone")
def test_the_emulator_sees_no_key(config: Path, tmp_path: Path) -> None:
    change(
        config,
        "providers",
        "  beta:\n",
        "  beta:\n    headers: {X-Token: '${GATEWAY}', X-Region: '${REGION}'}\n",
    )
    (tmp_path / ".env").write_text("ALPHA_API_KEY=of-no-concern-1\n")
    done = subprocess.run(
        [sys.executable, "-c", CHILD_ENVIRONMENT, str(config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "TESTS": str(Path(__file__).parent),
            "OPENAI_API_KEY": "of-no-concern-2",
            "GATEWAY": "of-no-concern-3",
            "REGION": "europe",
        },
    )

    assert done.returncode == 0, done.stderr
    assert "REGION=europe" in done.stdout
    assert "of-no-concern" not in done.stdout


def test_a_child_inherits_a_list_of_what_is_harmless() -> None:
    ours = {
        "PATH": ".::/usr/bin:bin:/bin",
        "HOME": "/home/ada",
        "PYTHONPATH": "src:/opt/lib:",
        "AWS_SECRET_ACCESS_KEY": "x",
        "HTTPS_PROXY": "http://user:pw@proxy",
    }

    assert inherited(ours) == {"PATH": "/usr/bin:/bin", "HOME": "/home/ada"}
    assert python_environment(ours) == {
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/ada",
        "PYTHONPATH": "/opt/lib",
        "PYTHONSAFEPATH": "1",
    }


LOADS = """
import os
import crew
from crew.cli.readiness import import_lifecycle
from crew.settings import Settings
from types import SimpleNamespace
from collections.abc import Iterator
from pathlib import Path
import dotenv
real = dotenv.find_dotenv
dotenv.main.find_dotenv = lambda *a, **k: str(Path.cwd() / ".env")
import_lifecycle(SimpleNamespace(state_dir=Path.cwd()))
print("loaded" if "HOSTILE" in os.environ else "left alone")
dotenv.load_dotenv(Path.cwd() / ".env")
print(os.environ.get("HOSTILE"))
"""


def test_no_library_loads_the_dotenv_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOSTILE=yes\nMODEL=evil\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )

    assert done.stdout.splitlines() == ["left alone", "yes"], done.stderr


DOORS = """
import asyncio, os, sys
import crew

class Library:  # does at once what an import of crewai or litellm does
    def find_spec(self, name, path=None, target=None):
        if name in ("crewai", "litellm"):
            import dotenv
            dotenv.load_dotenv()
            raise ImportError("a library")

sys.meta_path.insert(0, Library())
for door in (
    lambda: crew.kickoff(config="gone"),
    lambda: asyncio.run(crew.kickoff_async(config="gone")),
    lambda: crew.tiers("gone"),
    lambda: crew.build_crew(None),
    lambda: __import__("litellm"),  # through no door of ours
):
    try:
        door()
    except ImportError as exc:
        print(exc, "HOSTILE" in os.environ)
"""


def test_no_door_loads_the_dotenv_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOSTILE=yes\n", encoding="utf-8")

    # Python's `-c` looks like a session at a terminal: then dotenv looks here.
    done = subprocess.run(
        [sys.executable, "-c", DOORS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )

    shown = [*["a library False"] * 4, "a library True"]
    assert done.stdout.splitlines() == shown, done.stderr


@pytest.mark.parametrize("name", ["CREW_USER", "CREW_TEAM", "CREW_STORE"])
def test_a_variable_that_is_not_utf8_is_one_line(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setenv(name, os.fsdecode(b"caf\xe9"))

    code = main(["--config", str(config), "check"])

    shown = capfd.readouterr()
    assert code == 2
    assert shown.err == f"crew: environment: {name}: not UTF-8\n"


@pytest.mark.parametrize("option", ["REQUEST", "style"])
def test_an_argument_that_is_not_utf8_is_one_line(
    config: Path, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    text = os.fsdecode(b"caf\xe9")
    arguments = ["run", text] if option == "REQUEST" else ["run", "x"]
    arguments += [] if option == "REQUEST" else ["--input", f"style={text}"]

    code = main(["--config", str(config), *arguments])

    assert code == 2
    assert f"{option}: not UTF-8" in capfd.readouterr().err


def test_a_key_that_is_not_utf8_is_a_mistake_of_the_yaml(config: Path) -> None:
    (found,) = mistakes_of(config, {"ALPHA_API_KEY": os.fsdecode(b"sk-\xe9")})

    assert (found.line, found.key) == (3, "providers.alpha.api_key")
    assert "UTF-8" in found.message


def test_a_login_that_is_not_utf8_is_still_a_user(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, os.fsdecode(b"ren\xe9"))

    assert load_settings(config, environ={"ALPHA_API_KEY": "k"}).user == "ren?"


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = write_files(tmp_path_factory.mktemp("emulated") / "config")
    with running(config) as address:
        yield address


def answer(address: str, headers: dict[str, str], *, post: bool) -> int:
    request = urllib.request.Request(
        address, data=b"{}" if post else None, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as got:
            return int(got.status)
    except urllib.error.HTTPError as exc:
        return exc.code


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("control", ["reset", "faults", "counters", "requests"])
def test_a_page_of_elsewhere_controls_no_emulator(
    root: str, headers: dict[str, str], control: str
) -> None:
    post = control in ("reset", "faults")

    assert answer(f"{root}/_control/{control}", headers, post=post) == 403


def test_a_program_and_a_page_of_its_own_control_the_emulator(root: str) -> None:
    for headers in ({}, {"Origin": root}, {"Sec-Fetch-Site": "same-origin"}):
        assert answer(f"{root}/_control/reset", headers, post=True) == 200
