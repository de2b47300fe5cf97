"""What checks need of the checkout: the directories that git does not keep, and the
programs that are installed there. Nothing is run."""

import os
import shutil
from pathlib import Path

from crew.setup.repository_files import RepositoryFiles

_ENVIRONMENTS = (".venv", "venv")
_MODULES = "node_modules"
_PYTHON_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "Pipfile")
_PYTHON_TOOLS = frozenset(("ruff", "flake8", "mypy", "pyright"))
_NODE_TOOLS = frozenset(("eslint", "tsc"))


def find_shares(root: Path) -> tuple[str, ...]:
    """The directories to lend to the checks. One that is not there yet is no mistake,
    so that installing later is enough."""
    files = RepositoryFiles(root)
    there = [name for name in _ENVIRONMENTS if (root / name).is_dir()]
    if not there and files.has(*_PYTHON_FILES):
        there = [_ENVIRONMENTS[0]]
    if (root / _MODULES).is_dir() or files.has("package.json"):
        there.append(_MODULES)
    return tuple(there)


def lacking(root: Path, command: str, search: str | None) -> str:
    """The linter or type checker of a command that is not installed although the
    project is: such a check could never pass. Nothing where it is there, or nobody
    knows. `search` is PATH."""
    for words, places in (
        (_PYTHON_TOOLS, [root / name / "bin" for name in _ENVIRONMENTS]),
        (_NODE_TOOLS, [root / _MODULES / ".bin"]),
    ):
        tool = next((word for word in command.split() if word in words), "")
        installed = [place for place in places if place.is_dir()]
        if not tool or not installed:
            continue
        if any(os.path.lexists(place / tool) for place in installed):
            return ""
        return "" if shutil.which(tool, path=search) else tool
    return ""
