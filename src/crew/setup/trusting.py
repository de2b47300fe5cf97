"""What `crew init` wrote itself is trusted, and nothing else."""

from collections.abc import Mapping
from pathlib import Path

from crew.settings.places import beside
from crew.settings.snapshot import Unfit, take
from crew.settings.trust import Trusted


def is_trusted(directory: Path, environ: Mapping[str, str]) -> bool:
    """Whether somebody accepted the configuration as it is."""
    try:
        snapshot = take(directory, beside(directory, environ))
    except Unfit:
        return False
    return Trusted(environ).verdict(directory, snapshot).trusted


def trust(directory: Path, environ: Mapping[str, str]) -> None:
    """Accept the configuration as it is. Raises SettingsError."""
    try:
        snapshot = take(directory, beside(directory, environ))
    except Unfit:  # somebody changed it a moment ago
        return
    Trusted(environ).add(directory, snapshot)
