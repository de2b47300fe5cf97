"""A directory of somebody's, and `crew init` in it as a person types it."""

import os
import pty
import stat
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from crew.cli import main

GEMINI = "AIzaSy-notarealkey-0123456789abcdef"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def a_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any file of ours."""
    monkeypatch.setenv("HOME", str(home))
    for variable, name in (("CONFIG", ".config"), ("STATE", ".local/state")):
        monkeypatch.setenv(f"XDG_{variable}_HOME", str(home / name))
    return home


def a_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty git repository, in which one stands."""
    (root / ".git").mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.delenv("CREW_STATE_DIR", raising=False)
    return root


def init(*arguments: str) -> int:
    return main(["init", "--yes", *arguments])


def written(root: Path, name: str) -> Any:
    """What a YAML file of the configuration holds."""
    text = (root / ".crew" / "config" / name).read_text(encoding="utf-8")
    return yaml.safe_load(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


ON_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def answering(
    command: Sequence[str], *answers: str, env: dict[str, str] | None = None
) -> str:
    """Everything that a terminal shows of a command while these are typed, one at each
    prompt for a key."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", ON_ITS_TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with child, os.fdopen(ours, "r+b", buffering=0) as terminal:
        for answer in answers:
            seen = len(shown)
            while b"Paste it here" not in shown[seen:]:
                shown += terminal.read(4096)
            while termios.tcgetattr(ours)[3] & termios.ECHO:
                os.sched_yield()
            terminal.write(f"{answer}\n".encode())
        with suppress(OSError):  # the end of a terminal
            while part := terminal.read(4096):
                shown += part
        assert child.wait(60) == 0, shown
    return shown.decode()
