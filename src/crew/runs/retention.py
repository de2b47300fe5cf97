"""How long the journal keeps a run: an old one goes, unless somebody needs it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

from crew.clock import Clock
from crew.errors import CrewError, SettingsError
from crew.journal import Journal, RunRecord
from crew.ladder.measuring import REMEMBERED
from crew.runs.cleaning import work_left
from crew.runs.directory import RUNNING, RunDirectory
from crew.settings import Settings

AT_ONCE = 100
"""Runs that are looked at in one step."""
SECONDS = 1.0
"""How long the end of a run takes at most for this."""
_DAY = 86_400.0


@dataclass(slots=True, kw_only=True)
class Removed:
    """What was removed, or would be. `kept` says why a run stays, by its id."""

    runs: int = 0
    calls: int = 0
    kept: dict[str, str] = field(default_factory=dict)


def prune(
    journal: Journal, keep_seconds: float, clock: Clock, *, again_after: float = 0.0
) -> Iterator[Removed]:
    """Remove each run that is older and that nobody needs, in short steps; yields
    what was done so far. A run that was needed is looked at once more after so many
    seconds. Raises StoreUnavailable."""
    done, now = Removed(), clock.now()
    before, table = now - keep_seconds, journal.retention
    checked = now - again_after
    while due := table.due(before, checked=checked, now=now, most=AT_ONCE):
        for run in due:
            try:
                for calls in _remove(journal, run, now):
                    done.calls += calls
                    yield done
                done.runs += 1
            except _Needed as exc:
                table.keep(run.run, now)
                done.kept[run.run] = str(exc)
            yield done
    for _ in table.forget(before, min(before, now - REMEMBERED)):
        yield done
    for _ in table.shrink():
        yield done
    yield done


def survey(journal: Journal, keep_seconds: float, clock: Clock) -> Removed:
    """What `prune` would do now. Raises StoreUnavailable."""
    found, now = Removed(), clock.now()
    before = now - keep_seconds
    for run in journal.retention.due(before, checked=now, now=now, most=-1):
        if reason := _needed(run):
            found.kept[run.run] = reason
        else:
            found.runs += 1
            found.calls += journal.count_calls(run.run)
    return found


def retain(journal: Journal, settings: Settings, clock: Clock) -> None:
    """What the end of a run does of it, within a second or so."""
    if settings.keep_seconds is None:
        return
    until = clock.monotonic() + SECONDS
    with suppress(CrewError):  # the run has ended, whatever becomes of old ones
        for _ in prune(journal, settings.keep_seconds, clock, again_after=_DAY):
            if clock.monotonic() >= until:
                return


class _Needed(Exception):
    """A run must stay; says why."""


def _remove(journal: Journal, run: RunRecord, now: float) -> Iterator[int]:
    if reason := _needed(run):
        raise _Needed(reason)
    try:
        with _held(run):
            yield from journal.retention.remove(run.run, now)
    except SettingsError:
        raise _Needed("it is running") from None


def _held(run: RunRecord) -> AbstractContextManager[None]:
    """Nobody resumes the run meanwhile."""
    directory = RunDirectory(run.output)
    return directory.hold() if directory.is_begun else nullcontext()


def _needed(run: RunRecord) -> str:
    """Why a run must stay; empty where nobody needs it."""
    directory = RunDirectory(run.output)
    if not directory.is_begun:
        return ""
    status = directory.status(run.status)
    if status == RUNNING:
        return "it is running"
    if status != "done":
        return f"it is {status}, and can be resumed"
    if run.rehearsal:
        return ""
    try:
        return next(iter(work_left(directory)), "")
    except CrewError as exc:
        return str(exc)
