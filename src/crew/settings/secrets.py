"""Which values are secrets: those of the variables that the YAML names for keys."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crew.settings.bounds import TooLarge, file_content
from crew.texts.masking import Secrets

_USE = re.compile(
    r"(?:(?P<key>[\w\-]+)['\"]?\s*:\s*)?[^:{}\n]*\$\{(?P<name>[A-Za-z_]\w*)"
)
SECRET_NAME = re.compile(
    r"key|token|secret|passw|passphrase|credential|auth|cookie|bearer", re.IGNORECASE
)
_FILES = ("providers", "tiers", "agents", "tasks", "inputs")
_ALWAYS = ("GITHUB_TOKEN", "GH_TOKEN")


def secrets_of(directory: Path, environ: Mapping[str, str]) -> Secrets:
    """The secrets of a configuration, right or wrong."""
    names = {name for file in _FILES for name in _named(directory / f"{file}.yaml")}
    values = {environ[name].strip() for name in (*names, *_ALWAYS) if name in environ}
    values |= {value for value in map(_password, environ.values()) if value}
    return Secrets(frozenset(values))


def _named(path: Path) -> Iterator[str]:
    """The variables that a file uses as keys, or that are called like one."""
    try:
        text = file_content(path).decode("utf-8", errors="replace")
    except (OSError, TooLarge):
        return
    for found in _USE.finditer(text):
        if SECRET_NAME.search(f"{found['key'] or ''} {found['name']}"):
            yield found["name"]


def _password(value: str) -> str | None:
    """The password in an address, such as that of a store."""
    if "@" not in value or "://" not in value:
        return None
    try:
        return unquote(urlsplit(value).password or "") or None
    except ValueError:
        return None
