"""What `crew init` wrote itself is trusted, and nothing else."""

from collections.abc import Mapping
from pathlib import Path

from crew.errors import SettingsError
from crew.settings.trust import Trusted, content_of


def is_trusted(directory: Path, environ: Mapping[str, str]) -> bool:
    """Whether somebody accepted the configuration as it is."""
    if not directory.is_dir():
        return False
    try:
        content = content_of(directory, environ)
    except SettingsError:
        return False
    return Trusted(environ).verdict(directory, content).trusted
