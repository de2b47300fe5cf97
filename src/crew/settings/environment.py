"""The environment: `.env` and variables, and where the configuration lies."""

import getpass
import io
import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from crew.errors import Mistake, SettingsError

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


def read_environment() -> dict[str, str]:
    """`.env` of the working directory, below the environment. Changes neither."""
    path = Path.cwd() / ".env"
    text = _dotenv(path)
    # dotenv passes over what it cannot read: a key would be missing silently.
    broken = [one.original for one in parse_stream(io.StringIO(text)) if one.error]
    if broken:
        message = "it cannot be read; write NAME=value, quotes closed"
        raise SettingsError(
            [
                Mistake(
                    file=str(path),
                    line=one.line + _blank_lines(one.string),
                    key="",
                    message=message,
                )
                for one in broken
            ]
        )
    written = dotenv_values(stream=io.StringIO(text))
    known = {name: value for name, value in written.items() if value is not None}
    return {**known, **os.environ}


def _dotenv(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):  # a virtual environment's name
        return ""
    except UnicodeDecodeError:
        message = "not UTF-8; save the file as UTF-8"
    except OSError as exc:
        message = f"cannot be read: {exc.strerror}"
    raise SettingsError([Mistake(file=str(path), line=None, key="", message=message)])


def _blank_lines(text: str) -> int:
    """How many lines are empty before the text begins."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def login() -> str:
    """The name of the user of this process."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = "unknown"
    return name.encode(errors="replace").decode()


def _defaults() -> Path:
    """The YAML files that come with the package; in a clone they are the project's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "defaults"
    return installed if installed.is_dir() else package.parents[1] / "config"


def config_directory(given: str | Path | None, environ: Mapping[str, str]) -> Path:
    """The directory of the YAML files: the one given, else CREW_CONFIG_DIR, else
    `config` here, else the defaults of the package. Raises SettingsError."""
    named = environ.get("CREW_CONFIG_DIR")
    if given is not None:
        directory, key = Path(given), ""
    elif named:
        directory, key = Path(named), "CREW_CONFIG_DIR"
    elif Path("config").is_dir():
        directory, key = Path("config"), ""
    else:
        directory, key = _defaults(), ""
    if not directory.is_dir():
        message = "no such directory; name the one that holds agents.yaml"
        raise SettingsError(
            [Mistake(file=str(directory), line=None, key=key, message=message)]
        )
    return directory
