"""What the YAML names of one's own is there, and of the right kind; nothing is run."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crew.settings.document import Document, KeyPath
from crew.settings.files import Files, Shapes
from crew.settings.own import CALLBACKS, OUTPUTS
from crew.settings.own_code import Code, NotFound, definition, locate
from crew.settings.own_entries import named, own
from crew.settings.own_values import OwnTool, Server
from crew.settings.schema import TaskShape

Fits = Callable[[Code, ast.stmt], str | None]
"""What keeps a definition from being what is asked for; None: it fits."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_own(files: Files, shapes: Shapes, directory: Path) -> None:
    """Note in the files what cannot be imported, as far as reading it shows."""
    for name, role in shapes.roles.items():
        agents = _Reader(files.agents, directory)
        for index, entry in own(role.tools).items():
            place = (name, "tools", index)
            if isinstance(entry, OwnTool):
                agents.check(place, entry.path, _tool(entry))
            else:
                _check_server(files.agents, place, entry)
        for key, dotted in named(role, CALLBACKS).items():
            agents.check((name, key), dotted, _function)
    for name, task in shapes.tasks.items():
        _check_task(_Reader(files.tasks, directory), name, task)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the code that a file of YAML names."""

    document: Document
    directory: Path

    def check(self, path: KeyPath, dotted: str, fits: Fits) -> None:
        """Note what is wrong with the code of a dotted path."""
        try:
            code = locate(self.directory, dotted)
            found = definition(code)
        except NotFound as exc:
            self.document.reject(path, str(exc))
            return
        if found is not None and (problem := fits(code, found)):
            self.document.reject(path, f"{dotted} {problem}")


def _check_task(tasks: _Reader, name: str, task: TaskShape) -> None:
    for index, gate in enumerate(task.gates):
        if gate.is_own:
            tasks.check((name, "gates", index), gate.name, _gate)
    for key, dotted in named(task, CALLBACKS).items():
        tasks.check((name, key), dotted, _function)
    outputs = named(task, OUTPUTS)
    for key, dotted in outputs.items():
        tasks.check((name, key), dotted, _model)
    if len(outputs) == len(OUTPUTS):
        message = "a task has one form of output; leave it out, or output_pydantic"
        tasks.document.reject((name, "output_json"), message)


def _check_server(document: Document, place: KeyPath, server: Server) -> None:
    at = (*place, "mcp")
    if bool(server.command) == bool(server.url):
        document.reject(at, "expected one of `command` and `url`")
    elif server.url and server.env:
        document.reject((*at, "env"), "does nothing with `url`; use `headers`")
    elif server.command and server.headers:
        document.reject((*at, "headers"), "does nothing with `command`; use `env`")


def _tool(entry: OwnTool) -> Fits:
    def fits(code: Code, found: ast.stmt) -> str | None:
        if len(code.names) > 1:
            return None
        if isinstance(found, _Function):
            if not found.decorator_list:
                return "is a function without @tool (from crewai.tools import tool)"
            if entry.arguments is not None:
                return "is a function, which takes no arguments from the YAML"
        return None

    return fits


def _function(code: Code, found: ast.stmt) -> str | None:
    if isinstance(found, ast.ClassDef) and len(code.names) == 1:
        return "is a class, expected a function"
    return None


def _gate(code: Code, found: ast.stmt) -> str | None:
    if not isinstance(found, _Function) or len(code.names) > 1:
        return _function(code, found)
    if isinstance(found, ast.AsyncFunctionDef):
        return "is asynchronous, expected a plain function"
    given = found.args
    count = len(given.posonlyargs) + len(given.args)
    needed = count - len(given.defaults)
    if needed in (1, 2) or (needed < 1 and given.vararg is not None):
        return None
    return (
        f"takes {needed} arguments, expected (result, workspace), or CrewAI's (output)"
    )


def _model(code: Code, found: ast.stmt) -> str | None:
    if isinstance(found, _Function) and len(code.names) == 1:
        return "is a function, expected a class of pydantic's (BaseModel)"
    return None
