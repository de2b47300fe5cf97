"""What a configuration's directory holds, read once: these bytes are hashed, shown and
loaded, so that nothing is loaded that was not looked at."""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import all_suffixes
from pathlib import Path

from crew.errors import Mistake, SettingsError
from crew.settings.bounds import FILE_BYTES, TooLarge
from crew.settings.dotenv import without_keys

ENTRIES = 2_000
"""Files and directories below a configuration that are looked at."""
TOTAL_BYTES = 32 * 1024 * 1024
YAML = (".yaml", ".yml")
_SKIPPED = {"__pycache__", ".git"}
_CODE = tuple(all_suffixes())


class Unfit(Exception):
    """The directory cannot be taken as it is; the message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files that count, by their path below the directory, and the `.env` files
    that are read with them, each None where it is not there."""

    contents: Mapping[str, bytes] = field(repr=False)
    dotenv: Mapping[Path, bytes | None] = field(repr=False, default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """The hash of each file. Of an `.env` the values of keys do not count: they
        are the user's to change, and are nowhere to be seen in a hash."""
        found = {name: _hash(content) for name, content in self.contents.items()}
        for path, content in self.dotenv.items():
            found[_dotenv_name(path)] = _hash(without_keys(content or b""))
        return dict(sorted(found.items()))

    @property
    def digest(self) -> str:
        """One hash of everything."""
        return _hash(json.dumps(self.digests).encode())


def _dotenv_name(path: Path) -> str:
    # As it lies there: the directory may be written as `config` or in full.
    return "/".join(path.absolute().parts[-2:])


def take(directory: Path, dotenv: Iterable[Path] = ()) -> Snapshot:
    """Read the YAML of a directory, what could be imported or started from there, and
    every file that the YAML names. Follows no symbolic link. Raises Unfit."""
    sizes = _Sizes()
    try:
        files = list(_files(directory))
        contents = {
            name: sizes.read(directory / name)
            for name, _ in files
            if name.endswith(YAML)
        }
        texts = b"\n".join(contents.values())
        for name, mode in files:
            path = directory / name
            named = os.fsencode(path.name) in texts
            if name not in contents and (
                name.endswith(_CODE) or mode & stat.S_IXUSR or named
            ):
                contents[name] = sizes.read(path)
        variables = {path: sizes.read_if_there(path) for path in dotenv}
    except TooLarge as exc:
        raise Unfit(str(exc)) from None
    except OSError as exc:
        what = Path(os.fsdecode(exc.filename or directory)).name
        raise Unfit(f"{what} cannot be read: {exc.strerror}") from None
    return Snapshot(contents, variables)


def accepted_content(
    directory: Path, name: str, digests: Mapping[str, str] | None
) -> bytes:
    """One file of a configuration, such as code to import: these bytes, and no file
    that is read once more, are what was accepted. Raises SettingsError when it has
    changed since."""
    path = directory / name
    try:
        content = path.read_bytes() if digests is None else _Sizes().read(path)
    except TooLarge as exc:
        problem = str(exc)
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
    else:
        if digests is None or digests.get(name) == _hash(content):
            return content
        problem = "it changed since it was accepted; look at it with `crew trust`"
    raise SettingsError([Mistake(file=str(path), line=None, key="", message=problem)])


@dataclass(slots=True)
class _Sizes:
    """How much was read so far."""

    total: int = 0

    def read(self, path: Path) -> bytes:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise TooLarge(f"{path.name} is not a file")
            most = FILE_BYTES if path.suffix in YAML else TOTAL_BYTES
            content = file.read(most + 1)
        self.total += len(content)
        if len(content) > most or self.total > TOTAL_BYTES:
            raise TooLarge(f"{path.name} is too large")
        return content

    def read_if_there(self, path: Path) -> bytes | None:
        if path.is_symlink():
            raise TooLarge(f"{path.name} is a symbolic link")
        return self.read(path) if path.is_file() else None


def _files(directory: Path) -> Iterator[tuple[str, int]]:
    """The path and the mode of each file below. Raises TooLarge, OSError."""
    left = ENTRIES
    waiting = [directory]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    raise TooLarge(f"it holds more than {ENTRIES:,} files")
                path = Path(entry.path)
                mode = entry.stat(follow_symlinks=False).st_mode
                name = path.relative_to(directory).as_posix()
                if stat.S_ISLNK(mode):
                    raise TooLarge(f"{name} is a symbolic link")
                if stat.S_ISDIR(mode) and entry.name not in _SKIPPED:
                    waiting.append(path)
                elif stat.S_ISREG(mode) and entry.name != ".env":
                    yield name, mode
                elif not stat.S_ISDIR(mode) and entry.name != ".env":
                    raise TooLarge(f"{name} is not a file")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
