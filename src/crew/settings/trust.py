"""Which configurations a person has looked at: hashes, in the user's own state.

A configuration that came with a repository can name addresses, code and commands. It
counts only with the content that was accepted, as direnv does it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crew.errors import Mistake, SettingsError
from crew.settings.directories import state_home
from crew.settings.key_files import found_with
from crew.settings.snapshot import Snapshot, Unfit, take


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the content of a directory was accepted. `known`: other content of it
    was; `changed` are the files that are not as in the latest of these."""

    trusted: bool
    known: bool = False
    changed: tuple[str, ...] = ()


class Trusted:
    """The record of what was accepted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = state_home(environ)
        self._path = home / "crew" / "trusted" if home is not None else None

    def verdict(self, directory: Path, snapshot: Snapshot) -> Verdict:
        """What the record says of a directory with this content."""
        mine = self._entry(directory, snapshot)
        if mine is not None and _is_own_file(mine):
            return Verdict(trusted=True)
        latest = self._latest(directory)
        if latest is None:
            return Verdict(trusted=False)
        now = snapshot.digests
        changed = {name for name, _ in latest.items() ^ now.items()}
        return Verdict(trusted=False, known=True, changed=tuple(sorted(changed)))

    def add(self, directory: Path, snapshot: Snapshot) -> None:
        """Accept this content of the directory. Raises SettingsError."""
        entry = self._entry(directory, snapshot)
        if entry is None:
            raise _unwritable("$HOME", "there is no home directory; set XDG_STATE_HOME")
        record = {"directory": _real(directory), "files": snapshot.digests}
        draft = entry.with_suffix(f".{os.getpid()}")
        try:
            entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
            draft.replace(entry)
        except OSError as exc:
            raise _unwritable(str(entry.parent), str(exc.strerror)) from None

    def remove(self, directory: Path) -> int:
        """Forget what was accepted of a directory; returns how many contents that
        were. Raises SettingsError."""
        entries = self._entries(directory)
        try:
            for entry in entries:
                entry.unlink(missing_ok=True)
        except OSError as exc:
            raise _unwritable(str(self._path), str(exc.strerror)) from None
        return len(entries)

    def _entry(self, directory: Path, snapshot: Snapshot) -> Path | None:
        if self._path is None:
            return None
        return self._path / f"{_stem(directory)}-{snapshot.digest}.json"

    def _entries(self, directory: Path) -> list[Path]:
        if self._path is None:
            return []
        return list(self._path.glob(f"{_stem(directory)}-*.json"))

    def _latest(self, directory: Path) -> dict[str, str] | None:
        try:
            entries = filter(_is_own_file, self._entries(directory))
            latest = max(entries, key=lambda one: one.stat().st_mtime, default=None)
            if latest is None:
                return None
            files = json.loads(latest.read_text(encoding="utf-8"))["files"]
            return {str(name): str(digest) for name, digest in files.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # a damaged record: it only names what changed


def trust(directory: Path, environ: Mapping[str, str] | None = None) -> None:
    """Accept the content of a configuration that the user wrote, or named. Raises
    SettingsError."""
    environ = os.environ if environ is None else environ
    Trusted(environ).add(directory, content_of(directory, environ))


def content_of(directory: Path, environ: Mapping[str, str]) -> Snapshot:
    """What there is to accept of a configuration. Raises SettingsError."""
    try:
        return take(directory, found_with(directory, environ))
    except Unfit as exc:
        raise SettingsError(
            [Mistake(file=str(directory), line=None, key="", message=str(exc))]
        ) from None


def _real(directory: Path) -> str:
    return os.path.realpath(directory)


def _stem(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(_real(directory))).hexdigest()[:32]


def _is_own_file(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _unwritable(file: str, what: str) -> SettingsError:
    message = f"what is trusted cannot be kept: {what}"
    return SettingsError([Mistake(file=file, line=None, key="", message=message)])
