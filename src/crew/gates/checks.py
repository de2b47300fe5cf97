"""The gates that run the user's checks: the strongest that there are."""

from collections.abc import Sequence
from typing import Protocol

from crew.gates.gate import PASSES, Finding, Found, Look, Work, fails, nothing


class Result(Protocol):
    """How one check ended. `broke` are the tests that the run broke, and
    `failing_before` those that failed before it; both are empty where nobody knows."""

    @property
    def name(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def broke(self) -> Sequence[str]: ...
    @property
    def failing_before(self) -> Sequence[str]: ...


class Checks(Protocol):
    """The checks of a run, which run in the sandbox."""

    @property
    def names(self) -> Sequence[str]: ...
    def run(self, name: str) -> Result: ...


def all_checks(checks: Checks | None) -> Look:
    """Every check that the user named passes."""

    def look(work: Work) -> Finding:
        names = checks.names if checks is not None else ()
        if checks is None or not names:
            return nothing("no check is configured; name one under `checks`")
        return _run(checks, names)

    return look


def one_check(name: str, checks: Checks | None) -> Look:
    """The check of this name passes."""

    def look(work: Work) -> Finding:
        if checks is None or name not in checks.names:
            return nothing(f"there is no check {name!r}")
        return _run(checks, [name])

    return look


def _run(checks: Checks, names: Sequence[str]) -> Finding:
    notes = []
    for name in names:
        result = checks.run(name)
        if not result.passed and not _is_old(result):
            return fails(f"The check {name} failed.\n{result.reason}")
        if not result.passed:
            old = ", ".join(list(result.failing_before)[:5])
            notes.append(f"{name}: only what failed before this run fails: {old}")
    return Finding(Found.PASSED, "; ".join(notes)) if notes else PASSES


def _is_old(result: Result) -> bool:
    """Whether all that fails failed before the run."""
    return bool(result.failing_before) and not result.broke
