"""Lines of the workspace that match a pattern of a model."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import crew.workspace.ripgrep as ripgrep
from crew.workspace.secrets import listed
from crew.workspace.text import shown

FOUND = 100
_SHOWN_CHARACTERS = 200


def matches(
    pattern: str,
    root: Path,
    directory: Path,
    *,
    above: bool,
    is_readable: Callable[[Path], bool],
) -> list[str]:
    """Lines of readable files below a resolved directory, as `path:line: text`, and a
    last line where that is not all. Raises WorkspaceError."""
    result = ripgrep.lines(pattern, root, directory, above=above, most=FOUND + 1)
    found: list[str] = []
    readable: dict[bytes, bool] = {}
    for path, rest in result.lines:
        if path not in readable:
            readable[path] = is_readable(root / os.fsdecode(path))
        if not readable[path]:
            continue
        if len(found) == FOUND:
            return [*found, f"... only the first {FOUND} are shown"]
        number, _, text = rest.decode("utf-8", errors="replace").partition(":")
        name = shown(os.fsdecode(path))
        found.append(f"{name}:{number}: {text.strip()[:_SHOWN_CHARACTERS]}")
    if not result.complete:
        return [*found, "... the search takes too long; name a directory"]
    if not (large := _too_large(root, directory, above=above)):
        return found
    size = f"over {ripgrep.SEARCHED_BYTES // 2**20} MB"
    return [
        *(found or ["nothing matches in the files that were searched"]),
        f"... not searched, as they are {size}: {listed(large)}",
    ]


def _too_large(root: Path, directory: Path, *, above: bool) -> list[str]:
    names = []
    for path, _ in ripgrep.files(root, directory, above=above).lines:
        with suppress(OSError):  # it is gone
            if (root / os.fsdecode(path)).lstat().st_size > ripgrep.SEARCHED_BYTES:
                names.append(shown(os.fsdecode(path)))
    return names
