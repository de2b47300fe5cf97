"""What a child process inherits: an allow-list, so that no key of a provider does."""

import sys
from collections.abc import Mapping
from pathlib import PurePath

_INHERITED = (
    "HOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LOGNAME",
    "SYSTEMROOT",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CONFIG_HOME",
)
_FOR_PYTHON = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONHOME", "VIRTUAL_ENV")


def inherited(ours: Mapping[str, str]) -> dict[str, str]:
    """The part of our environment that any child may see."""
    kept = {name: ours[name] for name in _INHERITED if name in ours}
    # A relative entry, or an empty one, would find programs where the child works.
    return {**kept, "PATH": _absolute(ours.get("PATH", "/usr/bin:/bin"))}


def python_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """As `inherited`, for a Python of ours: it imports nothing from the directory in
    which it works."""
    kept = {name: ours[name] for name in _FOR_PYTHON if name in ours}
    search = _absolute(ours.get("PYTHONPATH", ""))
    if search:
        kept["PYTHONPATH"] = search
    return {**inherited(ours), **kept, "PYTHONSAFEPATH": "1"}


def python_command(module: str) -> list[str]:
    """The command that runs a module of ours in a Python of its own."""
    return [sys.executable, "-P", "-m", module]


def _absolute(search: str) -> str:
    entries = search.split(":")
    return ":".join(entry for entry in entries if PurePath(entry).is_absolute())
