"""The shape of the house: who imports whom, and what stays out of quick commands."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "crew"
MODULES = {
    ".".join(("crew", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in SOURCE.rglob("*.py")
}


def _imports(path: Path, *, top_level: bool) -> set[str]:
    """What a module imports. Imports for the type checker only do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[ast.AST] = []
    for node in ast.walk(tree) if not top_level else tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for inner in ast.walk(node):
                inner.seen = True  # type: ignore[attr-defined]
        if not getattr(node, "seen", False):
            nodes.append(node)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_modules_import_each_other_in_one_direction() -> None:
    graph = {
        name: {found for found in _imports(path, top_level=True) if found in MODULES}
        - {name}
        for name, path in MODULES.items()
    }
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {n for n, needs in graph.items() if n not in done and needs <= done}

        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready


def test_only_the_providers_wing_imports_litellm() -> None:
    users = {
        name
        for name, path in MODULES.items()
        if "litellm" in _top(_imports(path, top_level=False))
    }

    assert users == {"crew.providers.litellm_setup", "crew.providers.transport"}


def test_only_the_crews_own_modules_import_crewai() -> None:
    users = {
        name
        for name, path in MODULES.items()
        if "crewai" in _top(_imports(path, top_level=False))
    }

    assert users <= {
        "crew.calls.llm",
        "crew.crew",
        "crew.runs.lifecycle",
        "crew.gates",
        "crew.tools",
    }


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
                if found.startswith("crew.quota")
            }

            assert shared <= allowed, name


@pytest.mark.parametrize("module", ["crew", "crew.cli", "crew.emulator.__main__"])
def test_quick_commands_import_neither_crewai_nor_litellm(module: str) -> None:
    script = (
        f"import sys, {module}; print([m for m in ('crewai', 'litellm', 'PIL') "
        "if m in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "[]"
