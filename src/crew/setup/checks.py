"""The commands by which a repository checks itself, found in its files.

Nothing is run, and no text of the repository becomes part of a command: each command
is one of those written here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crew.setup.node_checks import node_checks
from crew.setup.python_checks import python_checks
from crew.setup.repository_files import RepositoryFiles
from crew.setup.target_checks import compiled_checks, target_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A command under a name of its own; `file` is where it was found."""

    name: str
    command: str
    file: str


def find_checks(root: Path) -> list[Check]:
    """The checks of the repository at `root`, tests first.

    What belongs to a language comes first. A target of a Makefile or a justfile is
    taken for what no language has: it mostly starts the same command.
    """
    files = RepositoryFiles(root)
    found: dict[str, Check] = {}
    for language, rows in (
        ("python", python_checks(files)),
        ("node", node_checks(files)),
        ("", compiled_checks(files)),
    ):
        _add(found, rows, suffix=language)
    for name, command, file in target_checks(files):
        found.setdefault(name, Check(name=name, command=command, file=file))
    order = ("test", "lint", "types")
    return sorted(found.values(), key=lambda one: order.index(one.name.split("-")[0]))


def _add(
    found: dict[str, Check], rows: Iterable[tuple[str, str, str]], *, suffix: str
) -> None:
    """Take the checks of one language. A name that another has gets the language's."""
    for name, command, file in rows:
        free = name
        if free in found:
            free = f"{name}-{suffix or command.split()[0]}"
        found.setdefault(free, Check(name=free, command=command, file=file))
