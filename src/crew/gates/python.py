"""The gate on Python: what was written can be parsed."""

import ast
import warnings
from collections.abc import Iterator
from contextlib import suppress

from crew.errors import WorkspaceError
from crew.gates.blocks import blocks
from crew.gates.gate import PASSES, Finding, Work, fails, nothing


def python_parses(work: Work) -> Finding:
    """Every Python block of the result, and every Python file that was changed."""
    found = False
    for name, source in _sources(work):
        found = True
        if problem := _problem(source):
            return fails(f"{name}{problem}.")
    if not found:
        return nothing("no Python in the result or in what was written")
    return PASSES


def _problem(source: bytes) -> str | None:
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


def _sources(work: Work) -> Iterator[tuple[str, bytes]]:
    """Bytes: the parser knows about byte order marks and declared encodings."""
    for name, source in blocks(work.text, "python", "py"):
        yield name, source.encode("utf-8", errors="surrogatepass")
    for name in sorted({*work.workspace.touched(), *(work.changed or ())}):
        if name.endswith(".py"):
            # It may be gone again.
            with suppress(WorkspaceError):
                yield name, work.workspace.content(name)
