"""Whether a directory holds a configuration of ours, or an application's own."""

import re
from pathlib import Path

from crew.settings.bounds import TooLarge, file_content

FILES = ("agents.yaml", "tasks.yaml", "providers.yaml", "tiers.yaml", "inputs.yaml")
_KEY = r"""^['"]?(?:{})['"]?[ \t]*:"""
_PROVIDERS = re.compile(_KEY.format("providers|deployments"), re.MULTILINE)
_TIERS = re.compile(_KEY.format("tiers|routing|budgets"), re.MULTILINE)
_TIER = re.compile(r"""(?<![\w\-])['"]?tier['"]?[ \t]*:""")


def has_files(directory: Path) -> bool:
    """Whether any of the YAML files lies there."""
    return any((directory / name).is_file() for name in FILES)


def looks_ours(directory: Path) -> bool:
    """Whether the files there look like ours: providers.yaml with tiers.yaml, or an
    agents.yaml whose roles have a `tier`. They may still be wrong."""
    if _PROVIDERS.search(_text(directory / "providers.yaml")):
        return _TIERS.search(_text(directory / "tiers.yaml")) is not None
    return _TIER.search(_text(directory / "agents.yaml")) is not None


def _text(path: Path) -> str:
    try:
        return file_content(path).decode("utf-8-sig", errors="replace")
    except (OSError, TooLarge):
        return ""
