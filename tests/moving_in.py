"""A directory of somebody's, and `crew init` in it as a person types it."""

import stat
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
