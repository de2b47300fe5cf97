"""A gate of the user's: a function that judges a result.

`(result: str, workspace) -> str | None` returns why the result goes back, or None.
CrewAI's form `(output: TaskOutput) -> (bool, reason)` works too.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crewai.tasks.task_output import TaskOutput

from crew.errors import TaskFailed
from crew.own.loading import reason


@dataclass(frozen=True, slots=True)
class OwnGate:
    """A gate by its dotted path."""

    name: str
    function: Callable[..., object]

    def judge(self, output: TaskOutput, workspace: Any) -> str | None:
        """Why the result goes back; None: it passes. Raises TaskFailed when the gate
        itself does not work: that is no fault of the model's."""
        given = (output,) if self._takes_output() else (output.raw, workspace)
        try:
            found = self.function(*given)
        except Exception as exc:  # whatever the code of a user does
            raise TaskFailed(f"the gate {self.name} failed: {reason(exc)}") from exc
        match found:
            case None:
                return None
            case str() if found.strip():
                return found
            case (True, value):
                self._check_same(value, output)
                return None
            case (False, value):
                return str(value).strip() or "It did not pass."
        raise TaskFailed(
            f"the gate {self.name} returned {type(found).__name__}, expected a text "
            "(why the result goes back) or None, or CrewAI's (passed, reason)"
        )

    def _takes_output(self) -> bool:
        """Whether it is of CrewAI's form, which has one parameter."""
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):  # a builtin without a signature
            return False
        positional = [
            one
            for one in parameters
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
            and one.default is one.empty
        ]
        return len(positional) == 1 and not any(
            one.kind is one.VAR_POSITIONAL for one in parameters
        )

    def _check_same(self, value: object, output: TaskOutput) -> None:
        same = value is output or value is None or value in (True, "", output.raw)
        if not same:
            raise TaskFailed(
                f"the gate {self.name} returned another result; a gate judges, and "
                "changes nothing: return (True, output.raw)"
            )
