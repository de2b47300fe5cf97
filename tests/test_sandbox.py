"""The sandbox from the outside: what it lends, what it refuses, how it ends."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import venv
from dataclasses import replace
from pathlib import Path

import pytest

import checked
from checked import Opened, isolated
from crew.checks.isolation import isolation
from crew.sandbox import bubblewrap, seccomp
from crew.sandbox.container import Container
from crew.sandbox.job import Bounds, Ended, Job, Place
from crew.sandbox.macos import profile
from crew.sandbox.running import run
from crew.sandbox.started import Started
from crew.sandbox.unprotected import Unprotected
from crew.settings.checks import CheckSettings
from test_worktrees import git

shop, opened = checked.shop, checked.opened


def job(*command: str, **more: object) -> Job:
    return replace(Job(command=command, directory=Path("/")), **more)


@isolated
def test_a_shared_environment_works_at_the_paths_it_was_made_for(
    opened: Opened, shop: Path
) -> None:
    venv.create(shop / ".venv", with_pip=False, symlinks=True)
    python = shop / ".venv/bin/python"
    lib = next((shop / ".venv/lib").glob("python*")) / "site-packages"
    (lib / "editable.pth").write_text(f"{shop}\n")
    tool = shop / ".venv/bin/tool"
    tool.write_text(f"#!{python}\nimport shop\nprint(shop.total([1]))\n")
    tool.chmod(0o755)
    checks = opened("checks: {a: tool, b: touch .venv/x}\nshare: [.venv]", shop)
    checks.workspace.write("shop/shop.py", "def total(numbers):\n    return 'mine'\n")

    ended = checks.command(["tool"])
    found = checks.run("a"), checks.run("b")

    # The code is the worktree's, though the environment names the user's checkout.
    assert ended.output == "mine", ended
    assert [one.passed for one in found] == [True, False]
    assert "Read-only file system" in found[1].reason


@isolated
def test_until_it_has_a_proc_of_its_own_a_command_is_not_the_whole_machine() -> None:
    """On a busy machine the first look comes that early: it would be ended at once for
    the memory of everybody."""
    with subprocess.Popen(["sleep", "30"]) as process, tempfile.TemporaryFile() as info:
        info.write(json.dumps({"child-pid": process.pid}).encode())
        info.seek(0)
        found = Started(process=process, info=info).processes()
        process.kill()

    assert found == [Path(f"/proc/{process.pid}")]


@isolated
def test_what_is_shared_is_never_reached_through_a_link(
    opened: Opened, shop: Path, tmp_path: Path
) -> None:
    (shop / "parts").mkdir()
    checks = opened("checks: {a: 'true'}\nshare: [parts]", shop)
    tree = tmp_path / "output/r1/workspace/shop"
    (tree / "parts").symlink_to(tmp_path)

    found = checks.run("a")

    assert (found.passed, found.ended_by) == (False, "refused")
    assert found.reason == "share: parts is a symbolic link"


@isolated
def test_the_setup_runs_once_and_its_failure_is_told(
    opened: Opened, shop: Path
) -> None:
    text = "checks: {a: 'grep -c . log'}\nsetup: echo x >> log"
    checks = opened(text, shop)

    outputs = [checks.run("a").passed, checks.run("a").passed]
    printed = checks.command(["cat", "log"]).output

    assert outputs == [True, True]
    assert printed == "x"


@isolated
def test_a_setup_that_fails_is_no_test_that_fails(opened: Opened, shop: Path) -> None:
    checks = opened("checks: {a: 'true'}\nsetup: echo no wheel; exit 4", shop)

    found = checks.run("a")

    assert (found.ended_by, found.broke, found.failing_before) == ("setup", (), ())
    assert found.reason == "no wheel\nexit code 4"


@isolated
def test_an_interrupted_run_ends_its_command(opened: Opened, shop: Path) -> None:
    checks = opened("checks: {a: 'echo on; sleep 60'}", shop)
    checks.runner.stopped = iter([False, True]).__next__
    before = threading.active_count()

    found = checks.run("a")

    assert (found.ended_by, found.seconds < 20) == ("interrupted", True)
    assert threading.active_count() == before


@isolated
def test_the_crew_that_dies_takes_its_command_along(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from crew.sandbox.bubblewrap import find\n"
        "from crew.sandbox.job import Job\n"
        "with find(os.environ).start(Job(command=('sleep', '60'), "
        "directory=Path('/'))) as started:\n"
        "    os.kill(os.getpid(), 9)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=30
    )

    # The pipe of the command is closed: nobody is left who could hold it.
    assert done.returncode == -9


def test_without_isolation_a_command_is_refused(
    opened: Opened, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "_bundled", lambda: None)
    checks = opened("checks: {a: 'true'}", shop)
    checks.runner.environ = {"PATH": "/nonexistent"}

    found = checks.run("a")

    assert (found.passed, found.ended_by) == (False, "refused")
    assert found.reason.startswith(
        "nothing here isolates a command: install bubblewrap"
    )
    assert found.reason.count("\n") == 0


def test_off_runs_it_as_the_user_but_without_keys(
    opened: Opened, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "a-key-of-a-provider")
    checks = opened("checks: {a: 'test -f shop.py'}\nsandbox: off", shop)

    found = checks.run("a")
    ended = checks.command(["env"])

    assert found.passed, found
    assert "a-key-of-a-provider" not in ended.output
    assert isinstance(isolation(checks.runner.settings, {}), Unprotected)


def test_off_still_ends_what_takes_too_long() -> None:
    search = {"PATH": "/usr/bin:/bin"}
    wanted = job("/bin/sh", "-c", "echo on; sleep 60 & sleep 60", environment=search)

    ended = run(Unprotected(), replace(wanted, bounds=Bounds(seconds=0.2)))

    assert (ended.by, ended.output) == ("timeout", "on\n")


def test_a_container_is_told_to_isolate(tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text('#!/bin/sh\nfor one; do echo "$one"; done\n')
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GEMINI_API_KEY": "a-key"}
    container = Container.find("docker", "python:3.12", environ)
    assert container is not None
    place = Place(outside=tmp_path, inside=Path("/shop"), writable=True)

    words = run(container, job("pytest", places=(place,))).output.split("\n")

    assert words[0] == "run"
    for expected in ("none", "--read-only", "ALL", "no-new-privileges", "python:3.12"):
        assert expected in words
    assert f"type=bind,source={tmp_path},target=/shop" in words
    assert "a-key" not in "\n".join(words)


def test_a_container_that_is_not_there_is_one_line() -> None:
    settings = CheckSettings(runtime="podman", image="x")

    found = isolation(settings, {"PATH": "/nonexistent"})

    assert found == "no podman here; install it, or leave out sandbox"


def test_the_profile_of_macos_writes_to_the_worktree_alone() -> None:
    tree = Place(outside=Path('/Users/a/"shop'), inside=Path("/shop"), writable=True)
    own = Place(outside=Path("/Users/a/shop/.git"), inside=Path("/shop/.git"))

    text = profile(job("true", places=(tree, own)), Path("/private/tmp/x"))

    assert "(deny default)" in text
    assert "network" not in text
    allowed = '(allow file-write* (subpath "/Users/a/\\"shop"))'
    denied = '(deny file-write* (subpath "/Users/a/shop/.git"))'
    assert text.index(allowed) < text.index(denied)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_a_program_that_ends_in_allowing(machine: str) -> None:
    found = seccomp.program(machine)

    assert found is not None
    assert len(found) % 8 == 0
    assert found[-8:] == b"\x06\x00\x00\x00\x00\x00\xff\x7f"
    assert seccomp.program("pdp11") is None


@isolated
@pytest.mark.skipif(platform.system() != "Linux", reason="it is Linux's")
def test_without_privileges_it_isolates_too(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("the other tests are without privileges already")
    script = (
        "import os\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "from pathlib import Path\nfrom crew.sandbox.bubblewrap import find\n"
        "from crew.sandbox.job import Job\nfrom crew.sandbox.running import run\n"
        "s = find({'PATH': '/usr/bin:/bin'})\n"
        "e = run(s, Job(command=('sh', '-c', 'id -u; ls /proc | grep -c ^[0-9]'),"
        " directory=Path('/')))\nprint(e.by, e.output.split())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    if "PermissionError" in done.stderr or "ModuleNotFound" in done.stderr:
        pytest.skip("our own files cannot be read without privileges here")
    assert done.stdout.split()[:2] == ["exit", "['65534',"], done


def test_an_end_says_whether_it_passed() -> None:
    assert Ended(by="exit", code=0, output="").passed
    assert not Ended(by="exit", code=1, output="").passed
    assert not Ended(by="timeout", code=None, output="").passed


@isolated
def test_the_crew_inside_the_repository_works_too(
    opened: Opened, shop: Path, tmp_path: Path
) -> None:
    from crew.checks import Checks
    from crew.settings import Inputs
    from crew.workspace import Workspace

    root = shop / "output/r1/workspace"
    made = Workspace.prepare(root, "r1", Inputs(request="x", repositories=(str(shop),)))
    runner = opened("checks: {a: 'test -f shop.py && test ! -e output'}", shop).runner
    first = Checks.of(replace(_settings(tmp_path), checks=runner.settings), made)

    found = first.run("a")

    assert found.passed, found
    assert git(root / "shop", "status", "--porcelain") == ""


def _settings(tmp_path: Path) -> "object":
    from crew.settings.loader import load_settings

    return load_settings(tmp_path / "config", environ={})
