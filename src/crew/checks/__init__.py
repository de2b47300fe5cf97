"""The commands that the user wrote to prove a run's work: run, read, compared."""

from crew.checks.checks import Checks
from crew.checks.result import CheckResult

__all__ = ["CheckResult", "Checks"]
