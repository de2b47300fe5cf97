"""The journal: the record of runs, tasks and calls, in one SQLite file.

Metadata only: never a prompt, an answer or a key. Many threads and processes write
at once. What a method wrote when it returned outlives the process.
"""

import secrets
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from crew.clock import Clock
from crew.errors import StoreUnavailable
from crew.journal.alerts import AlertTable
from crew.journal.approvals import ApprovalTable
from crew.journal.attempts import AttemptTable
from crew.journal.columns import TABLES
from crew.journal.export import Row, read_rows
from crew.journal.marks import MarkTable
from crew.journal.open_calls import OpenCall, open_call, settle_open_calls
from crew.journal.past import PastRun, Taken, past_runs, past_tasks
from crew.journal.records import (
    CALL_FIELDS,
    CallRecord,
    RunRecord,
    TaskRecord,
    call_record,
    run_record,
    stored,
)
from crew.journal.regressions import RegressionTable
from crew.journal.retention import RetentionTable
from crew.journal.schema import MIGRATIONS
from crew.journal.served import ServedCall, read_calls, read_tries_after
from crew.journal.spending import (
    Recent,
    Spent,
    read_in_flight,
    read_recent,
    read_spent,
    read_spent_at_providers,
)
from crew.journal.stretch import Stretch, read_stretch
from crew.journal.tally import Part, Tally, fails_since, read_parts, read_tallies
from crew.journal.trials import TrialTable
from crew.journal.tries import Try
from crew.notices import Listener
from crew.sqlite_file import Database, NoRoom

MOST_WAITING = 10
"""How many calls wait for room in the journal before a run stops."""
_ADD_CALL = (
    f"INSERT INTO call ({', '.join(CALL_FIELDS)}, opened) "
    f"VALUES ({', '.join(f':{name}' for name in CALL_FIELDS)}, :opened)"
)


def journal_file(state_dir: Path) -> Path:
    """Where the journal of a state directory is."""
    return state_dir / "journal.db"


def new_run_id(clock: Clock) -> str:
    """A name for a run that sorts by time, such as `20261123-204455-3fa2`."""
    started = datetime.fromtimestamp(clock.now(), UTC)
    return f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Journal:
    """One open journal. Every method raises StoreUnavailable when it cannot work."""

    def __init__(
        self, path: Path, clock: Clock, listener: Listener = lambda line: None
    ) -> None:
        self._path = path
        self._clock = clock
        self._listener = listener
        self._waiting: deque[tuple[CallRecord, int | None]] = deque()
        self._db = Database(path, MIGRATIONS, listener)
        self.attempts = AttemptTable(self._db)
        self.alerts = AlertTable(self._db)
        self.approvals = ApprovalTable(self._db)
        self.trials = TrialTable(self._db)
        self.regressions = RegressionTable(self._db)
        self.marks = MarkTable(self._db)
        self.retention = RetentionTable(self._db)

    @classmethod
    def open(
        cls, path: Path, clock: Clock, listener: Listener = lambda line: None
    ) -> Self:
        """Open the journal at `path`, or make it (mode 0600, its directory 0700). The
        listener hears of a damaged one that was mended."""
        return cls(path, clock, listener)

    @property
    def is_there(self) -> bool:
        """Whether others can find the file: somebody may have removed it."""
        return self._path.exists()

    def close(self) -> None:
        """Let go of the file."""
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
        self._db.run(
            "INSERT INTO run (run, status, rehearsal, user, team, started_at, output) "
            "VALUES (?, 'running', ?, ?, ?, ?, ?) "
            "ON CONFLICT (run) DO UPDATE SET status = 'running', finished_at = NULL, "
            "output = excluded.output, removed_at = NULL",
            (run, rehearsal, user, team, self._clock.now(), str(output)),
        )

    def open_call(self, call: OpenCall) -> int:
        """Note a call that leaves; `record` takes what this returns when it ends."""
        return open_call(self._db, call)

    def settle_open_calls(self, run: str) -> None:
        """Give each open call of a run that nobody works on a row, as interrupted."""
        settle_open_calls(self._db, run)

    def record(self, call: CallRecord, opened: int | None = None) -> None:
        """Add a call, in the place of its open one. What cannot be written is added
        with a later one, for a while: the call's answer is paid for."""
        try:
            self._catch_up()
            self._add(call, opened)
        except NoRoom as exc:
            self._waiting.append((call, opened))
            if len(self._waiting) >= MOST_WAITING:
                raise
            self._listener(f"WARNING: {exc}; the call is noted when there is room")

    def _catch_up(self) -> None:
        while self._waiting:
            with suppress(IndexError):  # another thread was quicker
                call, opened = self._waiting.popleft()
                try:
                    self._add(call, opened)
                except StoreUnavailable:
                    self._waiting.appendleft((call, opened))
                    raise

    def _add(self, call: CallRecord, opened: int | None) -> None:
        values = {name: stored(getattr(call, name)) for name in CALL_FIELDS}
        self._db.run(_ADD_CALL, values | {"opened": opened})

    def finish_task(self, run: str, name: str, agent: str, status: str) -> None:
        """Note how a task ended: `proved`, `passed`, `unproved` or `failed`. Ended
        twice, the later time counts."""
        self._db.run(
            "INSERT INTO task VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (run, name) DO UPDATE SET agent = excluded.agent, "
            "status = excluded.status, finished_at = excluded.finished_at",
            (run, name, agent, status, self._clock.now()),
        )

    def finish_run(self, run: str, status: str) -> None:
        """Note how a run ended."""
        self._catch_up()
        self._db.run(
            "UPDATE run SET status = ?, finished_at = ? WHERE run = ?",
            (status, self._clock.now(), run),
        )

    def calls(self, run: str) -> list[CallRecord]:
        """The calls of a run, in the order they were recorded."""
        rows = self._db.run("SELECT * FROM call WHERE run = ? ORDER BY id", (run,))
        return [call_record(row) for row in rows]

    def latest_calls(self, limit: int) -> list[CallRecord]:
        """The latest answered calls whose usage the provider reported, oldest first;
        rehearsals do not count."""
        rows = self._db.run(
            "SELECT * FROM call WHERE outcome = 'ok' AND NOT estimated AND run IN "
            "(SELECT run FROM run WHERE NOT rehearsal) ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [call_record(row) for row in reversed(rows)]

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]:
        """How long the calls after a row took, and which row is the last now."""
        return read_calls(self._db, row)

    def tries_after(self, row: int) -> tuple[int, list[Try]]:
        """The attempts at tasks after a row, and which row is the last now."""
        return read_tries_after(self._db, row)

    def stretch(self, since: float, until: float) -> Stretch:
        """What happened from `since` up to `until`, in seconds since the epoch."""
        return read_stretch(self._db, since, until)

    def export(self, table: str, since: float) -> Iterator[list[Row]]:
        """The rows of a table of `TABLES` since then, some at a time."""
        return read_rows(self._db, TABLES[table], since)

    def past_runs(self, tasks: Collection[str]) -> list[PastRun]:
        """The latest runs that did just these tasks; rehearsals do not count."""
        return past_runs(self._db, tasks)

    def past_tasks(self) -> dict[tuple[str | None, str], list[Taken]]:
        """What the latest tasks took, by kind and complexity; rehearsals do not
        count."""
        return past_tasks(self._db)

    def spent(self) -> dict[str, Decimal]:
        """US dollars that all runs spent at each provider; rehearsals do not count."""
        return read_spent_at_providers(self._db)

    def spent_between(self, since: float, until: float) -> Spent:
        """What was spent in whole quarters of an hour; rehearsals do not count."""
        return read_spent(self._db, since, until)

    def recent(self) -> Sequence[Recent]:
        """What the last hour took, by deployment and role; rehearsals do not count."""
        return read_recent(self._db, self._clock.now())

    def in_flight(self) -> dict[str, int]:
        """How many calls of each run left lately and have not ended."""
        return read_in_flight(self._db, self._clock.now())

    def parts(self, run: str) -> Sequence[Part]:
        """What each role took of each deployment in each task of a run."""
        return read_parts(self._db, run)

    def tallies_after(self, row: int) -> tuple[int, Sequence[Tally]]:
        """The sums of the calls after a row, and which row is the last now."""
        return read_tallies(self._db, row)

    def fails_since(self, provider: str, outcome: str, row: int) -> float | None:
        """When the first call after a row ended so, in seconds since the epoch."""
        return fails_since(self._db, provider, outcome, row)

    def count_calls(self, run: str) -> int:
        """How many calls a run has made."""
        (row,) = self._db.run("SELECT COUNT(*) FROM call WHERE run = ?", (run,))
        return int(row[0])

    def tasks(self, run: str) -> list[TaskRecord]:
        """The tasks of a run, in the order they came to an end."""
        rows = self._db.run("SELECT * FROM task WHERE run = ? ORDER BY rowid", (run,))
        return [TaskRecord(**dict(row)) for row in rows]

    def run(self, run: str) -> RunRecord | None:
        """What is known of a run; None when it never started here."""
        rows = self._db.run(
            "SELECT * FROM run WHERE run = ? AND removed_at IS NULL", (run,)
        )
        return run_record(rows[0]) if rows else None

    def unended_runs(self) -> list[RunRecord]:
        """The runs that did not come to an end, newest first; the processes of some
        may be gone."""
        rows = self._db.run(
            "SELECT * FROM run WHERE status = 'running' ORDER BY rowid DESC", ()
        )
        return [run_record(row) for row in rows]

    def runs(self, limit: int = 20) -> list[RunRecord]:
        """The latest runs, newest first."""
        rows = self._db.run(
            # As they came: the time of day may have jumped in between.
            "SELECT * FROM run WHERE removed_at IS NULL ORDER BY rowid DESC LIMIT ?",
            (limit,),
        )
        return [run_record(row) for row in rows]
