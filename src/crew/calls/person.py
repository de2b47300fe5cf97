"""Whether somebody can answer what a task asks a person (`human_input`)."""

import builtins
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType
from typing import Any

from crew.errors import CrewError


def answerable() -> bool:
    """Whether there is a terminal, or a notebook, which has an `input` of its own."""
    if not isinstance(builtins.input, BuiltinFunctionType):
        return True
    return sys.stdin is not None and sys.stdin.isatty()


def check_answerable(tasks: Iterable[Any]) -> None:
    """CrewAI would find out after it has paid for the answer. Raises CrewError."""
    asking = [str(task.name) for task in tasks if task.human_input]
    if asking and not answerable():
        raise CrewError(
            f"{', '.join(asking)}: human_input asks a person, and nobody can answer: "
            "standard input is no terminal; leave it out"
        )
