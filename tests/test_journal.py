"""The journal: what is recorded is there, whoever writes and however it ends."""

import os
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from crew.clock import ManualClock
from crew.errors import StoreUnavailable
from crew.journal import MIGRATIONS, CallRecord, Journal, new_run_id
from forked import Forks, Process
from hangs import HANGS_AFTER

CALL = CallRecord(
    run="r1",
    task="design",
    role="architect",
    deployment="claude-opus",
    provider="anthropic",
    input_tokens=1200,
    output_tokens=400,
    cost_usd=Decimal("0.000000123456789"),
    seconds=2.5,
    outcome="ok",
    reason="",
    at=1_700_000_000.25,
    estimated=True,
    senior_usd=Decimal("0.048"),
)
UNPRICED = CallRecord(
    run="r1",
    task=None,
    role="manager",
    deployment="deepseek",
    provider="openrouter",
    input_tokens=7,
    output_tokens=0,
    cost_usd=None,
    seconds=0.1,
    outcome="RateLimited",
    reason="claude-opus: 50 requests/minute",
    at=1_700_000_001.0,
)

WRITER = """
import itertools, sys
from decimal import Decimal
from pathlib import Path
from crew.clock import SystemClock
from crew.journal import CallRecord, Journal

path, run, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Journal.open(path, SystemClock()) as journal:
    journal.start_run(run, rehearsal=True, user="u", team="t", output=Path("out"))
    for number in range(count) if count else itertools.count():
        journal.record(CallRecord(
            run=run, task="code", role="coder", deployment="d", provider="p",
            input_tokens=number, output_tokens=1, cost_usd=Decimal("0.1"), seconds=0.5,
            outcome="ok", reason="", at=1.0,
        ))
        if not count:
            print("recorded", flush=True)
"""


def writer(forks: Forks, path: Path, run: str, count: int) -> Process:
    """A process that records `count` calls; 0: until it is killed, and tells each."""
    return forks.start(str(path), run, str(count), code=WRITER)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path, clock: ManualClock) -> Iterator[Journal]:
    with Journal.open(path, clock) as opened:
        yield opened


def start(journal: Journal, run: str) -> None:
    journal.start_run(
        run, rehearsal=False, user="ana", team="core", output=Path("/srv/out") / run
    )


def test_calls_come_back_as_they_were_recorded(journal: Journal) -> None:
    journal.record(CALL)
    journal.record(UNPRICED)

    assert journal.calls("r1") == [CALL, UNPRICED]
    assert journal.count_calls("r1") == 2
    assert journal.calls("r2") == []
    assert journal.count_calls("r2") == 0


def test_only_an_ok_call_is_ok() -> None:
    assert CALL.ok
    assert not UNPRICED.ok


def test_run_is_told_from_start_to_end(journal: Journal, clock: ManualClock) -> None:
    start(journal, "r1")
    started = journal.run("r1")
    clock.advance(60)
    journal.finish_run("r1", "done")
    finished = journal.run("r1")

    assert started is not None and finished is not None
    assert started.status == "running"
    assert started.finished_at is None
    assert (started.user, started.team) == ("ana", "core")
    assert started.rehearsal is False
    assert started.output == Path("/srv/out/r1")
    assert finished.status == "done"
    assert finished.finished_at == started.started_at + 60
    assert journal.run("r2") is None


def test_resumed_run_runs_again_and_keeps_its_start(
    journal: Journal, clock: ManualClock
) -> None:
    start(journal, "r1")
    began = clock.now()
    journal.record(CALL)
    journal.finish_task("r1", "design", "architect", "passed")
    journal.finish_run("r1", "closed")
    clock.advance(3600)
    start(journal, "r1")
    record = journal.run("r1")

    assert record is not None
    assert record.status == "running"
    assert record.started_at == began
    assert record.finished_at is None
    assert journal.count_calls("r1") == 1
    assert [task.name for task in journal.tasks("r1")] == ["design"]


def test_tasks_are_told_in_the_order_they_finished(
    journal: Journal, clock: ManualClock
) -> None:
    journal.finish_task("r1", "write", "documenter", "passed")
    clock.advance(5)
    journal.finish_task("r1", "code", "coder", "passed")
    journal.finish_task("r1", "write", "documenter", "passed")
    tasks = journal.tasks("r1")

    assert [(task.name, task.agent, task.status) for task in tasks] == [
        ("write", "documenter", "passed"),
        ("code", "coder", "passed"),
    ]
    assert {task.finished_at for task in tasks} == {clock.now()}


def test_runs_are_listed_newest_first(journal: Journal, clock: ManualClock) -> None:
    for number in range(5):
        start(journal, f"r{number}")
        clock.advance(number % 2)

    assert [record.run for record in journal.runs()] == ["r4", "r3", "r2", "r1", "r0"]
    assert [record.run for record in journal.runs(limit=2)] == ["r4", "r3"]


def test_run_id_sorts_by_time_and_differs_within_a_second(clock: ManualClock) -> None:
    clock.time = 1_795_466_695.9
    ids = {new_run_id(clock) for _ in range(20)}

    assert all(re.fullmatch(r"20261123-204455-[0-9a-f]{4}", run) for run in ids)
    assert len(ids) > 15


def test_file_and_directory_are_private(journal: Journal, path: Path) -> None:
    journal.record(CALL)

    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_money_is_stored_as_text(journal: Journal, path: Path) -> None:
    journal.record(CALL)
    with sqlite3.connect(path) as db:
        row = db.execute("SELECT typeof(cost_usd), cost_usd FROM call").fetchone()
    db.close()

    assert row == ("text", "1.23456789E-7")


def test_journal_of_a_newer_version_is_left_alone(
    path: Path, clock: ManualClock
) -> None:
    Journal.open(path, clock).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = path.read_bytes()

    with pytest.raises(StoreUnavailable, match="newer version of this program"):
        Journal.open(path, clock)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_set_aside(
    path: Path, clock: ManualClock
) -> None:
    path.parent.mkdir()
    text = "not a database, but long enough to be read as one " * 99
    path.write_text(text)

    Journal.open(path, clock).close()

    copies = list(path.parent.glob(f"{path.name}.damaged-*"))
    assert [copy.read_text() for copy in copies] == [text]


def test_path_that_cannot_be_made_is_unavailable(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match=r"journal\.db"):
        Journal.open(tmp_path / "file" / "journal.db", clock)


def test_closed_journal_is_unavailable(path: Path, clock: ManualClock) -> None:
    with Journal.open(path, clock) as journal:
        pass

    with pytest.raises(StoreUnavailable):
        journal.record(CALL)
    with pytest.raises(StoreUnavailable):
        journal.calls("r1")


def test_threads_share_one_journal(journal: Journal) -> None:
    def work() -> None:
        for _ in range(50):
            journal.record(CALL)
            journal.count_calls("r1")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert journal.count_calls("r1") == 400


def test_new_file_is_opened_by_many_at_once(tmp_path: Path, clock: ManualClock) -> None:
    opened: list[int] = []

    def work(path: Path, number: int, barrier: threading.Barrier) -> None:
        barrier.wait()
        with Journal.open(path, clock) as journal:
            journal.finish_task("r1", f"task {number}", "coder", "passed")
            opened.append(number)

    for attempt in range(20):
        path = tmp_path / f"s{attempt}" / "journal.db"
        barrier = threading.Barrier(6)
        threads = [
            threading.Thread(target=work, args=(path, number, barrier))
            for number in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(opened) == 120


def test_processes_write_one_new_file_at_once(
    path: Path, clock: ManualClock, forks: Forks
) -> None:
    writers = [writer(forks, path, f"r{number % 2}", 150) for number in range(6)]
    errors = [process.communicate(timeout=HANGS_AFTER)[1] for process in writers]
    with Journal.open(path, clock) as journal:
        counts = [journal.count_calls("r0"), journal.count_calls("r1")]
        inputs = sorted(call.input_tokens for call in journal.calls("r0"))
        runs = {record.run for record in journal.runs()}

    assert errors == [""] * 6
    assert counts == [450, 450]
    assert inputs == sorted([*range(150)] * 3)
    assert runs == {"r0", "r1"}


def test_killed_writer_loses_no_recorded_call(
    path: Path, clock: ManualClock, forks: Forks
) -> None:
    process = writer(forks, path, "r1", 0)
    assert process.stdout is not None
    reported = 0
    for _ in range(40):
        reported += process.stdout.readline() == "recorded\n"
    os.kill(process.pid, signal.SIGKILL)
    reported += process.stdout.read().count("recorded\n")
    process.communicate(timeout=HANGS_AFTER)
    with Journal.open(path, clock) as journal:
        kept = journal.calls("r1")
        record = journal.run("r1")

    assert reported >= 40
    # A call may be written, and the process killed before it says so.
    assert len(kept) in (reported, reported + 1)
    assert [call.input_tokens for call in kept] == [*range(len(kept))]
    assert record is not None and record.status == "running"
