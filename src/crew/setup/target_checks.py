"""The checks of Go and Rust projects, and the targets of Makefiles and justfiles."""

from collections.abc import Collection, Iterator

from crew.setup.repository_files import RepositoryFiles

Row = tuple[str, str, str]
"""Name, command, file."""
_GOLANGCI = tuple(f".golangci.{end}" for end in ("yml", "yaml", "toml", "json"))
_TARGETS = {
    "test": ("test", "tests", "check"),
    "lint": ("lint",),
    "types": ("typecheck", "type-check", "types", "mypy"),
}
"""For each check the targets that may be it, the best name first."""


def compiled_checks(files: RepositoryFiles) -> Iterator[Row]:
    """What comes with the language's own tool."""
    if files.has("go.mod"):
        yield "test", "go test ./...", "go.mod"
        for name in _GOLANGCI:
            if files.has(name):
                yield "lint", "golangci-lint run", name
                break
    if files.has("Cargo.toml"):
        yield "test", "cargo test", "Cargo.toml"


def target_checks(files: RepositoryFiles) -> Iterator[Row]:
    """The targets that are named as checks are."""
    # As make itself looks for them.
    for file in ("GNUmakefile", "makefile", "Makefile"):
        if files.has(file):
            yield from _rows(set(_make_targets(files.text(file))), "make", file)
            break
    for file in ("justfile", "Justfile", ".justfile"):
        if files.has(file):
            yield from _rows(set(_recipes(files.text(file))), "just", file)
            break


def _rows(targets: Collection[str], program: str, file: str) -> Iterator[Row]:
    for name, wanted in _TARGETS.items():
        for target in wanted:
            if target in targets:
                yield name, f"{program} {target}", file
                break


def _make_targets(text: str) -> Iterator[str]:
    """The words before the colon of each rule: `test check: build`."""
    for line in text.splitlines():
        head, colon, rest = line.partition(":")
        assigned = rest.startswith(("=", ":="))
        if colon and not assigned and not head.startswith("\t") and "=" not in head:
            yield from head.partition("#")[0].split()


def _recipes(text: str) -> Iterator[str]:
    """The name before the parameters and the colon: `@test *args: build`."""
    for line in text.splitlines():
        head, colon, rest = line.partition(":")
        if colon and not rest.startswith("=") and not head.startswith((" ", "\t")):
            yield from head.removeprefix("@").split()[:1]
