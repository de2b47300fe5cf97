"""Running a check on some paths only: its command with those in place of its own."""

import itertools
import shlex
from collections.abc import Sequence
from pathlib import Path

from crew.errors import WorkspaceError

_BY_PATHS = frozenset(
    ("pytest", "py.test", "ruff", "mypy", "pyright", "flake8", "black", "isort",
     "eslint", "prettier", "biome", "tsc", "jest", "vitest", "mocha", "go", "rspec",
     "rubocop", "phpunit", "npm", "pnpm", "yarn", "bun")
)  # fmt: skip
_RUNNERS = frozenset(("uv", "poetry", "pdm", "hatch", "npx", "bunx", "bundle", "time"))
_AFTER_DASHES = frozenset(("npm", "pnpm"))
_FLAGS = frozenset(("-q", "-qq", "-v", "-vv", "-x", "-s"))
"""Options without a value: what follows one is a path."""
_SHELL = frozenset("|&;<>()$`\\\"'*?[]#~=%\n")


def filtered(command: str, paths: Sequence[str], tree: Path) -> str:
    """The command on these paths, which are inside the tree and relative to it. Raises
    WorkspaceError where the command takes none."""
    words = command.split()
    program = _program(words)
    if program is None or _SHELL & set(command):
        raise WorkspaceError("this check takes no paths; run it without")
    kept = [words[0]]
    for before, word in itertools.pairwise(words):
        is_path = not word.startswith("-") and (tree / word).exists()
        if not is_path or (before.startswith("-") and before not in _FLAGS):
            kept.append(word)
    # With ./ in front none is taken for an option.
    named = [shlex.quote(f"./{path}") for path in paths]
    dashes = ["--"] if program in _AFTER_DASHES and "--" not in kept else []
    return " ".join([*kept, *dashes, *named])


def _program(words: Sequence[str]) -> str | None:
    """The program that gets the paths, behind what runs it."""
    for word in words:
        name = Path(word).name
        if name in _BY_PATHS:
            return name
        if not (name in _RUNNERS or word in ("run", "exec", "-m") or "python" in name):
            return None
    return None
