"""Writing new files below a directory: never over one, never through a link."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from crew.errors import Mistake, SettingsError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OwnDirectory:
    """A directory that is open: what is put in the place of its path meanwhile gets
    nothing. `path` is for messages."""

    path: Path
    handle: int

    def names(self) -> set[str]:
        """What it holds."""
        with os.scandir(self.handle) as entries:
            return {entry.name for entry in entries}

    def read(self, name: str) -> str | None:
        """A small file of it; None for anything else. Raises OSError."""
        try:
            kind = os.stat(name, dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > 65_536:
            return None
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self.handle)
        with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
            return file.read()

    def add(self, name: str, text: str, *, mode: int = 0o666) -> bool:
        """Write a file that is not there: all of it, or nothing. False where the name
        is taken, by whatever. Raises OSError."""
        with self._part(name, text, mode) as part:
            try:
                self._link(part, name)
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, text: str) -> None:
        """Write a file in the place of one of ours. Raises OSError."""
        with self._part(name, text, 0o666) as part:
            os.replace(part, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, which only its owner may read then. Raises OSError,
        and SettingsError where it is another's file as well."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(name, flags, dir_fd=self.handle)
        with os.fdopen(handle, "r+b", buffering=0) as file:
            kind = os.fstat(handle)
            if not stat.S_ISREG(kind.st_mode) or kind.st_nlink != 1:
                raise refused(self.path / name, "not a file of its own")
            os.fchmod(handle, 0o600)
            unended = kind.st_size and os.pread(handle, 1, kind.st_size - 1) != b"\n"
            file.write((b"\n" if unended else b"") + line.encode())

    @contextmanager
    def _part(self, name: str, text: str, mode: int) -> Iterator[str]:
        """A file beside the one that is meant, with the whole text."""
        part = f".{name}.{secrets.token_hex(4)}"
        try:
            self._write(part, text, mode)
            yield part
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=self.handle)

    def _write(self, part: str, text: str, mode: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            handle = os.open(part, flags, mode, dir_fd=self.handle)
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as exc:
            raise OSError(exc.errno, exc.strerror, str(self.path)) from exc

    def _link(self, part: str, name: str) -> None:
        try:
            os.link(part, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)
        except (PermissionError, NotImplementedError):
            # A file system without hard links. Another process may come between.
            if name in self.names():
                raise FileExistsError(name) from None
            os.replace(part, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)


@contextmanager
def below(root: Path, *names: str) -> Iterator[OwnDirectory]:
    """A directory below `root`, made where it is missing. Raises OSError, and
    SettingsError where a link or a file stands on the way."""
    path, handle = root, os.open(root, _DIRECTORY)
    try:
        for name in names:
            path /= name
            inner = _entered(path, name, handle)
            os.close(handle)
            handle = inner
        yield OwnDirectory(path, handle)
    finally:
        os.close(handle)


def _entered(path: Path, name: str, outer: int) -> int:
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=outer)
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
    except OSError as exc:
        if exc.errno in (errno.ENOTDIR, errno.ELOOP):
            message = "a link or a file, not a directory of its own"
            raise refused(path, message) from None
        raise OSError(exc.errno, exc.strerror, str(path)) from exc


def refused(path: Path, why: str) -> SettingsError:
    """The error for a place where nothing is written."""
    message = f"{why}; nothing is written there"
    return SettingsError([Mistake(file=str(path), line=None, key="", message=message)])
