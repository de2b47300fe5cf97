"""Tools that run something: the user's checks by name, and programs of an allow-list.

No text of a model's becomes a command: a check's text is the user's, and a program
gets its arguments one by one, without a shell. Both run in the sandbox.
"""

from collections.abc import Callable, Sequence
from typing import Any

from crewai.tools import BaseTool
from pydantic import BaseModel, Field, PrivateAttr

from crew.checks import CheckResult, Checks
from crew.errors import WorkspaceError
from crew.sandbox.job import Ended
from crew.settings.environment import is_text

SHOWN = 6_000
"""Characters of an answer."""
_WORDS = 200
_WORD_CHARACTERS = 20_000


class _Selection(BaseModel):
    names: list[str] = Field(
        default_factory=list, description="Which checks; none for all of them."
    )
    paths: list[str] = Field(
        default_factory=list,
        description="Files or directories to check, relative to the workspace; none "
        "for everything.",
    )


class _Program(BaseModel):
    command: list[str] = Field(
        description='The program and its arguments, such as ["python", "main.py"]. '
        "There is no shell: no pipes, no redirection, no &&."
    )
    repository: str = Field("", description="Where to run it: a repository's name.")


def _never(*_: object) -> bool:
    """CrewAI would repeat a tool's earlier result; files change."""
    return False


class _CheckTool(BaseTool):
    """A tool that runs something. What a model did wrong comes back to it as text."""

    cache_function: Callable[..., bool] = _never
    _checks: Checks | None = PrivateAttr(None)
    _programs: tuple[str, ...] = PrivateAttr(())

    def _run(self, *args: Any, **kwargs: Any) -> str:
        try:
            if self._checks is None:
                return "Error: there is nothing to run here"
            return self.answer(self._checks, *args, **kwargs)[:SHOWN]
        except WorkspaceError as exc:
            return f"Error: {exc}"

    def answer(self, checks: Checks, *args: Any, **kwargs: Any) -> str:
        """The result for the model. Raises WorkspaceError."""
        raise NotImplementedError


class RunChecks(_CheckTool):
    """The user's checks, by name."""

    name: str = "run_checks"
    description: str = (
        "Run the project's checks, such as its tests, and see what fails."
    )
    args_schema: type[BaseModel] = _Selection

    def answer(
        self, checks: Checks, names: Sequence[str] = (), paths: Sequence[str] = ()
    ) -> str:
        wanted = list(dict.fromkeys(names or checks.names))
        if not wanted:
            return "there are no checks"
        return "\n\n".join(_line(checks.run(name, paths=paths)) for name in wanted)


class RunCommand(_CheckTool):
    """A program that the user allows this role."""

    name: str = "run_command"
    description: str = "Run a program in a repository, without network."
    args_schema: type[BaseModel] = _Program

    def answer(
        self, checks: Checks, command: Sequence[str], repository: str = ""
    ) -> str:
        allowed = ", ".join(self._programs) or "none"
        if not command or command[0] not in self._programs:
            named = repr(command[0]) if command else "nothing"
            raise WorkspaceError(f"{named} is not allowed; allowed: {allowed}")
        if len(command) > _WORDS or sum(map(len, command)) > _WORD_CHARACTERS:
            raise WorkspaceError("that command is too long")
        if any("\0" in word or not is_text(word) for word in command):
            raise WorkspaceError("that is no command: it is not text")
        return _ended(checks.command(command, repository))


def check_tool(name: str, checks: Checks | None, programs: Sequence[str]) -> BaseTool:
    """The tool of this name, one of CHECK_TOOL_NAMES."""
    tool = _TOOLS[name]()  # type: ignore[call-arg]  # each has its name and text
    tool._checks = checks
    tool._programs = tuple(programs)
    if isinstance(tool, RunCommand):
        tool.description += f" Programs: {', '.join(programs)}."
    elif checks is not None:
        tool.description += f" Checks: {', '.join(checks.names) or 'none'}."
    return tool


_TOOLS: dict[str, type[_CheckTool]] = {
    "run_checks": RunChecks,
    "run_command": RunCommand,
}
CHECK_TOOL_NAMES = tuple(_TOOLS)


def _line(result: CheckResult) -> str:
    doubts = [f"But {one}" for one in result.doubts]
    if result.passed:
        return "\n".join([f"{result.name}: passed", *doubts])
    lines = [f"{result.name}: failed", result.reason]
    if result.failing_before:
        known = ", ".join(result.failing_before[:5])
        lines.append(f"These failed before you began, too: {known}")
    return "\n".join([*lines, *doubts])


def _ended(ended: Ended) -> str:
    return ended.output or ("it printed nothing" if ended.passed else "it failed")
