"""The shape of the house: its rooms, their floors, and what stays out of which.

The floors are read from docs/architecture.md, so that the page cannot drift away.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "crew"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MODULES = {
    ".".join(("crew", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in SOURCE.rglob("*.py")
}
BENCHMARKS = {path.stem: path for path in (ROOT / "benchmarks").glob("*.py")}


def _floors() -> dict[str, int]:
    """The rooms of the page's drawing; 0 is the ground."""
    drawing = re.search(r"```floors\n(.*?)```", PAGE, re.DOTALL)
    assert drawing is not None
    floors = reversed(drawing[1].strip().splitlines())
    return {room: floor for floor, rooms in enumerate(floors) for room in rooms.split()}


FLOORS = _floors()


def _room(module: str) -> str:
    """The folder below `crew` that a module is in, or the flat module itself."""
    _, _, rest = module.partition(".")
    return rest.partition(".")[0] or "__init__"


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _statements(path: Path) -> Iterator[ast.stmt]:
    """All statements, without those for the type checker only."""
    waiting: list[ast.AST] = [_parsed(path)]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            if isinstance(node, ast.stmt):
                yield node
            waiting.append(node)


@cache
def _imports(path: Path, *, top_level: bool) -> set[str]:
    """What a module imports. Imports for the type checker only do not count."""
    top = _parsed(path).body
    found: set[str] = set()
    for node in _statements(path):
        if top_level and node not in top:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _users(package: str) -> set[str]:
    """The rooms that import a package of somebody else, anywhere in a module."""
    return {
        _room(name)
        for name, path in MODULES.items()
        if any(
            found.partition(".")[0] == package
            for found in _imports(path, top_level=False)
        )
    }


def _assert_no_cycle(paths: Mapping[str, Path]) -> None:
    graph = {
        name: {found for found in _imports(path, top_level=True) if found in paths}
        - {name}
        for name, path in paths.items()
    }
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {n for n, needs in graph.items() if n not in done and needs <= done}

        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready


def test_modules_import_each_other_in_one_direction() -> None:
    _assert_no_cycle(MODULES)


def test_benchmarks_import_each_other_in_one_direction() -> None:
    _assert_no_cycle(BENCHMARKS)


def test_each_room_is_on_the_page_and_each_name_there_is_a_room() -> None:
    rooms = {
        path.stem if path.is_file() else path.name
        for path in SOURCE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert rooms == set(FLOORS), "a new room needs a floor in docs/architecture.md"


def test_no_import_runs_up_or_along_a_floor() -> None:
    wrong = sorted(
        f"{name} imports {found}"
        for name, path in MODULES.items()
        for found in _imports(path, top_level=False)
        if found in MODULES
        and _room(found) != _room(name)
        and FLOORS[_room(found)] >= FLOORS[_room(name)]
    )

    assert wrong == []


def test_no_flat_module_is_new() -> None:
    flat = {path.stem for path in SOURCE.glob("*.py")}

    assert flat == {
        "__init__",
        "clock",
        "crew",
        "errors",
        "main",
        "notices",
        "sqlite_file",
    }


def test_benchmarks_and_tests_are_nobodys_ground() -> None:
    above = set(BENCHMARKS) | {"tests", "benchmarks"}
    wrong = {
        name
        for name, path in MODULES.items()
        if _imports(path, top_level=False) & above
    }

    assert wrong == set()


def test_only_the_providers_import_litellm() -> None:
    assert _users("litellm") == {"providers"}


def test_only_the_crews_own_rooms_import_crewai() -> None:
    assert _users("crewai") <= {
        "calls",
        "crew",
        "own",
        "tasks",
        "tools",
        "runs",
    }


def test_only_a_store_imports_sqlite_or_redis() -> None:
    users = {
        name
        for name, path in MODULES.items()
        if {"sqlite3", "redis"}
        & {found.partition(".")[0] for found in _imports(path, top_level=False)}
    }

    assert all(
        name.startswith(("crew.quota.stores", "crew.journal")) or name == FILE
        for name in users
    )


FILE = "crew.sqlite_file"


def test_only_the_clock_reads_the_time() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        if _imports(path, top_level=False) & {"time", "random", "time.sleep"}
    }

    assert readers <= {"crew.clock"}


def test_the_emulator_shares_no_window_arithmetic_with_the_guard() -> None:
    values = {"crew.quota.limits", "crew.quota.limits.Limit"}
    allowed = values | {"crew.quota.limits.WindowKind", "crew.quota.limits.Metric"}
    for name, path in MODULES.items():
        if name.startswith("crew.emulator"):
            shared = {
                found
                for found in _imports(path, top_level=False)
                if found.startswith(("crew.quota", "crew.providers"))
            }

            assert shared <= allowed, name


def test_no_module_and_no_function_is_too_long() -> None:
    long = []
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        most = 350 if name.startswith("crew.quota.stores") else 300
        if len(text.splitlines()) > most:
            long.append(f"{name}: {len(text.splitlines())} lines")
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > 40:
                    long.append(f"{name}.{node.name}: {lines} lines")

    assert long == []


@pytest.mark.parametrize(
    "place",
    sorted(set(re.findall(r"`([a-z_]+(?:/[a-z_<>]+)*(?:\.py|\.lua|\.yaml|/))`", PAGE))),
)
def test_each_place_on_the_page_exists(place: str) -> None:
    if "<" in place:
        place = place.partition("<")[0]

    assert any((base / place).exists() for base in (SOURCE, ROOT)), place


@pytest.mark.parametrize(("path", "name"), re.findall(r"`([a-z_/]+\.py):(\w+)`", PAGE))
def test_each_name_on_the_page_is_defined_there(path: str, name: str) -> None:
    tree = _parsed(SOURCE / path)
    defined = {getattr(node, "name", "") for node in ast.walk(tree)}

    assert name in defined


@pytest.mark.parametrize(
    "module", ["crew", "crew.cli, crew.cli.ui, crew.ui.live", "crew.emulator.__main__"]
)
def test_quick_commands_import_neither_crewai_nor_litellm(module: str) -> None:
    script = (
        f"import sys, {module}; print([m for m in ('crewai', 'litellm', 'PIL') "
        "if m in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "[]"
