"""The runs: those at work, and those that ended, each with its tasks."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

from crew.errors import SettingsError
from crew.journal import Journal, Part, RunRecord, Sums, TaskRecord
from crew.progress.board import Board, TaskRow
from crew.progress.log import LogReader
from crew.progress.progress import one_line
from crew.runs.directory import RUNNING, RunDirectory
from crew.ui.sources import Sources

SHOWN = 40
"""How many of the latest runs are on the page."""
UNENDED = 100
"""How many of the runs without an end are asked whether they work."""
_LONGEST = 400


@dataclass(slots=True)
class _Followed:
    """A run at work: its board, up to the last event. `begun` is when its seconds
    began to count."""

    log: LogReader
    board: Board = field(default_factory=Board)
    begun: float = 0.0

    def catch_up(self) -> None:
        with suppress(OSError):  # a script's own crew has no log
            for event in self.log.new():
                self.board.take(event)
                self.begun = event.at.timestamp() - event.so_far.seconds


@dataclass(slots=True)
class Runs:
    """Keeps what it knows of runs that ended, and follows those at work."""

    sources: Sources
    _followed: dict[str, _Followed] = field(default_factory=dict)
    _ended: dict[str, tuple[object, dict[str, object]]] = field(default_factory=dict)

    def at_work(self) -> dict[str, object]:
        """The runs that work now, the latest first."""
        with self.sources.journal() as journal:
            found = {} if journal is None else self._working(journal)
            self._followed = {
                run: one for run, one in self._followed.items() if run in found
            }
            if journal is None:
                return {"runs": []}
            return {"runs": [self._live(journal, one) for one in found.values()]}

    def ended(self) -> dict[str, object]:
        """The latest runs that do not work now, the latest first."""
        with self.sources.journal() as journal:
            if journal is None:
                return {"runs": [], "most": SHOWN}
            working = self._working(journal)
            records = [
                one
                for one in journal.runs(limit=SHOWN + len(working))
                if one.run not in working
            ]
            documents = [self._past(journal, one) for one in records[:SHOWN]]
        kept = {one.run for one in records}
        self._ended = {run: one for run, one in self._ended.items() if run in kept}
        return {"runs": documents, "most": SHOWN}

    def waits(self) -> list[dict[str, object]]:
        """The roles that wait for a deployment, by the last look at the runs."""
        return [
            wait
            for run, one in self._followed.items()
            for wait in _waits(run, one.board)
        ]

    def count(self) -> int:
        """How many runs work now."""
        with self.sources.journal() as journal:
            return 0 if journal is None else len(self._working(journal))

    def _working(self, journal: Journal) -> dict[str, RunRecord]:
        return {
            one.run: one
            for one in journal.unended_runs()[:UNENDED]
            if RunDirectory(one.output).status(one.status) == RUNNING
        }

    def _live(self, journal: Journal, record: RunRecord) -> dict[str, object]:
        directory = RunDirectory(record.output)
        if record.run not in self._followed:
            self._followed[record.run] = _Followed(LogReader(directory.events))
        followed = self._followed[record.run]
        followed.catch_up()
        board, parts = followed.board, journal.parts(record.run)
        return {
            **_head(record, directory, parts),
            "request": board.request or _request(directory),
            "tasks": _tasks(parts, journal.tasks(record.run), followed),
            "waits": _waits(record.run, board),
        }

    def _past(self, journal: Journal, record: RunRecord) -> dict[str, object]:
        # A killed run gets rows for the calls that it left open.
        state = record, journal.count_calls(record.run)
        known = self._ended.get(record.run)
        if known is not None and known[0] == state:
            return known[1]
        directory, parts = RunDirectory(record.output), journal.parts(record.run)
        status = directory.status(record.status)
        document = {
            **_head(replace(record, status=status), directory, parts),
            "request": _request(directory),
            "tasks": _tasks(parts, journal.tasks(record.run), None),
            "why": _problem(directory) if status != "done" else "",
        }
        self._ended[record.run] = (state, document)
        return document


def _head(
    record: RunRecord, directory: RunDirectory, parts: Sequence[Part]
) -> dict[str, object]:
    sums = _summed(parts)
    senior = None if sums.unknown_seniors else sums.senior_usd
    saved = 1 - sums.usd / senior if senior else None
    end = record.finished_at
    return {
        "run": record.run,
        "status": record.status,
        "rehearsal": record.rehearsal,
        "started_at": record.started_at,
        "seconds": None if end is None else round(end - record.started_at, 1),
        **_figures(sums),
        "senior_usd": None if senior is None else round(senior, 9),
        "saved": None if sums.unknown_costs else saved,
        "deployments": list(dict.fromkeys(one.deployment for one in parts)),
        "roles": list(dict.fromkeys(one.role for one in parts)),
    }


def _figures(sums: Sums) -> dict[str, object]:
    return {
        "calls": sums.calls,
        "failed": sums.failed,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "usd": round(sums.usd, 9),
        "unknown_costs": sums.unknown_costs,
    }


def _summed(parts: Sequence[Part]) -> Sums:
    return reduce(add, (one.sums for one in parts), Sums())


def _tasks(
    parts: Sequence[Part], ended: Sequence[TaskRecord], followed: _Followed | None
) -> list[dict[str, object]]:
    """The tasks in their order; the calls of a manager between them come last."""
    rows: Mapping[str, TaskRow] = followed.board.tasks if followed else {}
    statuses = {one.name: one for one in ended}
    names: dict[str | None, None] = dict.fromkeys(rows)
    names |= dict.fromkeys(statuses)
    names |= dict.fromkeys(one.task for one in parts if one.task is not None)
    if any(one.task is None for one in parts):
        names[None] = None
    return [
        _task(
            name,
            [one for one in parts if one.task == name],
            statuses.get(name or ""),
            rows.get(name or ""),
            followed.begun if followed else 0.0,
        )
        for name in names
    ]


def _task(
    name: str | None,
    parts: Sequence[Part],
    ended: TaskRecord | None,
    row: TaskRow | None,
    begun: float,
) -> dict[str, object]:
    reasons = [one.reason for one in parts if one.reason]
    roles = list(dict.fromkeys(one.role for one in parts))
    deployments = list(dict.fromkeys(one.deployment for one in parts))
    document: dict[str, object] = {
        "name": name,
        "state": ended.status if ended else "",
        "role": (ended.agent if ended else "") or ", ".join(roles),
        "deployments": deployments,
        "why": one_line(reasons[-1], _LONGEST) if reasons else "",
        **_figures(_summed(parts)),
    }
    if row is None:
        return document
    began = begun + row.began if row.began is not None else None
    return document | {
        "state": row.state,
        "role": row.role or document["role"],
        "deployments": deployments or ([row.deployment] if row.deployment else []),
        "doing": one_line(row.doing, _LONGEST),
        "attempt": row.attempt,
        "step": row.step,
        "checks": dict(row.checks),
        "began_at": began if row.is_at_work else None,
        "seconds": row.seconds,
    }


def _waits(run: str, board: Board) -> list[dict[str, object]]:
    return [
        {
            "run": run,
            "role": wait.role,
            "deployment": wait.deployment,
            "until": wait.until.timestamp(),
            "reason": wait.reason,
        }
        for wait in board.waits.values()
    ]


def _request(directory: RunDirectory) -> str:
    with suppress(SettingsError):
        return one_line(directory.beginning().inputs.request, _LONGEST)
    return ""


def _problem(directory: RunDirectory) -> str:
    """Why a run is not done, as far as its record says."""
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        # It may be gone, torn, or somebody's own.
        document = directory.document() or {}
        failures = document.get("failures") or []
        reasons = [str(one["reason"]) for one in failures if one.get("reason")]
        said = document.get("error") or (reasons[0] if reasons else "")
        return one_line(str(said), _LONGEST)
    return ""
