"""The errors that end a run, as CrewAI lets them through: it tries others again."""

from crewai.hooks.dispatch import HookAborted

from crew.calls.current_task import give_up
from crew.calls.stalls import Stalled
from crew.errors import CrewError, CutOff, QuotaExceeded, RunFailed


class QuotaStop(QuotaExceeded, HookAborted):
    """QuotaExceeded as CrewAI lets it through: it retries every other exception."""


class RunStop(RunFailed, HookAborted):
    """RunFailed as CrewAI lets it through."""


def as_stop(error: CrewError) -> Exception:
    """An error in the class that CrewAI passes through instead of trying again."""
    if isinstance(error, QuotaExceeded):
        return QuotaStop(error.closed, role=error.role)
    return RunStop(f"{type(error).__name__}: {error}")


def ends_attempt(error: CrewError, role: str) -> Stalled | None:
    """What ends the attempt of a task alone: an answer for which no deployment has
    room, as of a model that writes on and on. Another step may do it in less."""
    if isinstance(error, CutOff) and give_up(role, str(error)):
        return Stalled(str(error))
    return None
