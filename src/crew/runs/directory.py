"""`output/<run>/`: every file of a run, its lock, and what a reader makes of them."""

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from crew.errors import Mistake, SettingsError
from crew.ladder.work import Complexity
from crew.settings import Inputs
from crew.texts.masking import Secrets

RUNNING = "running"
RESERVED = 256 * 1024
"""Bytes that a run in progress holds ready, for its end on a full disk."""
INTERRUPTED = "interrupted"
"""What a run is called whose process is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a run was started with. `comparison` names the one that it is a part of,
    `complexities` are those that the YAML does not give, by task."""

    inputs: Inputs
    rehearsal: bool
    comparison: str = ""
    complexities: Mapping[str, Complexity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run; it need not exist yet. The directory has the run's id
    as its name."""

    path: Path
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def run(self) -> str:
        """The id of the run."""
        return self.path.name

    @property
    def workspace(self) -> Path:
        """Where the crew works."""
        return self.path / "workspace"

    @property
    def events(self) -> Path:
        """Where the events of the run are, one a line."""
        return self.path / "events.jsonl"

    @property
    def is_begun(self) -> bool:
        """Whether the run can be resumed."""
        return self._inputs.exists()

    @property
    def begun_at(self) -> float:
        """When the run began, in seconds since the epoch. Raises OSError."""
        return self._inputs.stat().st_mtime

    @property
    def _inputs(self) -> Path:
        return self.path / "inputs.json"

    @property
    def _document(self) -> Path:
        return self.path / "run.json"

    @property
    def _notes(self) -> Path:
        return self.path / ".unrecorded.json"

    @property
    def _reserve(self) -> Path:
        return self.path / ".reserve"

    def begin(self, beginning: Beginning) -> None:
        """Keep what the run was started with. Raises OSError."""
        given = beginning.inputs
        inputs = {
            **asdict(given),
            "request": self.secrets.masked(given.request),
            "values": self.secrets.masked_document(given.values),
        }
        record = {
            "inputs": inputs,
            "rehearsal": beginning.rehearsal,
            "comparison": beginning.comparison,
            "complexities": {n: asdict(c) for n, c in beginning.complexities.items()},
        }
        self._write(self._inputs, json.dumps(record, indent=2))

    def beginning(self) -> Beginning:
        """What the run was started with. Raises SettingsError when there is no such
        run."""
        try:
            record = json.loads(self._inputs.read_text(encoding="utf-8"))
            given = Inputs(**record["inputs"])
            inputs = replace(
                given,
                repositories=tuple(given.repositories),
                images=tuple(given.images),
            )
            kept = record.get("complexities", {})
            return Beginning(
                inputs=inputs,
                rehearsal=record["rehearsal"],
                comparison=str(record.get("comparison") or ""),
                complexities={n: Complexity(**one) for n, one in kept.items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            known = _runs(self.path.parent)
            latest = f"; the latest is {known[-1]}" if known else "; there are none"
            raise refused(
                f"no run {self.run!r} in {self.path.parent}/{latest}"
            ) from None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Lock the run while this process works on it. Raises SettingsError when
        another does.

        The lock ends with the process, however that ends: by it a reader finds out
        which runs were killed.
        """
        with self._inputs.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise refused(f"run {self.run} is still running") from None
            with suppress(OSError):
                self._reserve.write_bytes(b"\0" * RESERVED)
            try:
                yield
            finally:
                self.give_way()

    def status(self, recorded: str) -> str:
        """The status of a run that the journal calls `recorded`."""
        if recorded != RUNNING:
            return recorded
        try:
            with self._inputs.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return RUNNING
        except FileNotFoundError:
            return RUNNING  # a script's own crew: only the script knows
        return INTERRUPTED

    def write_result(self, task: str, text: str) -> None:
        """Keep the result of a task. Raises OSError."""
        self._write(self._result(task), self.secrets.masked(text))
        self.refused(task).unlink(missing_ok=True)

    def note(self, task: str, agent: str, status: str) -> None:
        """Note that a task is done which the journal does not take. Raises OSError."""
        noted = {**self.noted(), task: (agent, status)}
        self._write(self._notes, json.dumps(noted))

    def noted(self) -> dict[str, tuple[str, str]]:
        """The tasks that were noted: who did them, and how they ended."""
        try:
            found = json.loads(self._notes.read_text("utf-8"))
            return {task: (agent, status) for task, (agent, status) in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def forget_notes(self) -> None:
        """The journal knows them now."""
        with suppress(OSError):
            self._notes.unlink(missing_ok=True)

    def give_way(self) -> None:
        """Give back the room that was kept for a full disk."""
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def write_refused(self, task: str, text: str) -> Path:
        """Keep the latest text of a task that is not done: it was paid for. Raises
        OSError."""
        self._write(path := self.refused(task), self.secrets.masked(text))
        return path

    def refused(self, task: str) -> Path:
        """Where the latest text of a task is that is not done."""
        return self.path / f"{task}.failed.md"

    def write_attempts(self, task: str, attempts: Sequence[object]) -> None:
        """Keep how the attempts at a task ended, for a resumed run. Raises OSError."""
        text = json.dumps(self.secrets.masked_document(attempts), indent=2)
        self._write(self._attempts(task), text)

    def attempts(self, task: str) -> list[Any]:
        """The attempts at a task, as they were kept."""
        try:
            found = json.loads(self._attempts(task).read_text("utf-8"))
        except (OSError, ValueError):
            return []
        return found if isinstance(found, list) else []

    def _attempts(self, task: str) -> Path:
        return self.path / f"{task}.attempts.json"

    def results(self, tasks: Iterable[str]) -> dict[str, str]:
        """The results that there are of these tasks, by name."""
        found = {}
        for task in tasks:
            with suppress(FileNotFoundError):
                found[task] = self._result(task).read_text(encoding="utf-8")
        return found

    def write_document(self, document: Mapping[str, object]) -> None:
        """Keep the record of the run: all of it, or the file stays as it was. Raises
        OSError."""
        masked = self.secrets.masked_document(document)
        text = json.dumps(masked, indent=2, ensure_ascii=False) + "\n"
        self._write(self._document, text)

    def document(self) -> dict[str, Any] | None:
        """The record as it was written when the run ended, if it was."""
        try:
            found: dict[str, Any] = json.loads(self._document.read_text("utf-8"))
        except FileNotFoundError:
            return None
        return found

    def _result(self, task: str) -> Path:
        return self.path / f"{task}.md"

    def _write(self, path: Path, text: str) -> None:
        try:
            _write(path, text)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise _named(exc, path) from exc
            # There is some room for the end of a run.
            self.give_way()
            try:
                _write(path, text)
            except OSError as again:
                raise _named(again, path) from again


def refused(message: str) -> SettingsError:
    """The error for a run that cannot be resumed."""
    return SettingsError(
        [Mistake(file="arguments", line=None, key="--resume", message=message)]
    )


def hide_from_git(directory: Path) -> None:
    """Keep a directory of ours out of the status of a repository around it."""
    marker = directory / ".gitignore"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            marker.write_text("*\n", encoding="utf-8")
    except OSError as exc:
        raise _named(exc, marker) from exc


def _named(error: OSError, path: Path) -> OSError:
    """The error with the name of the file that a person knows."""
    return OSError(error.errno, error.strerror, str(path))


def begun_in(output: Path) -> list[RunDirectory]:
    """The runs that began below a directory, oldest first."""
    return [RunDirectory((output / name).absolute()) for name in _runs(output)]


def _runs(output: Path) -> list[str]:
    """The ids of the runs that can be resumed, oldest first."""
    return sorted(path.parent.name for path in output.glob("*/inputs.json"))


def _write(path: Path, text: str) -> None:
    """Write a file: all of it, or the file stays as it was. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:
            # Models write lone surrogates, which UTF-8 has no bytes for. So escaped
            # they are still JSON.
            file.write(text.encode(errors="backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
