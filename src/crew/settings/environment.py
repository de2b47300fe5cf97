"""The environment: the `.env` of a configuration, and the variables of the process."""

import getpass
import os
from collections.abc import Mapping
from pathlib import Path

from crew.errors import Mistake, SettingsError
from crew.settings.dotenv import Broken, variables
from crew.settings.key_files import ENV_FILE
from crew.settings.places import CONFIG_DIR, Place

STORES = ("sqlite:///", "redis://", "rediss://", "unix://")
"""How the address of a store may begin."""


def check_store(url: str | None) -> list[Mistake]:
    """What is wrong with the address of the store, which CREW_STORE holds."""
    if not url or url == "memory:" or url.startswith(STORES):
        return []
    allowed = f"{', '.join(STORES)} or memory:"
    message = f"{url.partition(':')[0]!r} is not supported; use {allowed}"
    return [Mistake(file="environment", line=None, key="CREW_STORE", message=message)]


def check_encoding(environ: Mapping[str, str]) -> list[Mistake]:
    """Each of our variables that is not UTF-8: nothing could write it down."""
    return [
        Mistake(file="environment", line=None, key=name, message="not UTF-8")
        for name, value in environ.items()
        if name.startswith("CREW_") and not is_text(value)
    ]


def is_text(value: str) -> bool:
    """Whether a text from outside can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_environment(place: Place) -> dict[str, str]:
    """The `.env` of a configuration, below the environment. Changes neither. Raises
    SettingsError."""
    known: dict[str, str] = {}
    for path in reversed(place.dotenv):
        known.update(_variables(path, place))
    return {**known, **os.environ}


def _variables(path: Path, place: Place) -> dict[str, str]:
    """What an `.env` sets. One that came with a repository is read as it was
    accepted."""
    accepted = place.snapshot.dotenv if place.snapshot is not None else {}
    try:
        content = accepted[path] if path in accepted else _content(path)
        found = variables(content or b"")
    except Broken as exc:
        wrong = [_mistake(path, str(exc), line=line) for line in exc.lines]
        raise SettingsError(wrong) from None
    # It was found by means of these: to set them there comes too late.
    late = [name for name in (CONFIG_DIR, ENV_FILE) if found.get(name)]
    if late:
        message = "decides nothing in a .env; set it in the environment"
        raise SettingsError([_mistake(path, message, key=name) for name in late])
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if str(path) == os.environ.get(ENV_FILE):
            wrong = [_mistake(path, "no such file", key=ENV_FILE)]
            raise SettingsError(wrong) from None
        return b""
    except (IsADirectoryError, NotADirectoryError):  # a virtual environment's name
        return b""
    except OSError as exc:
        wrong = [_mistake(path, f"cannot be read: {exc.strerror}")]
        raise SettingsError(wrong) from None


def _mistake(
    path: Path, message: str, *, line: int | None = None, key: str = ""
) -> Mistake:
    return Mistake(file=str(path), line=line, key=key, message=message)


def login() -> str:
    """The name of the user of this process."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = "unknown"
    return name.encode(errors="replace").decode()
