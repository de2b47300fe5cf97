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


def variables_without_secrets(
    directory: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """The variables that the YAML names, with a stand-in for each secret."""
    secret = {name for file in _FILES for name in _named(directory / f"{file}.yaml")}
    texts = [_text(directory / f"{file}.yaml") for file in _FILES]
    names = {found["name"] for text in texts for found in _USE.finditer(text)}
    return {
        name: "none" if name in secret or _password(environ[name]) else environ[name]
        for name in names
        if environ.get(name)
    }


def _named(path: Path) -> Iterator[str]:
    """The variables that a file uses as keys, or that are called like one."""
    for found in _USE.finditer(_text(path)):
        if SECRET_NAME.search(f"{found['key'] or ''} {found['name']}"):
            yield found["name"]


def _text(path: Path) -> str:
    try:
        return file_content(path).decode("utf-8", errors="replace")
    except (OSError, TooLarge):
        return ""


def _password(value: str) -> str | None:
    """The password in an address, such as that of a store."""
    if "@" not in value or "://" not in value:
        return None
    try:
        return unquote(urlsplit(value).password or "") or None
    except ValueError:
        return None
