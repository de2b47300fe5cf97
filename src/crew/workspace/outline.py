"""The definitions of source files: classes, functions, and where they are."""

import hashlib
import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crew.processes.limited import OverBounds, run_limited

SECONDS = 20.0
_BATCH = 200
_FAILURES = 8
_SCRIPT = Path(__file__).with_name("outlining.py")
_TYPESCRIPT = "tree_sitter_typescript"
_GRAMMARS: Mapping[str, tuple[str, str]] = {
    ".py": ("tree_sitter_python", "language"),
    ".pyi": ("tree_sitter_python", "language"),
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".ts": (_TYPESCRIPT, "language_typescript"),
    ".mts": (_TYPESCRIPT, "language_typescript"),
    ".tsx": (_TYPESCRIPT, "language_tsx"),
    ".go": ("tree_sitter_go", "language"),
    ".rs": ("tree_sitter_rust", "language"),
    ".java": ("tree_sitter_java", "language"),
    ".c": ("tree_sitter_c", "language"),
    ".h": ("tree_sitter_c", "language"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A class or function: its line, how deep it is in others, its first line."""

    line: int
    depth: int
    name: str
    text: str


Outline = tuple[Definition, ...]


def is_outlined(name: str) -> bool:
    """Whether a file of this name is in a language that we know."""
    return PurePosixPath(name).suffix.lower() in _GRAMMARS


def outlines(
    sources: Mapping[str, str], known: MutableMapping[str, Outline]
) -> dict[str, Outline]:
    """The outline of each file; empty for one that cannot be parsed within bounds.
    `known` keeps them by their content."""
    keys = {name: _key(name, text) for name, text in sources.items()}
    names = [name for name, key in keys.items() if key not in known]
    batches = [names[at : at + _BATCH] for at in range(0, len(names), _BATCH)]
    failures = 0
    while batches:
        batch = batches.pop()
        try:
            found = _parsed([(name, sources[name]) for name in batch])
        except OverBounds:
            failures += 1
            if len(batch) > 1 and failures < _FAILURES:
                # One of them is to blame.
                middle = len(batch) // 2
                batches += [batch[:middle], batch[middle:]]
                continue
            found = [() for _ in batch]
        known.update(zip((keys[name] for name in batch), found, strict=True))
    return {name: known[key] for name, key in keys.items()}


def _parsed(sources: Sequence[tuple[str, str]]) -> list[Outline]:
    given = "".join(
        json.dumps({"module": module, "function": function, "text": text}) + "\n"
        for name, text in sources
        for module, function in [_GRAMMARS[PurePosixPath(name).suffix.lower()]]
    )
    printed = run_limited(_SCRIPT, given=given.encode("ascii"), seconds=SECONDS)
    rows = printed.decode("ascii").splitlines()
    if len(rows) != len(sources):
        raise OverBounds("the parser ended early")
    return [
        tuple(
            Definition(line=line, depth=depth, name=name, text=text)
            for line, depth, name, text in json.loads(row)
        )
        for row in rows
    ]


def _key(name: str, text: str) -> str:
    module, function = _GRAMMARS[PurePosixPath(name).suffix.lower()]
    content = f"{module}.{function}\n{text}".encode(errors="surrogatepass")
    return hashlib.sha256(content).hexdigest()
