"""What a command left in the worktree that would act on this machine: it goes.

A repository inside the worktree would have git run the programs that its configuration
names; a program that runs as its owner would do so for everybody.
"""

import os
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_SET_ID = stat.S_ISUID | stat.S_ISGID


def clean(top: Path, *, own: Collection[Path]) -> list[str]:
    """Take away each `.git` below a directory but those in `own`, and the bits that
    make a program run as its owner. Returns the names of what is gone."""
    gone: list[str] = []
    waiting = [top]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.name.casefold() == ".git":
                    if path not in own:
                        _remove(path)
                        gone.append(str(path.relative_to(top)))
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    _tame(path, entry.stat(follow_symlinks=False).st_mode)
    return sorted(gone)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _tame(path: Path, mode: int) -> None:
    if mode & _SET_ID:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(mode) & ~_SET_ID, follow_symlinks=True)
