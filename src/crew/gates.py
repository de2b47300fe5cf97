"""Quality gates: checks on a task's result, as CrewAI guardrails.

A result that fails goes back to its agent with the reason. A gate that finds nothing
to look at reports it: that is no failure, and does not count as passed either.
"""

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crewai.tasks.task_output import TaskOutput

from crew.errors import WorkspaceError
from crew.workspace import Workspace

Gate = Callable[[TaskOutput], tuple[bool, Any]]

# A block that is never closed counts too: the answer may have broken off.
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)(?:^```|\Z)", re.MULTILINE | re.DOTALL)
# As people write a path in Markdown: `src/shop/orders.py`. Without a directory only
# endings that no name of code has: `orders.list` is none.
_ENDING = (
    r"\.(?:py|md|txt|toml|ya?ml|json|[jt]sx?|html|css|sh|cfg|ini|rst"
    r"|go|rs|java|rb|php|sql|csv|xml)"
)
_PATH = re.compile(
    r"(?<!`)`((?:[\w.@+-]+/)+[\w@+-][\w.@+-]*\.[A-Za-z]\w{0,5}"
    rf"|[\w@+-][\w.@+-]*{_ENDING})`(?!`)"
)
# As people write one in a request, without backquotes. `Node.js` and its like are
# names, and what follows `://` is an address.
_ASKED = re.compile(
    rf"(?<![\w./@:+-])(?![A-Z]\w*\.js\b)((?:[\w.@+-]+/)*[\w@+-][\w.@+-]*?{_ENDING})"
    r"(?![\w/-]|\.\w)"
)


@dataclass(frozen=True, slots=True)
class Nothing:
    """What a gate finds that had nothing to look at. `reason` says what was missing."""

    reason: str


Verdict = str | Nothing | None
"""Why a result goes back, or that there was nothing to look at; None: it passes."""


def build_gates(names: Sequence[str], workspace: Workspace) -> list[Gate]:
    """The gates of a task."""
    return [_gate(name, workspace) for name in names]


def judge(name: str, text: str, workspace: Workspace, *, asked: str = "") -> Verdict:
    """What the gate of this name makes of a result; `asked` is the task's text."""
    return _CHECKS[name](asked if name in _OF_THE_TASK else text, workspace)


def _gate(name: str, workspace: Workspace) -> Gate:
    def gate(output: TaskOutput) -> tuple[bool, Any]:
        verdict = judge(name, output.raw, workspace, asked=output.description)
        return (False, verdict) if isinstance(verdict, str) else (True, output.raw)

    return gate


def _not_empty(text: str, workspace: Workspace) -> str | None:
    return None if text.strip() else "The result is empty."


def _python_parses(text: str, workspace: Workspace) -> Verdict:
    """Every Python block of the result, and every Python file that was changed."""
    found = False
    for name, source in _sources(text, workspace):
        found = True
        if problem := _python_problem(source):
            return f"{name}{problem}."
    return None if found else Nothing("no Python in the result or in what was written")


def _python_problem(source: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            # An odd escape in a string is no reason to write on the terminal.
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as exc:
        return f", line {exc.lineno}: this is not Python: {exc.msg}"
    except ValueError as exc:
        return f": this is not Python: {exc}"
    except (RecursionError, MemoryError):  # what the parser raises for deep nesting
        return ": this is nested too deeply to be parsed"
    return None


def _json_parses(text: str, workspace: Workspace) -> str | None:
    blocks = [source for _, source in _blocks(text, "json")] or [text]
    try:
        for source in blocks:
            json.loads(source, parse_constant=_refuse)
    except ValueError as exc:
        return f"The result is not JSON: {exc}."
    except RecursionError:
        return "The result is not JSON that can be used: it is nested too deeply."
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _files_exist(text: str, workspace: Workspace) -> Verdict:
    """Every path that the result names in backquotes is in the workspace."""
    named = _PATH.findall(_BLOCK.sub("", text))
    return _all_there(named, workspace) if named else Nothing("no path in backquotes")


def _asked_files(text: str, workspace: Workspace) -> Verdict:
    """Every file that the task's text names is in the workspace."""
    named = _ASKED.findall(text)
    return _all_there(named, workspace) if named else Nothing("the task names no file")


def _all_there(named: Sequence[str], workspace: Workspace) -> str | None:
    missing = [path for path in dict.fromkeys(named) if not _exists(path, workspace)]
    if not missing:
        return None
    return f"These files are not in the workspace: {', '.join(missing[:10])}."


def _exists(path: str, workspace: Workspace) -> bool:
    """In the workspace, or below one of its repositories."""
    for place in (path, *(f"{name}/{path}" for name in workspace.names)):
        with suppress(WorkspaceError, OSError):
            if workspace.resolve(place).exists():
                return True
    return False


_CHECKS: dict[str, Callable[[str, Workspace], Verdict]] = {
    "not_empty": _not_empty,
    "python_parses": _python_parses,
    "json_parses": _json_parses,
    "files_exist": _files_exist,
    "asked_files": _asked_files,
}
_OF_THE_TASK = frozenset({"asked_files"})
"""The gates that read the task's text in place of its result."""
GATE_NAMES = tuple(_CHECKS)


def _blocks(text: str, *languages: str) -> Iterator[tuple[str, str]]:
    for number, (language, source) in enumerate(_BLOCK.findall(text), 1):
        if language.lower() in languages:
            yield f"code block {number} of the result", source


def _sources(text: str, workspace: Workspace) -> Iterator[tuple[str, bytes]]:
    """Bytes: the parser knows about byte order marks and declared encodings."""
    for name, source in _blocks(text, "python", "py"):
        yield name, source.encode("utf-8", errors="surrogatepass")
    for name in workspace.touched():
        if name.endswith(".py"):
            # It may be gone again.
            with suppress(WorkspaceError):
                yield name, workspace.content(name)
