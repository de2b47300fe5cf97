"""Where the code is that a dotted path names: beside the YAML, and nowhere else.

Nothing is imported here: files are found by name and read as text.
"""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from crew.settings.bounds import TooLarge, file_content
from crew.settings.wording import unknown

INSTALLED = "crewai_tools"
"""The one installed package whose tools the YAML may name."""


class NotFound(Exception):
    """Nothing of this name may be imported. The message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A file of code, and the names that lead to an object in it. `module` is its name
    below the directory of the configuration, or that of the installed package."""

    module: str
    file: Path
    names: tuple[str, ...]

    @property
    def shown(self) -> str:
        """What a person calls it: the file, or the installed package."""
        return self.module if self.installed else str(self.file)

    @property
    def installed(self) -> bool:
        """Whether it belongs to an installed package."""
        return self.module == INSTALLED


def locate(directory: Path, dotted: str) -> Code:
    """The code of a dotted path. Raises NotFound."""
    parts = dotted.split(".")
    top = parts[0]
    if top == INSTALLED:
        return Code(module=top, file=_installed(top), names=tuple(parts[1:]))
    place, depth = directory, 0
    for part in parts[:-1]:
        if not (place / part).is_dir() or (place / f"{part}.py").is_file():
            break
        place, depth = place / part, depth + 1
    stem = parts[depth] if depth < len(parts) - 1 else "__init__"
    file = place / f"{stem}.py"
    found = file.is_file()
    _check_name(top, directory, found=found)
    if not found:
        raise NotFound(
            f"{dotted} is not there: {file} does not exist; only files in the "
            "directory of the configuration are imported"
        )
    if not file.resolve().is_relative_to(directory.resolve()):
        raise NotFound(f"{file} leads out of the directory of the configuration")
    used = depth + (stem != "__init__")
    return Code(module=".".join(parts[:used]), file=file, names=tuple(parts[used:]))


def _installed(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise NotFound(
            f"{package} is not installed; install it with this package: "
            "uv tool install 'tiercrew[tools]', or pip install 'tiercrew[tools]'"
        )
    return Path(spec.origin)


def _check_name(top: str, directory: Path, *, found: bool) -> None:
    """A file must not have the name of somebody else's module: what it imports, and
    who reads the YAML, would take one for the other."""
    if top in sys.stdlib_module_names:
        whose = "of Python's own"
    elif top == "crew" or _is_installed(top):
        whose = "of an installed package"
    else:
        return
    if found:
        raise NotFound(f"{top} is also the name of a module {whose}; rename {top}.py")
    raise NotFound(
        f"{top} is a module {whose}; only files in the directory of the configuration "
        f"are imported, and {INSTALLED}: name a function or class of a file there, "
        "which may import it"
    )


@lru_cache(maxsize=256)
def _is_installed(name: str) -> bool:
    paths = sysconfig.get_paths()
    places = list(dict.fromkeys([paths["purelib"], paths["platlib"]]))
    return PathFinder.find_spec(name, places) is not None


def definition(code: Code) -> ast.stmt | None:
    """The statement that defines the first name; None where only running the file
    would show it. Raises NotFound."""
    try:
        tree = ast.parse(file_content(code.file), filename=str(code.file))
    except SyntaxError as exc:
        raise NotFound(f"{code.file}:{exc.lineno}: no Python: {exc.msg}") from exc
    except (OSError, TooLarge, ValueError, RecursionError) as exc:
        raise NotFound(f"{code.file} cannot be read: {exc}") from exc
    defined = dict(_defined(tree.body))
    name = code.names[0]
    if name in defined:
        return defined[name]
    if "*" in defined or "__getattr__" in defined:
        return None
    raise NotFound(f"{code.shown} defines no {name}; {_like(name, defined)}")


def _like(name: str, defined: dict[str, ast.stmt]) -> str:
    own = [
        known
        for known, statement in defined.items()
        if not known.startswith("_")
        and not isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    return unknown("name", name, own or defined)


def _defined(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """The names that a module's statements give to something."""
    for statement in body:
        yield from ((name, statement) for name in _bound(statement))
        if isinstance(statement, ast.If | ast.Try | ast.With):
            handlers = [one.body for one in getattr(statement, "handlers", [])]
            parts = ("body", "orelse", "finalbody")
            for inner in (*(getattr(statement, one, []) for one in parts), *handlers):
                yield from _defined(inner)


def _bound(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Import() | ast.ImportFrom():
            return [
                alias.asname or alias.name.partition(".")[0]
                for alias in statement.names
            ]
        case ast.Assign():
            nodes = (node for one in statement.targets for node in ast.walk(one))
            return [node.id for node in nodes if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []
