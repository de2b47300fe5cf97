"""The user's own directories, by the XDG specification, and those of the package."""

from collections.abc import Mapping
from pathlib import Path


def config_home(environ: Mapping[str, str]) -> Path | None:
    """Where the user's configuration of all programs lies; None without a home."""
    return _named(environ, "XDG_CONFIG_HOME", ".config")


def state_home(environ: Mapping[str, str]) -> Path | None:
    """Where the user's state of all programs lies; None without a home."""
    return _named(environ, "XDG_STATE_HOME", ".local/state")


def _named(environ: Mapping[str, str], variable: str, otherwise: str) -> Path | None:
    named = Path(environ.get(variable, ""))
    if named.is_absolute():  # the specification: another one is passed over
        return named
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        return None
    return home / otherwise if home.is_absolute() else None


def defaults() -> Path:
    """The YAML files that come with the package; in a clone they are the project's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "defaults"
    return installed if installed.is_dir() else package.parents[1] / "config"


def is_defaults(directory: Path) -> bool:
    """Whether a directory is the package's own, however it is written."""
    try:
        return directory.samefile(defaults())
    except OSError:
        return False
