"""Searching files for a pattern of a model, within bounds of time and memory."""

from collections.abc import Iterable
from pathlib import Path

import regex

from crew.clock import SystemClock
from crew.errors import WorkspaceError
from crew.workspace.files import content
from crew.workspace.secrets import is_private_key, listed
from crew.workspace.text import decoded, lines_of, shown

FOUND = 100
SEARCHED_BYTES = 2 * 1024 * 1024
SEARCH_SECONDS = 5.0
PATTERN_CHARACTERS = 1_000
# `regex` writes out what must repeat, at up to 600 bytes for one character of the
# pattern: (?:a{1000}){1000} takes 270 MB to compile.
_WRITTEN_OUT = 100_000
_COUNT = regex.compile(r"(\)?)\{([0-9]+)(?:,[0-9]*)?\}")
# Recursion fills half a gigabyte a second until the time is up.
_RECURSION = regex.compile(r"\(\?(?:R|&|P>|[+-]?[0-9])")
# Comments, and the spaces of a verbose pattern, may part what belongs together.
_COMMENT = regex.compile(r"\(\?#[^)]*\)|\s|#[^\n]*")


def compiled(pattern: str) -> "regex.Pattern[str]":
    """A pattern that is safe to search for. Raises WorkspaceError."""
    if len(pattern) > PATTERN_CHARACTERS:
        raise WorkspaceError(f"a pattern has at most {PATTERN_CHARACTERS} characters")
    for plain in (pattern, _COMMENT.sub("", pattern)):
        if _RECURSION.search(plain):
            raise WorkspaceError("a pattern cannot call itself")
        if _written_out(plain) > _WRITTEN_OUT:
            raise WorkspaceError("the counts of that pattern multiply to too much")
    try:
        return regex.compile(pattern)
    except Exception as exc:
        # A pattern that nobody meant makes `regex` trip anywhere: RecursionError,
        # OverflowError, RuntimeError("invalid RE code"), ...
        reason = str(exc) if isinstance(exc, regex.error) else "it is too complicated"
        raise WorkspaceError(
            f"{pattern!r} is no regular expression: {reason}"
        ) from None


def matches(
    wanted: "regex.Pattern[str]", root: Path, files: Iterable[Path]
) -> list[str]:
    """Lines of files below a resolved root that match, as `path:line: text`. Raises
    WorkspaceError; a slow expression is one."""
    clock = SystemClock()
    until = clock.monotonic() + SEARCH_SECONDS
    found: list[str] = []
    too_large: list[str] = []
    for path in sorted(files):
        name = shown(str(path.relative_to(root)))
        try:
            raw = content(root, path, name, SEARCHED_BYTES + 1)
            text = decoded(raw, name) if len(raw) <= SEARCHED_BYTES else ""
        except WorkspaceError:  # not text, or gone: nothing to find in it
            continue
        if len(raw) > SEARCHED_BYTES:
            too_large.append(name)
        if is_private_key(raw):
            continue
        for number, line in enumerate(lines_of(text), 1):
            left = until - clock.monotonic()
            if left <= 0:
                return [*found, "... the search takes too long; name a directory"]
            if _matches(wanted, line, left):
                found.append(f"{name}:{number}: {line.strip()[:200]}")
            if len(found) > FOUND:
                return [*found[:FOUND], f"... only the first {FOUND} are shown"]
    if not too_large:
        return found
    size = f"over {SEARCHED_BYTES // 2**20} MB"
    return [
        *(found or ["nothing matches in the files that were searched"]),
        f"... not searched, as they are {size}: {listed(too_large)}",
    ]


def _written_out(pattern: str) -> int:
    """About how long a pattern is without counts, at most: the counts of groups
    multiply, those of single characters cannot."""
    size, longest = len(pattern), 1
    for group, count in _COUNT.findall(pattern):
        if group:
            size *= max(1, int(count))
        else:
            longest = max(longest, int(count))
    return size * longest


def _matches(wanted: "regex.Pattern[str]", line: str, seconds: float) -> bool:
    try:
        return wanted.search(line[:2_000].rstrip("\n"), timeout=seconds) is not None
    except TimeoutError:
        raise WorkspaceError("that expression takes too long") from None
    except (MemoryError, RecursionError):
        raise WorkspaceError("that expression takes too much memory") from None
