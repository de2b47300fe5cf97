"""Quality gates: checks on a task's result, as CrewAI guardrails.

A result that fails goes back to its agent with the reason.
"""

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from crewai.tasks.task_output import TaskOutput

from crew.errors import WorkspaceError
from crew.workspace import Workspace

Gate = Callable[[TaskOutput], tuple[bool, Any]]

# A block that is never closed counts too: the answer may have broken off.
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)(?:^```|\Z)", re.MULTILINE | re.DOTALL)


def build_gates(names: Sequence[str], workspace: Workspace) -> list[Gate]:
    """The gates of a task."""
    return [_gate(_CHECKS[name], workspace) for name in names]


def _gate(check: Callable[[str, Workspace], str | None], workspace: Workspace) -> Gate:
    def gate(output: TaskOutput) -> tuple[bool, Any]:
        problem = check(output.raw, workspace)
        return (True, output.raw) if problem is None else (False, problem)

    return gate


def _not_empty(text: str, workspace: Workspace) -> str | None:
    return None if text.strip() else "The result is empty."


def _python_parses(text: str, workspace: Workspace) -> str | None:
    """Every Python block of the result, and every Python file that was changed."""
    for name, source in _sources(text, workspace):
        if problem := _python_problem(source):
            return f"{name}{problem}."
    return None


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


_CHECKS: dict[str, Callable[[str, Workspace], str | None]] = {
    "not_empty": _not_empty,
    "python_parses": _python_parses,
    "json_parses": _json_parses,
}
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
