"""The errors that end a run, as CrewAI lets them through: it tries others again."""

from crewai.hooks.dispatch import HookAborted

from crew.errors import CrewError, QuotaExceeded, RunFailed


class QuotaStop(QuotaExceeded, HookAborted):
    """QuotaExceeded as CrewAI lets it through: it retries every other exception."""


class RunStop(RunFailed, HookAborted):
    """RunFailed as CrewAI lets it through."""


def as_stop(error: CrewError) -> Exception:
    """An error in the class that CrewAI passes through instead of trying again."""
    if isinstance(error, QuotaExceeded):
        return QuotaStop(error.closed, role=error.role)
    return RunStop(f"{type(error).__name__}: {error}")
