"""Reading the files of a repository that anybody may have written."""

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

FILE_BYTES = 1024 * 1024
"""A larger file is passed over."""
ENTRIES = 1_000
"""So many files of one directory are looked at."""


@dataclass(frozen=True, slots=True)
class RepositoryFiles:
    """The files of one directory. Nothing here raises, runs anything, or follows a
    symbolic link: what cannot be read counts as missing."""

    root: Path

    def has(self, *names: str) -> bool:
        """Whether one of the files is there."""
        return any(_is_file(self.root / name) for name in names)

    def text(self, name: str) -> str:
        """What a file holds; nothing where there is none."""
        try:
            handle = os.open(
                self.root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
            )
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    return ""
                raw = file.read(FILE_BYTES + 1)
        except OSError:
            return ""
        if len(raw) > FILE_BYTES:
            return ""
        return raw.decode("utf-8-sig", errors="replace")

    def toml(self, name: str) -> Mapping[str, object]:
        """A TOML file as a mapping; an empty one where it is none."""
        try:
            return tomllib.loads(self.text(name))
        except (ValueError, RecursionError):
            return {}

    def json(self, name: str) -> Mapping[str, object]:
        """A JSON file as a mapping; an empty one where it is none."""
        try:
            return as_mapping(json.loads(self.text(name)))
        except (ValueError, RecursionError):
            return {}

    def names(self, directory: str = ".") -> list[str]:
        """The names in a directory, sorted."""
        path = self.root / directory
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                return []
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in islice(entries, ENTRIES))
        except OSError:
            return []


def as_mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping with names, else an empty one."""
    if not isinstance(value, dict):
        return {}
    return {key: one for key, one in value.items() if isinstance(key, str)}


def section(document: Mapping[str, object], *path: str) -> Mapping[str, object]:
    """A mapping inside others; an empty one where something on the way is missing."""
    for name in path:
        document = as_mapping(document.get(name))
    return document


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
