"""What the crew wrote that no commit holds: files that git ignores."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from crew.workspace.git import git


def note(root: Path, name: str) -> None:
    """Note a file that the crew wrote, for when the run is taken up again."""
    with suppress(OSError), _record(root).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(name)}\n")


def noted(root: Path) -> set[str]:
    """The files that the crew wrote, as they were noted."""
    names: set[str] = set()
    with suppress(OSError):
        for line in _record(root).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # cut off by the end of the process
                names.add(str(json.loads(line)))
    return names


def forget(root: Path) -> None:
    """Remove the notes."""
    _record(root).unlink(missing_ok=True)


def ignored(path: Path, directory: str, written: Iterable[str]) -> list[str]:
    """Those of the written files of a repository at `path`, which the crew names
    `directory`, that git ignores: they are in no commit. Raises WorkspaceError."""
    inside = [
        str(PurePosixPath(name).relative_to(directory))
        for name in sorted(written)
        if PurePosixPath(name).is_relative_to(directory)
    ]
    if not inside:
        return []
    listed = git(path, "ls-files", "--others", "--ignored", "--exclude-standard", "-z")
    held = set(listed.split("\0"))
    return [name for name in inside if name in held]


def _record(root: Path) -> Path:
    return root.with_suffix(".written")
