"""The journal: the record of runs, tasks and calls, in one SQLite file.

Metadata only: never a prompt, an answer or a key. Many threads and processes write
at once. What a method wrote when it returned outlives the process.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from crew.clock import Clock
from crew.errors import StoreUnavailable
from crew.sqlite_file import open_database

_FIRST = """
CREATE TABLE run (
    run TEXT PRIMARY KEY, status TEXT NOT NULL, rehearsal INTEGER NOT NULL,
    user TEXT NOT NULL, team TEXT NOT NULL, started_at REAL NOT NULL,
    finished_at REAL, output TEXT NOT NULL
);
CREATE TABLE task (
    run TEXT NOT NULL, name TEXT NOT NULL, agent TEXT NOT NULL, status TEXT NOT NULL,
    finished_at REAL, UNIQUE (run, name)
);
CREATE TABLE call (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, task TEXT, role TEXT NOT NULL,
    deployment TEXT NOT NULL, provider TEXT NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cost_usd TEXT, seconds REAL NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
    estimated INTEGER NOT NULL, senior_usd TEXT
);
CREATE INDEX call_of_run ON call (run);
"""
_SECOND = """
ALTER TABLE call ADD COLUMN characters INTEGER;
ALTER TABLE call ADD COLUMN detail TEXT NOT NULL DEFAULT '';
"""
_THIRD = """
ALTER TABLE call ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN cache_saved_usd TEXT;
"""
MIGRATIONS = (_FIRST, _SECOND, _THIRD)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call that left for a provider.

    `outcome` is `ok` or the class name of the failure. `reason` says why this
    deployment and not the first; it is empty when it was the first. `cost_usd` is
    None when nobody knows it. `senior_usd` is what an ok call would have cost on
    the first deployment of the senior tier. `estimated`: the provider did not report
    the usage. `at` is in seconds since the epoch. `characters` is what was sent, None
    where there were images. `detail` is what failed: the provider's own word where
    nobody knew the failure, cut and without keys, else our sentence, if there is one.

    Of the input tokens, `cached_tokens` were read from the provider's cache and
    `cache_write_tokens` written to it. `cache_saved_usd` is what the same call without
    a cache would have cost more (below zero: less); None when nobody knows a price.
    """

    run: str
    task: str | None
    role: str
    deployment: str
    provider: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    seconds: float
    outcome: str
    reason: str
    at: float
    estimated: bool = False
    senior_usd: Decimal | None = None
    characters: int | None = None
    detail: str = ""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_saved_usd: Decimal | None = None

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task of a run that came to an end."""

    run: str
    name: str
    agent: str
    status: str
    finished_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run. `status` is `running`, `done`, `failed` or `closed`. A run whose
    process was killed stays `running`."""

    run: str
    status: str
    rehearsal: bool
    user: str
    team: str
    started_at: float
    finished_at: float | None
    output: Path


def new_run_id(clock: Clock) -> str:
    """A name for a run that sorts by time, such as `20261123-204455-3fa2`."""
    started = datetime.fromtimestamp(clock.now(), UTC)
    return f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Journal:
    """One open journal. Every method raises StoreUnavailable when it cannot work."""

    def __init__(self, path: Path, clock: Clock, db: sqlite3.Connection) -> None:
        self._path = path
        self._clock = clock
        self._db = db
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Self:
        """Open the journal at `path`, or make it (mode 0600, its directory 0700)."""
        db = open_database(path, MIGRATIONS)
        db.row_factory = sqlite3.Row
        return cls(path, clock, db)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start_run(
        self, run: str, *, rehearsal: bool, user: str, team: str, output: Path
    ) -> None:
        """Note that a run started, or runs again: then it keeps when and whose it is,
        and its status goes back to `running`."""
        self._change(
            "INSERT INTO run VALUES (?, 'running', ?, ?, ?, ?, NULL, ?) "
            "ON CONFLICT (run) DO UPDATE SET status = 'running', finished_at = NULL, "
            "output = excluded.output",
            (run, rehearsal, user, team, self._clock.now(), str(output)),
        )

    def record(self, call: CallRecord) -> None:
        """Add a call."""
        self._change(
            _ADD_CALL, {name: _stored(getattr(call, name)) for name in _CALL_FIELDS}
        )

    def finish_task(
        self, run: str, name: str, agent: str, status: str = "done"
    ) -> None:
        """Note that a task is done, or `failed`. Ended twice, the later time counts."""
        self._change(
            "INSERT INTO task VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (run, name) DO UPDATE SET agent = excluded.agent, "
            "status = excluded.status, finished_at = excluded.finished_at",
            (run, name, agent, status, self._clock.now()),
        )

    def finish_run(self, run: str, status: str) -> None:
        """Note how a run ended."""
        self._change(
            "UPDATE run SET status = ?, finished_at = ? WHERE run = ?",
            (status, self._clock.now(), run),
        )

    def calls(self, run: str) -> list[CallRecord]:
        """The calls of a run, in the order they were recorded."""
        rows = self._read("SELECT * FROM call WHERE run = ? ORDER BY id", (run,))
        return [_call(row) for row in rows]

    def latest_calls(self, limit: int) -> list[CallRecord]:
        """The latest answered calls whose usage the provider reported, oldest first;
        rehearsals do not count."""
        rows = self._read(
            "SELECT * FROM call WHERE outcome = 'ok' AND NOT estimated AND run IN "
            "(SELECT run FROM run WHERE NOT rehearsal) ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [_call(row) for row in reversed(rows)]

    def spent(self) -> dict[str, Decimal]:
        """US dollars that all runs spent at each provider; rehearsals do not count."""
        rows = self._read(
            "SELECT provider, SUM(CAST(cost_usd AS REAL)) FROM call WHERE run IN "
            "(SELECT run FROM run WHERE NOT rehearsal) GROUP BY provider",
            (),
        )
        return {provider: Decimal(str(usd or 0)) for provider, usd in rows}

    def count_calls(self, run: str) -> int:
        """How many calls a run has made."""
        (row,) = self._read("SELECT COUNT(*) FROM call WHERE run = ?", (run,))
        return int(row[0])

    def tasks(self, run: str) -> list[TaskRecord]:
        """The tasks of a run, in the order they came to an end."""
        rows = self._read("SELECT * FROM task WHERE run = ? ORDER BY rowid", (run,))
        return [TaskRecord(**dict(row)) for row in rows]

    def run(self, run: str) -> RunRecord | None:
        """What is known of a run; None when it never started here."""
        rows = self._read("SELECT * FROM run WHERE run = ?", (run,))
        return _run(rows[0]) if rows else None

    def runs(self, limit: int = 20) -> list[RunRecord]:
        """The latest runs, newest first."""
        rows = self._read(
            "SELECT * FROM run ORDER BY started_at DESC, rowid DESC LIMIT ?", (limit,)
        )
        return [_run(row) for row in rows]

    def _change(
        self, statement: str, values: tuple[object, ...] | dict[str, object]
    ) -> None:
        with self._using():
            self._db.execute(statement, values)

    def _read(self, query: str, values: tuple[object, ...]) -> list[sqlite3.Row]:
        with self._using(), closing(self._db.execute(query, values)) as cursor:
            return cursor.fetchall()

    @contextmanager
    def _using(self) -> Iterator[None]:
        """The connection, for one thread at a time. A statement is a transaction."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as exc:
                raise StoreUnavailable(f"journal {self._path}: {exc}") from exc


_CALL_FIELDS = tuple(field.name for field in fields(CallRecord))
_ADD_CALL = (
    f"INSERT INTO call ({', '.join(_CALL_FIELDS)}) "
    f"VALUES ({', '.join(f':{name}' for name in _CALL_FIELDS)})"
)


def _stored(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else value


def _call(row: sqlite3.Row) -> CallRecord:
    values: dict[str, Any] = {name: row[name] for name in _CALL_FIELDS}
    for name in ("cost_usd", "senior_usd", "cache_saved_usd"):
        if values[name] is not None:
            values[name] = Decimal(values[name])
    return CallRecord(**values | {"estimated": bool(values["estimated"])})


def _run(row: sqlite3.Row) -> RunRecord:
    values: dict[str, Any] = dict(row)
    return RunRecord(
        **values
        | {"rehearsal": bool(values["rehearsal"]), "output": Path(values["output"])}
    )
