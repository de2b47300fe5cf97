"""The checks of Go and Rust projects, and the targets of Makefiles and justfiles."""

import re
from collections.abc import Iterator

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
            yield from _targets(files.text(file), "make", file)
            break
    for file in ("justfile", "Justfile", ".justfile"):
        if files.has(file):
            yield from _targets(files.text(file), "just", file)
            break


def _targets(text: str, program: str, file: str) -> Iterator[Row]:
    for name, targets in _TARGETS.items():
        for target in targets:
            # `test: build`, `test check:`, just's `test *args:`; not `test := x`.
            rule = rf"^@?(?:[\w./-]+ +)*{target}(?: [^:=\n#]*)?:(?!:?=)"
            if re.search(rule, text, re.MULTILINE):
                yield name, f"{program} {target}", file
                break
