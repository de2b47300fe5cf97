"""The files that a task's text names, as they are when an attempt begins."""

import re
from contextlib import suppress

from crew.calls.whole_files import NamedFile
from crew.errors import WorkspaceError
from crew.texts.named_paths import named_paths
from crew.tools.place import meant
from crew.workspace import Workspace

_TEST = re.compile(
    r"(?:^|/)tests?/|(?:^|/)test_|[._](?:test|spec)s?\.\w+$", re.IGNORECASE
)
_MOST, _CHARACTERS = 8, 6_000
"""How many files are looked at, and how much of them is shown together."""


def named(workspace: Workspace, asked: str) -> tuple[NamedFile, ...]:
    """The files that a task's text names; their content as far as it may be read and
    is short enough."""
    found, room = [], _CHARACTERS
    for path in named_paths(asked)[:_MOST]:
        content = _content(workspace, path)
        is_hidden = content is None and _is_there(workspace, path)
        if content is not None and len(content) > room:
            content, is_hidden = None, True
        room -= len(content or "")
        is_test = _TEST.search(path) is not None
        found.append(
            NamedFile(path=path, content=content, is_test=is_test, is_hidden=is_hidden)
        )
    return tuple(found)


def _content(workspace: Workspace, path: str) -> str | None:
    with suppress(WorkspaceError, OSError, UnicodeDecodeError):
        raw = workspace.content(meant(workspace, path), limit=_CHARACTERS * 4 + 1)
        return raw.decode() if len(raw) <= _CHARACTERS * 4 else None
    return None


def _is_there(workspace: Workspace, path: str) -> bool:
    with suppress(WorkspaceError, OSError):
        return workspace.resolve(meant(workspace, path)).exists()
    return True
