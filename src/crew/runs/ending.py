"""How a run ends: by itself, by an error, or because somebody interrupts it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any

from crew.calls.run import Run
from crew.errors import (
    BadRequest,
    CrewError,
    Interrupted,
    ProviderError,
    QuotaExceeded,
    RunFailed,
    StoreUnavailable,
    TaskFailed,
    WorkspaceError,
    file_problem,
)
from crew.journal import RunRecord
from crew.quota.store import PoolState
from crew.reports.about import About, versions
from crew.reports.document import run_document
from crew.reports.report import RunReport, build_report
from crew.runs.announcing import announce_end
from crew.runs.directory import INTERRUPTED, RunDirectory
from crew.runs.experiments import news
from crew.runs.keeping import Keeping
from crew.runs.messages import NO_TRAILERS, Trailers, commit_message
from crew.runs.rehearsal import NOTICE
from crew.workspace import Workspace

LET_GO_SECONDS = 10.0
"""How long an interrupted run takes at most to commit its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. `raw` is the crew's final text, empty when there is none;
    `document` is what `output/<run>/run.json` holds."""

    run_id: str
    status: str
    raw: str
    error: CrewError | None
    report: RunReport
    document: Mapping[str, Any]
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """A run that is worked on, and how it comes to its end."""

    run: Run
    workspace: Workspace
    directory: RunDirectory
    keeping: Keeping
    request: str
    """What was asked for, without secrets."""
    began: float
    """When this part of the run began, by the monotonic clock."""
    verdicts: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """What each gate found, by task."""

    def commit(self, task: str, trailers: Trailers = NO_TRAILERS) -> None:
        """Commit what changed in a task, with more trailers than the run has by
        itself. What cannot be committed stays in the worktree; the end of the run
        tries again."""
        text = commit_message(self.run, self.request, task, trailers)
        try:
            self.workspace.commit(text)
        except WorkspaceError as exc:
            self.run.guard.listener(f"WARNING: {exc}")

    def note_failed(self, error: CrewError) -> None:
        """Record the task that an error ended, where no gate has done it."""
        if isinstance(error, TaskFailed) and error.task:
            agent = self.run.settings.tasks[error.task].agent or ""
            # A journal that takes nothing is reported by the end of the run.
            with suppress(StoreUnavailable):
                self.run.journal.finish_task(self.run.id, error.task, agent, "failed")

    def finish(self, raw: str, error: CrewError | None) -> Outcome:
        """The end of a run that its own thread came to."""
        # A coworker's failure is the run's, even where the manager wrote around it.
        error = _as_read(self.run.failure or error)
        document: dict[str, Any] = _nothing(self.workspace)
        try:
            self.workspace.finish(commit_message(self.run, self.request))
            document = _workspace_document(self.workspace)
        except WorkspaceError as exc:
            error = error or exc
        self._tell_news()
        ended = self._conclude(raw if error is None else "", error, document)
        return announce_end(self.run, ended)

    def _tell_news(self) -> None:
        """Report that an experiment is decided, and allowances that will not last. A
        rehearsal decides none."""
        run, now = self.run, self.run.clock.now()
        run.look_ahead()
        with suppress(StoreUnavailable):  # the end of the run reports it
            for alert in news(run.journal, run.settings.experiments, run.id, now):
                run.guard.alert(alert)

    def interrupt(self, reason: str) -> Outcome | None:
        """End the run from outside; None when it has come to its end by itself. The
        thread that works on it never comes back, so the process has to end.

        Takes bounded time: git may be waiting for a lock, or for a disk.
        """
        if not self.run.end():
            return None
        self.run.interrupt()
        document = _nothing(self.workspace)

        def let_go() -> None:
            # What cannot be committed stays in the worktree, for a resumed run.
            with suppress(WorkspaceError):
                self.workspace.finish(commit_message(self.run, self.request))
                document.update(_workspace_document(self.workspace))

        thread = Thread(target=let_go, daemon=True)
        thread.start()
        thread.join(LET_GO_SECONDS)
        ended = self._conclude("", Interrupted(reason), document)
        return announce_end(self.run, ended)

    def _verdicts(self) -> dict[str, list[dict[str, str]]]:
        """Those of a part of the run that ended earlier are in its record."""
        earlier = (self.directory.document() or {}).get("tasks", [])
        known = {task["name"]: task.get("gates", []) for task in earlier}
        return {**known, **self.verdicts}

    def _kept(self) -> dict[str, str]:
        """The files with the latest texts of tasks that are not done."""
        files = {name: self.directory.refused(name) for name in self.run.settings.tasks}
        return {name: str(path) for name, path in files.items() if path.exists()}

    def _open(self) -> list[str]:
        """The tasks that did not come to an end."""
        run = self.run
        ended = {task.name for task in run.journal.tasks(run.id)}
        return [
            name
            for name, task in run.settings.tasks.items()
            if name not in ended and (task.when != "images" or self.workspace.images)
        ]

    def _about(self) -> About:
        earlier = self.directory.document() or {}
        seconds = earlier.get("seconds") or 0.0
        noticed = (*earlier.get("notices", ()), *self.run.guard.progress.noticed)
        return About(
            request=self.request,
            seconds=seconds + self.run.clock.monotonic() - self.began,
            notices=[one for one in dict.fromkeys(noticed) if one != NOTICE],
            config_hash=self.run.settings.config_hash or None,
            versions=versions(),
        )

    def _conclude(
        self, raw: str, error: CrewError | None, workspace: Mapping[str, Any]
    ) -> Outcome:
        run, status = self.run, status_of(error)
        self.directory.give_way()
        self.keeping.try_again()
        try:
            run.journal.finish_run(run.id, status)
        except StoreUnavailable as exc:
            error = error or exc
        report = build_report(run.journal, run.id)
        record = run.journal.run(run.id)
        assert record is not None
        record = replace(record, status=status)
        raw = run.settings.secrets.masked(raw)
        document = self._record(report, record, raw, error, workspace)
        try:
            self.directory.write_document(document)
        except OSError as exc:
            error = error or RunFailed(file_problem(exc))
        return Outcome(
            run_id=run.id,
            status=status,
            raw=raw,
            error=error,
            report=report,
            document=document,
            output=self.directory.path,
        )

    def _pools(self, error: CrewError | None) -> list[PoolState]:
        """How the limits stand. An interrupted run does not wait for a store."""
        if not isinstance(error, Interrupted):
            with suppress(StoreUnavailable):
                return self.run.guard.status()
        return []

    def _record(
        self,
        report: RunReport,
        record: RunRecord,
        raw: str,
        error: CrewError | None,
        workspace: Mapping[str, Any],
    ) -> dict[str, object]:
        secrets = self.run.settings.secrets
        document = run_document(
            report,
            record,
            self.run.journal.tasks(self.run.id),
            self.keeping.results(),
            raw or None,
            workspace,
            error=secrets.masked(str(error)) if error is not None else None,
            closed=error.closed if isinstance(error, QuotaExceeded) else (),
            verdicts=self._verdicts(),
            kept=self._kept(),
            about=self._about(),
            pools=self._pools(error),
        )
        if record.status != "done":
            document["open"] = self._open()
        return document


def _nothing(workspace: Workspace) -> dict[str, Any]:
    return {"path": str(workspace.root), "repositories": []}


def status_of(error: CrewError | None) -> str:
    """What a run is called that ended so."""
    match error:
        case None:
            return "done"
        case QuotaExceeded():
            return "closed"
        case Interrupted():
            return INTERRUPTED
        case _:
            return "failed"


def _as_read(error: CrewError | None) -> CrewError | None:
    """An error as a person reads it. What a provider says to a bad request is often
    all there is to act on."""
    if not isinstance(error, ProviderError):
        return error
    raw = f": {error.raw}" if isinstance(error, BadRequest) and error.raw else ""
    return RunFailed(f"{type(error).__name__}: {error}{raw}")


def _workspace_document(workspace: Workspace) -> dict[str, Any]:
    return {
        "path": str(workspace.root),
        "repositories": [_plain(asdict(change)) for change in workspace.changes()],
        "files": _outside(workspace),
    }


def _plain(change: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in change.items()
    }


def _outside(workspace: Workspace) -> list[str]:
    """The files of the workspace that are in no repository, and were not given."""
    held = {repository.path.name for repository in workspace.repositories}
    return [
        name
        for name in workspace.files()
        if Path(name).parts[0] not in held and name not in workspace.images
    ]
