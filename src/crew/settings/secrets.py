"""Which values are secrets: those of the variables that the YAML names for keys."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crew.settings.bounds import TooLarge, file_content
from crew.texts.masking import Secrets

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)")
_KEY = re.compile(r"([\w\-]+)['\"]?\s*:[^:{}]*$")
SECRET_NAME = re.compile(
    r"key|token|secret|passw|passphrase|credential|auth|cookie|bearer|webhook",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_ ][A-Za-z]+){0,2}")
_LINE = 200
"""Characters before a variable among which its key is."""
_FILES = ("providers", "tiers", "agents", "tasks", "inputs")
_ALWAYS = ("GITHUB_TOKEN", "GH_TOKEN")


def secrets_of(directory: Path, environ: Mapping[str, str]) -> Secrets:
    """The secrets of a configuration, right or wrong."""
    names = {name for file in _FILES for name in _named(directory / f"{file}.yaml")}
    values = {environ[name].strip() for name in (*names, *_ALWAYS) if name in environ}
    values |= {value for value in map(_password, environ.values()) if value}
    # A server of one's own takes any key, such as `ollama`: a name, and no secret.
    texts = "\n".join(_text(directory / f"{file}.yaml") for file in _FILES).casefold()
    return Secrets(
        frozenset(
            value
            for value in values
            if not (_WORDS.fullmatch(value) and value.casefold() in texts)
        )
    )


def variables_without_secrets(
    directory: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """The variables that the YAML names, with a stand-in for each secret."""
    secret = {name for file in _FILES for name in _named(directory / f"{file}.yaml")}
    texts = [_text(directory / f"{file}.yaml") for file in _FILES]
    names = {found[1] for text in texts for found in _VARIABLE.finditer(text)}
    return {
        name: "none" if name in secret or _password(environ[name]) else environ[name]
        for name in names
        if environ.get(name)
    }


def _named(path: Path) -> Iterator[str]:
    """The variables that a file uses as keys, or that are called like one."""
    text = _text(path)
    for found in _VARIABLE.finditer(text):
        before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        key = _KEY.search(before[-_LINE:])
        if SECRET_NAME.search(f"{key[1] if key else ''} {found[1]}"):
            yield found[1]


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
