"""The checks of a JavaScript or TypeScript project: its scripts, eslint, tsc."""

from collections.abc import Iterator, Mapping

from crew.setup.repository_files import RepositoryFiles, section

Row = tuple[str, str, str]
"""Name, command, file."""
_MANAGERS = {
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
    "bun": ("bun.lock", "bun.lockb"),
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
}
"""The lock files of each; pnpm, yarn and bun may lie beside an old lock of npm's."""
_ONE_OFF = {
    "pnpm": "pnpm exec",
    "yarn": "yarn",
    "bun": "bunx --no-install",
    "npm": "npx --no-install",
}
_ESLINT = (
    *(f"eslint.config.{end}" for end in ("js", "mjs", "cjs", "ts", "mts", "cts")),
    *(f".eslintrc{end}" for end in ("", ".js", ".cjs", ".json", ".yml", ".yaml")),
)
_TYPE_SCRIPTS = ("typecheck", "type-check", "types", "check-types", "tsc")


def node_checks(files: RepositoryFiles) -> Iterator[Row]:
    """The checks of the project, if it has a package.json."""
    package = files.json("package.json")
    if not package:
        return
    manager = _manager(files, package)
    scripts = section(package, "scripts")
    if _says_something(scripts.get("test")):
        command = "bun run test" if manager == "bun" else f"{manager} test"
        yield "test", command, "package.json"
    needed = {
        **section(package, "devDependencies"),
        **section(package, "dependencies"),
    }
    if _says_something(scripts.get("lint")):
        yield "lint", f"{manager} run lint", "package.json"
    elif (found := _first(files, _ESLINT)) or "eslint" in needed:
        yield "lint", f"{_ONE_OFF[manager]} eslint .", found or "package.json"
    for name in _TYPE_SCRIPTS:
        if _says_something(scripts.get(name)):
            yield "types", f"{manager} run {name}", "package.json"
            return
    if files.has("tsconfig.json"):
        yield "types", f"{_ONE_OFF[manager]} tsc --noEmit", "tsconfig.json"


def _manager(files: RepositoryFiles, package: Mapping[str, object]) -> str:
    """The package manager that it names, else the one whose lock file is there."""
    named = package.get("packageManager")
    if isinstance(named, str) and named.partition("@")[0] in _MANAGERS:
        return named.partition("@")[0]
    for manager, locks in _MANAGERS.items():
        if files.has(*locks):
            return manager
    return "npm"


def _says_something(script: object) -> bool:
    """Whether it is a script; `npm init` writes one that only fails."""
    return (
        isinstance(script, str)
        and bool(script.strip())
        and "no test specified" not in script
    )


def _first(files: RepositoryFiles, names: tuple[str, ...]) -> str:
    return next((name for name in names if files.has(name)), "")
