"""A finished task is kept although a disk is full: it must not be paid for twice."""

from contextlib import suppress
from dataclasses import dataclass, field

from crew.calls.run import Run
from crew.errors import RunFailed, StoreUnavailable, file_problem
from crew.runs.directory import RunDirectory


@dataclass(slots=True, kw_only=True)
class Keeping:
    """Keeps the results of one run. A result belongs into the run's directory, and
    that the task is done into the journal; what fails in one place goes to the other
    directory of ours. What fails in both is tried again when the run ends."""

    run: Run
    directory: RunDirectory
    _unkept: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def keep(self, task: str, agent: str, text: str, status: str) -> bool:
        """Keep a finished task. False, and the run fails, when it can be kept nowhere:
        its next call stops."""
        try:
            # The result first: a task counts as finished only when it is there.
            self._write(task, text)
            self._note(task, agent, status)
        except (OSError, StoreUnavailable) as exc:
            self._unkept[task] = (agent, text, status)
            problem = file_problem(exc) if isinstance(exc, OSError) else str(exc)
            self.run.failure = RunFailed(
                f"{task} is done and cannot be kept: {problem}"
            )
            return False
        return True

    def try_again(self) -> None:
        """Keep what could not be kept, if there is room now."""
        for task, (agent, text, status) in list(self._unkept.items()):
            with suppress(OSError, StoreUnavailable):
                self._write(task, text)
                self._note(task, agent, status)
                del self._unkept[task]

    def results(self) -> dict[str, str]:
        """The results of the tasks that ended, in the order of tasks.yaml. Raises
        StoreUnavailable."""
        noted = self.directory.noted()
        for task, (agent, status) in noted.items():
            self.run.journal.finish_task(self.run.id, task, agent, status)
        if noted and self.run.journal.is_there:
            self.directory.forget_notes()
        records = self.run.journal.tasks(self.run.id)
        done = {task.name for task in records if task.is_done}
        names = [name for name in self.run.settings.tasks if name in done]
        found = {**self._spare.results(names), **self.directory.results(names)}
        return {name: found[name] for name in names if name in found}

    @property
    def _spare(self) -> RunDirectory:
        """Where results go that the run's own directory does not take."""
        settings = self.run.settings
        path = settings.state_dir / "results" / self.run.id
        return RunDirectory(path, settings.secrets)

    def _write(self, task: str, text: str) -> None:
        try:
            self.directory.write_result(task, text)
        except OSError as exc:
            self._spare.write_result(task, text)
            self.run.guard.listener(
                f"WARNING: {file_problem(exc)}; the result of {task} is in "
                f"{self._spare.path}/"
            )

    def _note(self, task: str, agent: str, status: str) -> None:
        journal = self.run.journal
        try:
            journal.finish_task(self.run.id, task, agent, status)
            problem = "" if journal.is_there else "the journal was removed"
        except StoreUnavailable as exc:
            problem = str(exc)
            self.directory.give_way()
            with suppress(StoreUnavailable):
                journal.finish_task(self.run.id, task, agent, status)
                problem = ""
        if problem:
            self.directory.note(task, agent, status)
            self.run.guard.listener(
                f"WARNING: {problem}; that {task} is done is in {self.directory.path}/"
            )
