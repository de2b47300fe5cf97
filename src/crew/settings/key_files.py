"""Which `.env` files belong to a configuration.

That of an application in whose repository somebody stands is none of them.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from crew.settings.bounds import TooLarge, file_content
from crew.settings.directories import config_home, is_defaults

ENV_FILE = "CREW_ENV_FILE"
OWN = Path(".crew", "config")
"""Where a configuration of ours lies in somebody's repository."""


def dotenv_files(directory: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The `.env` files of a configuration, whether they are there or not: the one in
    its directory, and the one beside that directory where this is no application's.
    CREW_ENV_FILE names another one in their place."""
    if named := environ.get(ENV_FILE):
        return (Path(named),)
    home = config_home(environ)
    if is_defaults(directory) and not _is_project(directory):
        return (home / "crew" / ".env",) if home is not None else ()
    inner = directory / ".env"
    beside = _beside(directory)
    if beside.name == OWN.parts[0] or _is_project(directory):
        return (inner, beside / ".env")
    return (inner,)


def found_with(directory: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The `.env` files that came with a configuration; one that is named is no part
    of it."""
    return () if environ.get(ENV_FILE) else dotenv_files(directory, environ)


def unread_files(directory: Path, read: Sequence[Path]) -> tuple[Path, ...]:
    """The `.env` files in the working directory and beside a configuration that are
    not read."""
    nearby = {Path(".env"): None, _beside(directory) / ".env": None}
    known = {os.path.realpath(path) for path in read}
    found = []
    for path in nearby:
        if path.is_file() and os.path.realpath(path) not in known:
            known.add(os.path.realpath(path))
            found.append(path)
    return tuple(found)


def _beside(directory: Path) -> Path:
    """The directory around a configuration, as short as it was written."""
    if directory.name in ("", ".."):
        return Path(os.path.normpath(directory.absolute())).parent
    return directory.parent


def _is_project(directory: Path) -> bool:
    """Whether the project around a configuration says that its `.env` is for it."""
    try:
        text = file_content(_beside(directory) / "pyproject.toml").decode()
        table = tomllib.loads(text)["tool"]["tiercrew"]
        return bool(table["dotenv"] is True)
    except (OSError, TooLarge, ValueError, KeyError, TypeError):
        return False
