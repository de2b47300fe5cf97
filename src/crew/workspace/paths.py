"""Paths that models give: hostile until they are resolved.

None leads out of its root, and none touches `.git`, whose content would make git run
what somebody else chose.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import regex

from crew.errors import WorkspaceError
from crew.workspace.worktrees import SKIPPED

_PATH_CHARACTERS = 1_000
_NAME_BYTES = 255
# What some file systems leave out of names, so that `.g<joiner>it` is `.git`.
_IGNORED = regex.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def resolve(root: Path, path: str) -> Path:
    """Where a path that a model gave leads, inside a root. Raises WorkspaceError."""
    given = PurePosixPath(_checked(path))
    root = root.resolve()
    try:
        target = (root / given).resolve()
    except (OSError, RuntimeError):  # a loop of symbolic links
        raise WorkspaceError(f"{path!r} cannot be followed") from None
    if not target.is_relative_to(root):
        raise WorkspaceError(f"{path!r} is outside the workspace")
    inside = target.relative_to(root)
    if any(is_git(part) for part in (*given.parts, *inside.parts)):
        raise WorkspaceError(f"{path!r}: .git is out of bounds")
    return target


def is_git(part: str) -> bool:
    """Whether a component names `.git` on any file system."""
    # A backslash parts names on some; git refuses to commit such a `.git` on all.
    return any(
        name.partition(":")[0].rstrip(". ") == ".git" or name.startswith("git~")
        for name in _IGNORED.sub("", part).casefold().split("\\")
    )


def files_below(top: Path) -> Iterator[Path]:
    """The files below a resolved directory, without what git keeps and tools install;
    no symbolic link is followed, and none is named."""
    for where, directories, names in os.walk(top):
        directories[:] = [
            name for name in directories if name not in SKIPPED and not is_git(name)
        ]
        for name in names:
            path = Path(where) / name
            with suppress(OSError):  # it is gone, or out of reach
                if not is_git(name) and stat.S_ISREG(path.lstat().st_mode):
                    yield path


def _checked(path: str) -> str:
    """A path that the system can be asked about."""
    if len(path) > _PATH_CHARACTERS or "\0" in path:
        raise WorkspaceError("that is not a path")
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        raise WorkspaceError(f"{path!r} is not Unicode") from None
    if any(len(part) > _NAME_BYTES for part in raw.split(b"/")):
        raise WorkspaceError("a name in that path is too long")
    return path.strip() or "."
