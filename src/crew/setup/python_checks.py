"""The checks of a Python project: pytest or tox, ruff or flake8, mypy or pyright."""

import re
from collections.abc import Iterator, Mapping

from crew.setup.repository_files import RepositoryFiles, section

Row = tuple[str, str, str]
"""Name, command, file."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_REQUIREMENTS = re.compile(r"(?:dev-|test-)?requirements.*\.txt")
_TEST_FILE = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py")


def python_checks(files: RepositoryFiles) -> Iterator[Row]:
    """The checks of the Python project, if it is one."""
    project = files.toml("pyproject.toml")
    runner = _runner(files, project)
    packages = _packages(files, project)
    if file := _pytest(files, project, packages):
        yield "test", f"{runner}pytest -q", file
    elif file := _tox(files, project):
        yield "test", "tox", file
    if file := _configured(files, project, packages, "ruff", "ruff.toml", ".ruff.toml"):
        yield "lint", f"{runner}ruff check .", file
    elif file := _configured(files, project, packages, "flake8", ".flake8"):
        yield "lint", f"{runner}flake8", file
    if file := _configured(files, project, packages, "mypy", "mypy.ini", ".mypy.ini"):
        yield "types", f"{runner}mypy{_mypy_paths(files, project)}", file
    elif file := _configured(files, project, packages, "pyright", "pyrightconfig.json"):
        yield "types", f"{runner}pyright", file


def _runner(files: RepositoryFiles, project: Mapping[str, object]) -> str:
    """What a command begins with where a tool keeps the environment."""
    if files.has("uv.lock") or "uv" in section(project, "tool"):
        return "uv run "
    if files.has("poetry.lock") or "poetry" in section(project, "tool"):
        return "poetry run "
    if files.has("pdm.lock") or "pdm" in section(project, "tool"):
        return "pdm run "
    return "pipenv run " if files.has("Pipfile.lock", "Pipfile") else ""


def _packages(files: RepositoryFiles, project: Mapping[str, object]) -> dict[str, str]:
    """The packages that it requires somewhere, and the file that names each."""
    found: dict[str, str] = {}
    poetry = section(project, "tool", "poetry")
    own: list[object] = [section(project, "project").get("dependencies")]
    own += section(project, "project", "optional-dependencies").values()
    own += section(project, "dependency-groups").values()
    own += [section(project, "tool", "uv").get("dev-dependencies")]
    own += section(project, "tool", "pdm", "dev-dependencies").values()
    own += [list(section(poetry, "dependencies"))]
    own += [list(section(poetry, "dev-dependencies"))]
    for group in section(poetry, "group"):
        own += [list(section(poetry, "group", group, "dependencies"))]
    for listed in own:
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, str) and (named := _REQUIREMENT.match(one)):
                found.setdefault(named[1].lower(), "pyproject.toml")
    for file in filter(_REQUIREMENTS.fullmatch, files.names()):
        for line in files.text(file).splitlines():
            if named := _REQUIREMENT.match(line):
                found.setdefault(named[1].lower(), file)
    for name in section(files.toml("Pipfile"), "dev-packages"):
        found.setdefault(name.lower(), "Pipfile")
    return found


def _pytest(
    files: RepositoryFiles,
    project: Mapping[str, object],
    packages: Mapping[str, str],
) -> str:
    """The file that shows that pytest runs the tests; nothing if none does."""
    if found := _configured(files, project, packages, "pytest", "pytest.ini"):
        return found
    for file, header in (("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")):
        if header in files.text(file):
            return file
    # Tests without a word on what runs them: pytest runs those of unittest as well.
    for directory in ("tests", "test"):
        names = files.names(directory)
        inside = [one for name in names for one in files.names(f"{directory}/{name}")]
        if any(map(_TEST_FILE.fullmatch, [*names, *inside])):
            return f"{directory}/"
    return next(filter(_TEST_FILE.fullmatch, files.names()), "")


def _tox(files: RepositoryFiles, project: Mapping[str, object]) -> str:
    if re.search(r"^\[(?:tox|testenv)", files.text("tox.ini"), re.MULTILINE):
        return "tox.ini"
    if files.has("tox.toml"):
        return "tox.toml"
    return "pyproject.toml" if "tox" in section(project, "tool") else ""


def _configured(
    files: RepositoryFiles,
    project: Mapping[str, object],
    packages: Mapping[str, str],
    tool: str,
    *own: str,
) -> str:
    """The file that shows that a tool is used; nothing if none does."""
    if tool in section(project, "tool"):
        return "pyproject.toml"
    for file in own:
        if files.has(file):
            return file
    if re.search(rf"^\[{tool}\]", files.text("setup.cfg"), re.MULTILINE):
        return "setup.cfg"
    return packages.get(tool, "")


def _mypy_paths(files: RepositoryFiles, project: Mapping[str, object]) -> str:
    """mypy's argument, unless its configuration names what to look at."""
    mypy = section(project, "tool", "mypy")
    if {"files", "packages", "modules"} & set(mypy):
        return ""
    written = "\n".join(
        files.text(file) for file in ("mypy.ini", ".mypy.ini", "setup.cfg")
    )
    named = re.search(r"^(?:files|packages|modules)\s*=", written, re.MULTILINE)
    return "" if named else " ."
