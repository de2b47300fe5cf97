"""Files that are opened without following a symbolic link.

A path was checked before it is opened: what became a link in between is an error.
Each `target` is a resolved path below `root`, and `path` is what the model calls it.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crew.errors import WorkspaceError


def content(root: Path, target: Path, path: str, limit: int) -> bytes:
    """The first `limit` bytes of a file. Raises WorkspaceError."""
    # Not blocking: a FIFO would wait for a writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    if target == root.resolve():
        raise WorkspaceError(f"{path!r} is not a file")
    try:
        with _opened(root, target.parent) as where:
            handle = os.open(target.name, flags, dir_fd=where)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise WorkspaceError(f"{path!r} is not a file")
            with open(handle, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise WorkspaceError(f"{path!r}: no such file") from None
    except OSError as exc:
        raise WorkspaceError(f"{path!r}: {exc.strerror}") from None


def replace(root: Path, target: Path, path: str, raw: bytes) -> None:
    """Write a file whole, atomically; makes its directories. Raises WorkspaceError."""
    if target == root.resolve():
        raise WorkspaceError(f"{path!r} is not a file")
    try:
        with _opened(root, target.parent, make=True) as where:
            _replace(where, target.name, raw)
    except OSError as exc:
        raise WorkspaceError(f"{path!r}: {exc.strerror}") from None


@contextmanager
def _opened(root: Path, directory: Path, *, make: bool = False) -> Iterator[int]:
    """A handle of a resolved directory, reached without following a symbolic
    link: one put there since is an error (OSError)."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    root = root.resolve()
    handle = os.open(root, flags)
    try:
        for part in directory.relative_to(root).parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
            inner = os.open(part, flags, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _replace(where: int, name: str, raw: bytes) -> None:
    """Put a file in the place of a name: a link put there meanwhile is not followed."""
    try:
        found = os.stat(name, dir_fd=where, follow_symlinks=False).st_mode
    except FileNotFoundError:
        found = stat.S_IFREG | 0o644
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "it is not a file")
    part = f".crew-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    handle = os.open(part, flags, 0o600, dir_fd=where)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            os.fchmod(file.fileno(), found & 0o777)
        os.replace(part, name, src_dir_fd=where, dst_dir_fd=where)
    except BaseException:
        os.unlink(part, dir_fd=where)
        raise
