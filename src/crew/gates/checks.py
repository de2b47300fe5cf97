"""The gates that run the user's checks: the strongest that there are."""

import re
from collections.abc import Sequence
from typing import Protocol

from crew.errors import RunFailed
from crew.gates.gate import (
    REASON_CHARACTERS,
    Finding,
    Found,
    Look,
    Work,
    fails,
    nothing,
)

_LISTED, _SHORTEST = 5, 5
"""Tests that a reason names, and characters of a name that no other text has."""


class Result(Protocol):
    """How one check ended. `ended_by` is "exit", or what ended it; "refused" where it
    did not start. `broke` are the tests that the run broke, and
    `failing_before` those that failed before it; both are empty where nobody knows.
    `doubts` says why it proves less than it seems to."""

    @property
    def name(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def ended_by(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def broke(self) -> Sequence[str]: ...
    @property
    def failing_before(self) -> Sequence[str]: ...
    @property
    def doubts(self) -> Sequence[str]: ...


class Ended(Protocol):
    """How a command of ours ended; `by` as in `Result.ended_by`."""

    @property
    def passed(self) -> bool: ...
    @property
    def by(self) -> str: ...
    @property
    def output(self) -> str: ...


class Checks(Protocol):
    """The checks of a run, which run in the sandbox."""

    @property
    def names(self) -> Sequence[str]: ...
    def run(self, name: str) -> Result: ...
    def command(self, argv: Sequence[str], repository: str = "") -> Ended: ...


def all_checks(checks: Checks | None) -> Look:
    """Every check that the user named passes."""

    def look(work: Work) -> Finding:
        names = checks.names if checks is not None else ()
        if checks is None or not names:
            return nothing("no check is configured; name one under `checks`")
        return _run(checks, names, work.asked)

    return look


def one_check(name: str, checks: Checks | None) -> Look:
    """The check of this name passes."""

    def look(work: Work) -> Finding:
        if checks is None or name not in checks.names:
            return nothing(f"there is no check {name!r}")
        return _run(checks, [name], work.asked)

    return look


def _run(checks: Checks, names: Sequence[str], asked: str) -> Finding:
    notes, proved, doubted = [], False, False
    for name in names:
        result = checks.run(name)
        if result.doubts:  # another check that passes is no answer to these
            doubted = True
            notes.append(f"{name}: {'; '.join(result.doubts)}")
        if result.passed:
            proved = True
            continue
        if result.ended_by == "interrupted":
            raise RunFailed("interrupted")
        if result.ended_by == "refused":  # the work is not at fault
            return nothing(f"the check {name} cannot run: {result.reason}")
        if not _is_old(result, asked):
            told = "\n".join([result.reason, *result.doubts])
            return fails(f"The check {name} failed.\n{told}")
        old = ", ".join(list(result.failing_before)[:_LISTED])
        notes.append(f"{name}: nothing fails but what failed before this run: {old}")
    # A check that does not pass proves nothing, whoever is at fault; others may.
    found = Found.PASSED if proved and not doubted else Found.NOTHING
    return Finding(found, "; ".join(notes)[:REASON_CHARACTERS])


def _is_old(result: Result, asked: str) -> bool:
    """Whether all that fails failed before the run, and the task is not to mend it."""
    if result.broke or not result.failing_before:
        return False
    return not any(part in asked for one in result.failing_before for part in _of(one))


def _of(test: str) -> list[str]:
    """What a person calls a test, by its id: its file, or its name."""
    path, _, name = test.rpartition("::")
    last = re.split(r"[.\s]", name)[-1].partition("[")[0]
    return [one for one in (path.rpartition(": ")[2], last) if len(one) > _SHORTEST]
