"""Which runs there are, and which one a person means."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from crew.errors import Mistake, SettingsError
from crew.journal import RunRecord
from crew.runs.directory import RunDirectory

_EVERY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """One run. What its directory says is empty, or None, when that is gone or the
    run has not ended. `proved` counts those of its `tasks` that a check proved.
    `started_at` is in seconds since the epoch."""

    run: str
    status: str
    rehearsal: bool
    started_at: float
    directory: RunDirectory
    request: str = ""
    repositories: tuple[str, ...] = ()
    files: int | None = None
    tasks: int | None = None
    proved: int | None = None
    seconds: float | None = None
    cost_usd: float | None = None

    @property
    def is_there(self) -> bool:
        """Whether the files of the run are there."""
        return self.directory.is_begun

    def document(self) -> dict[str, object]:
        """The run as JSON."""
        return {
            "run": self.run,
            "status": self.status,
            "rehearsal": self.rehearsal,
            "started_at": moment(self.started_at),
            "seconds": self.seconds,
            "request": self.request or None,
            "repositories": list(self.repositories),
            "files": self.files,
            "tasks": self.tasks,
            "proved": self.proved,
            "cost_usd": self.cost_usd,
            "output": str(self.directory.path) if self.is_there else None,
        }


def moment(at: float) -> str:
    """A time for a document."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def listed(records: Iterable[RunRecord], output: Path) -> list[ListedRun]:
    """All runs of the journal, and those below `output` that it does not know, newest
    first."""
    runs = [_of_journal(record) for record in records]
    known = {run.run for run in runs}
    for path in output.glob("*/inputs.json") if output.is_dir() else ():
        if path.parent.name not in known:
            runs.append(_of_directory(RunDirectory(path.parent.absolute())))
    return sorted(runs, key=lambda run: (run.started_at, run.run), reverse=True)


def pick(runs: Sequence[ListedRun], text: str | None) -> ListedRun:
    """The run that a person means: the latest whose files are there, or the one whose
    id begins or ends so. Raises SettingsError."""
    if text is None:
        found = next((run for run in runs if run.is_there), None)
        if found is None:
            raise _mistake("there is no run yet whose files are here")
        return found
    for matches in (str.__eq__, str.startswith, str.endswith):
        fitting = [run for run in runs if matches(run.run, text) is True]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(run.run for run in fitting[:5])
            raise _mistake(f"{text!r} may be any of {len(fitting)} runs: {names}")
    near = get_close_matches(text, [run.run for run in runs], n=1, cutoff=0.5)
    latest = f"; the latest is {runs[0].run}" if runs else "; there are none"
    hint = f"; did you mean {near[0]}?" if near else latest
    raise _mistake(f"no run {text!r}{hint}")


def _of_journal(record: RunRecord) -> ListedRun:
    directory = RunDirectory(record.output)
    known = _facts(directory) if directory.is_begun else {}
    return ListedRun(
        run=record.run,
        status=directory.status(record.status),
        rehearsal=record.rehearsal,
        started_at=record.started_at,
        directory=directory,
        **known,
    )


def _of_directory(directory: RunDirectory) -> ListedRun:
    document = _document(directory)
    rehearsal = False
    with suppress(SettingsError):
        rehearsal = directory.beginning().rehearsal
    return ListedRun(
        run=directory.run,
        status=directory.status(str(document.get("status", "running"))),
        rehearsal=rehearsal,
        started_at=(directory.path / "inputs.json").stat().st_mtime,
        directory=directory,
        **_facts(directory),
    )


def _facts(directory: RunDirectory) -> dict[str, Any]:
    document = _document(directory)
    request = ""
    repositories: tuple[str, ...] = ()
    with suppress(SettingsError):
        inputs = directory.beginning().inputs
        request, repositories = inputs.request, inputs.repositories
    tasks = document.get("tasks")
    changed = (document.get("workspace") or {}).get("repositories")
    return {
        "request": request,
        "repositories": tuple(str(Path(one).resolve()) for one in repositories),
        "files": None if changed is None else sum(one["files"] for one in changed),
        "tasks": None if tasks is None else len(tasks),
        "proved": None
        if tasks is None
        else sum(one["status"] == "proved" for one in tasks),
        "seconds": document.get("seconds"),
        "cost_usd": document.get("cost_usd"),
    }


def _document(directory: RunDirectory) -> Mapping[str, Any]:
    with suppress(OSError, json.JSONDecodeError, UnicodeDecodeError):
        return directory.document() or {}
    return {}


def _mistake(message: str) -> SettingsError:
    return SettingsError(
        [Mistake(file="arguments", line=None, key="RUN", message=message)]
    )
