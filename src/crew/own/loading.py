"""A dotted path becomes an object: from the directory of the configuration alone.

The files there are modules below a package of their own, which no other code sees:
`sys.path` stays as it is, and two configurations may each have a `my_tools.py`.
Each file is compiled from its text; a `.pyc` beside it is neither read nor written.
While they are imported, such files may import each other by name; later, as within
functions, by `from . import NAME`.
"""

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType

from crew.processes.imports import without_their_files
from crew.settings.own_code import Code, NotFound, locate
from crew.settings.snapshot import accepted_content

_ONE_AT_A_TIME = RLock()
"""Names are lent to `sys.modules` during an import."""


class NotLoaded(Exception):
    """The object cannot be had. The message says why."""


def load(
    directory: Path, dotted: str, digests: Mapping[str, str] | None = None
) -> object:
    """The object of a dotted path, such as `my_tools.search`. Raises NotLoaded.

    `digests` are the hashes of the files that somebody accepted (`Settings.digests`):
    code that has changed since, or was not there, is not loaded. None: all of it is.
    """
    try:
        code = locate(directory, dotted)
    except NotFound as exc:
        raise NotLoaded(str(exc)) from exc
    found: object = _module(directory, code, digests)
    for name in code.names:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise NotLoaded(f"{code.shown} defines no {'.'.join(code.names)}") from None
    return found


def _module(
    directory: Path, code: Code, digests: Mapping[str, str] | None
) -> ModuleType:
    try:
        if code.installed:
            with without_their_files():
                return importlib.import_module(code.module)
        package = _package(directory)
        package.digests = digests
        with package.siblings():
            name = f".{code.module}" if code.module else ""
            return importlib.import_module(f"{package.name}{name}")
    # Whatever the code of a user does when it is imported.
    except (Exception, SystemExit) as exc:
        raise NotLoaded(f"{code.file} cannot be imported: {reason(exc)}") from exc


def reason(error: BaseException) -> str:
    """An error of a user's code in one line, with its place in their code."""
    text = " ".join(str(error).split())
    shown = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith("<")
        and "site-packages" not in frame.filename
        and f"{Path(__file__).parents[1]}/" not in frame.filename
        and not frame.filename.startswith(sys.base_prefix)
    ]
    return f"{shown} ({own[-1].filename}:{own[-1].lineno})" if own else shown


def _package(directory: Path) -> "_Package":
    """The package that stands for a directory; made at its first use."""
    root = directory.resolve()
    digest = hashlib.sha256(str(root).encode(errors="surrogateescape")).hexdigest()
    name = f"crew_own_{digest[:12]}"
    with _ONE_AT_A_TIME:
        for finder in sys.meta_path:
            if isinstance(finder, _Package) and finder.name == name:
                return finder
        made = _Package(name, root)
        sys.meta_path.append(made)
        return made


class _Source(SourceFileLoader):
    """A module that is always compiled from its text, as it was accepted."""

    def __init__(self, fullname: str, path: Path, package: "_Package") -> None:
        super().__init__(fullname, str(path))
        self._package = package

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        content = self._package.content(Path(path))
        return compile(content, path, "exec", dont_inherit=True)


class _Empty(Loader):
    """A package without code of its own."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Nothing."""


class _Sibling(Loader):
    """A module of the package, by its name alone."""

    def __init__(self, whole: str) -> None:
        self._whole = whole

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        """The import system then takes what `sys.modules` has."""
        sys.modules[module.__name__] = importlib.import_module(self._whole)


class _Package(MetaPathFinder):
    """Finds the modules of one directory, below a name of their own."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.digests: Mapping[str, str] | None = None
        self._root = root
        self._lent: set[str] | None = None

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The place of one of its modules; for all others None."""
        if fullname == self.name:
            return self._spec(fullname, self._root)
        if fullname.startswith(f"{self.name}."):
            parts = fullname.split(".")[1:]
            return self._spec(fullname, self._root.joinpath(*parts))
        inside = self._root.joinpath(*fullname.split("."))
        known = self._place(fullname) is not None or inside.is_dir()
        if self._lent is None or not known:
            return None
        self._lent.add(fullname)
        return ModuleSpec(fullname, _Sibling(f"{self.name}.{fullname}"))

    def content(self, path: Path) -> bytes:
        """The text of one of its files. Raises SettingsError when that is not what was
        accepted."""
        name = path.relative_to(self._root).as_posix()
        return accepted_content(self._root, name, self.digests)

    def _place(self, name: str) -> Path | None:
        """The file of a module."""
        base = self._root.joinpath(*name.split("."))
        for place in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if place.exists() and place.resolve().is_relative_to(self._root):
                return place
        return None

    def _spec(self, fullname: str, base: Path) -> ModuleSpec | None:
        inside = ".".join(base.relative_to(self._root).parts)
        place = self._place(inside) if inside else None
        spec: ModuleSpec | None = None
        if place is not None and place.is_file():
            loader = _Source(fullname, place, self)
            spec = spec_from_file_location(fullname, place, loader=loader)
        elif base.is_dir():
            spec = ModuleSpec(fullname, _Empty(), is_package=True)
        if spec is not None and (place is None or place.name == "__init__.py"):
            # Without a path of its own nobody else finds its modules, `.pyc` and all.
            spec.submodule_search_locations = []
        return spec

    @contextmanager
    def siblings(self) -> Iterator[None]:
        """Let the modules import each other by name alone in the block."""
        with _ONE_AT_A_TIME:
            outer, self._lent = self._lent, set()
            try:
                yield
            finally:
                for name in self._lent:
                    sys.modules.pop(name, None)
                self._lent = outer
