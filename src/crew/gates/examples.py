"""The gate that executes examples: those of docstrings and documents that were changed,
and the Python blocks of the result."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from crew.errors import RunFailed, WorkspaceError
from crew.gates.blocks import blocks
from crew.gates.checks import Checks, Ended
from crew.gates.gate import PASSES, Finding, Look, Work, fails, nothing

_LACKS = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_MOST = 50
"""Examples that are executed."""
_DOCUMENTS = (".md", ".rst", ".txt")
_PLACE = "import sys; sys.path[:0] = ['.', 'src']\n"
_DOCTEST = (
    _PLACE + "import doctest, importlib.util\n"
    "path = {path!r}\n"
    "if path.endswith('.py'):\n"
    "    spec = importlib.util.spec_from_file_location('examples', path)\n"
    "    module = importlib.util.module_from_spec(spec)\n"
    "    sys.modules['examples'] = module\n"
    "    spec.loader.exec_module(module)\n"
    "    found = doctest.testmod(module)\n"
    "else:\n"
    "    found = doctest.testfile(path, module_relative=False, encoding='utf-8')\n"
    "sys.exit(bool(found.failed))\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    """A program that executes examples of one place."""

    name: str
    repository: str
    source: str


def examples(checks: Checks | None) -> Look:
    """Every example is executed in the sandbox, and does what it says."""

    def look(work: Work) -> Finding:
        found = list(_examples(work))[:_MOST]
        if checks is None or not found:
            return nothing("no example in what was changed or in the result")
        lacking = ""
        for one in found:
            ended = _executed(checks, one)
            if not ended.passed and (module := _LACKS.search(ended.output)):
                lacking = f"{one.name} needs {module[1]}, which is not installed"
                continue
            if ended.by == "interrupted":
                raise RunFailed("interrupted")
            if ended.by == "refused":  # the work is not at fault
                return nothing(f"no example can be executed: {ended.output}")
            if not ended.passed:
                return fails(f"The examples of {one.name} failed.\n{ended.output}")
        # An example that cannot run here proves nothing, and is not at fault.
        return nothing(lacking) if lacking else PASSES

    return look


def _executed(checks: Checks, example: _Example) -> Ended:
    return checks.command(["python3", "-c", example.source], example.repository)


def _examples(work: Work) -> Iterator[_Example]:
    names = {one.partition("/")[0] for one in work.workspace.names}
    for path in work.changed or ():
        if not path.endswith((".py", *_DOCUMENTS)):
            continue
        with suppress(WorkspaceError):
            text = work.workspace.content(path).decode("utf-8", errors="replace")
            top, _, rest = path.partition("/")
            inside = (top, rest) if top in names else ("", path)
            yield from _of_file(path, *inside, text)
    only = min(names) if len(names) == 1 else ""
    for name, source in blocks(work.text, "python", "py"):
        yield _of_block(name, only, source)


def _of_file(name: str, repository: str, path: str, text: str) -> Iterator[_Example]:
    if ">>> " in text:
        source = _DOCTEST.format(path=path)
        yield _Example(name=name, repository=repository, source=source)
    if path.endswith(_DOCUMENTS):
        for block, source in blocks(text, "python", "py"):
            if ">>> " not in source:  # else it was executed with its file
                where = f"{name}, {block.removesuffix(' of the result')}"
                yield _of_block(where, repository, source)


def _of_block(name: str, repository: str, source: str) -> _Example:
    if ">>> " in source:
        source = (
            "import doctest\n"
            f"test = doctest.DocTestParser().get_doctest({source!r}, {{}}, 'example', "
            "None, 0)\n"
            "runner = doctest.DocTestRunner()\n"
            "runner.run(test)\n"
            "sys.exit(bool(runner.failures))\n"
        )
    return _Example(name=name, repository=repository, source=_PLACE + source)
