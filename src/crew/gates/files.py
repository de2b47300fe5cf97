"""Gates on the files of the workspace: changed, and there."""

import re
from collections.abc import Sequence
from contextlib import suppress

from crew.errors import WorkspaceError
from crew.gates.blocks import prose
from crew.gates.gate import PASSES, Finding, Work, fails, nothing
from crew.texts.named_paths import ENDING, named_paths
from crew.workspace import Workspace

# As people write a path in Markdown: `src/shop/orders.py`.
_PATH = re.compile(
    r"(?<!`)`((?:[\w.@+-]+/)+[\w@+-][\w.@+-]*\.[A-Za-z]\w{0,5}"
    rf"|[\w@+-][\w.@+-]*{ENDING})`(?!`)"
)


def changed(work: Work) -> Finding:
    """A file of the workspace differs from how it stood when the task began."""
    if work.changed is None:
        return nothing("the task was executed outside of its crew")
    if work.changed:
        return PASSES
    return fails(
        "No file was changed. Text about a change does not make it: write the file "
        "itself, in the form that you were told for it. Then answer."
    )


def files_exist(work: Work) -> Finding:
    """Every path that the result names in backquotes is in the workspace."""
    named = _PATH.findall(prose(work.text))
    if not named:
        return nothing("no path in backquotes")
    return _all_there(named, work.workspace)


def asked_files(work: Work) -> Finding:
    """Every file that the task's text names is in the workspace."""
    named = named_paths(work.asked)
    if not named:
        return nothing("the task names no file")
    return _all_there(named, work.workspace)


def _all_there(named: Sequence[str], workspace: Workspace) -> Finding:
    missing = [path for path in dict.fromkeys(named) if not _exists(path, workspace)]
    if not missing:
        return PASSES
    return fails(f"These files are not in the workspace: {', '.join(missing[:10])}.")


def _exists(path: str, workspace: Workspace) -> bool:
    """In the workspace, or below one of its repositories."""
    for place in (path, *(f"{name}/{path}" for name in workspace.names)):
        with suppress(WorkspaceError, OSError):
            if workspace.resolve(place).exists():
                return True
    return False
