"""What happens to the SQLite store's file: old, newer, damaged, locked, full, big."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crew.clock import ManualClock, SystemClock
from crew.errors import StoreUnavailable
from crew.quota.limits import Refusal, Usage
from crew.quota.store import Observation, Reservation
from crew.quota.stores import holders
from crew.quota.stores.memory import MemoryStore
from crew.quota.stores.sqlite import MIGRATIONS, SQLiteStore
from forked import Forks
from test_redis import STEP, Pair
from test_stores import ONE, held, pool, reserve


def test_a_file_of_the_first_format_is_carried_over(tmp_path: Path) -> None:
    path, clock = tmp_path / "quota.db", ManualClock()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(MIGRATIONS[0])
        db.execute("INSERT INTO quota_limit VALUES (1, 'provider:x', '9 requests/day')")
        db.execute("INSERT INTO charge VALUES (1, ?, 4)", (clock.now() + 500,))
        db.execute(
            "INSERT INTO cooldown VALUES ('provider:x', ?, 'RateLimited')",
            (clock.now() + 30,),
        )
        db.execute("PRAGMA user_version = 1")
        db.commit()

    store = SQLiteStore(path, clock)
    (state,) = store.snapshot([pool("9 requests/day")])

    assert (state.limits[0].used, state.cooldown_reason) == (4, "RateLimited")
    assert state.cooldown_until == clock.now() + 30
    store.close()


def test_a_file_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "quota.db"
    SQLiteStore(path, SystemClock()).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreUnavailable, match=r"newer version .*format 99"):
        SQLiteStore(path, SystemClock())
    assert [entry.name for entry in tmp_path.glob("*damaged*")] == []


def test_a_file_that_another_process_holds_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "quota.db"
    store = SQLiteStore(path, SystemClock(), busy_seconds=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailable, match="another process holds it"):
            reserve(store, pool("9 requests/day"))

        holder.execute("ROLLBACK")
    assert isinstance(reserve(store, pool("9 requests/day")), Reservation)
    store.close()


_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from crew.clock import SystemClock
from crew.errors import StoreUnavailable
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Usage
from crew.quota.stores.sqlite import SQLiteStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SQLiteStore(Path(sys.argv[1]), SystemClock())
pool = Pool(name="p", limits=(parse_limit("1M requests/day"),))
store.reserve([pool], Usage(), lease_seconds=60)
size = Path(sys.argv[1] + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    store.reserve([pool], Usage(), lease_seconds=60)
except StoreUnavailable as exc:
    print(exc)
resource.setrlimit(resource.RLIMIT_FSIZE, (size * 100, resource.RLIM_INFINITY))
"""


def test_a_full_disk_is_told_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "quota.db"

    reported = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(path)],
        capture_output=True,
        text=True,
    ).stdout

    assert "disk" in reported
    assert "nothing was changed" in reported
    store = SQLiteStore(path, SystemClock())
    assert held(store, pool("1M requests/day", name="p")) == [(0, 1)]
    store.close()


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a directory")

    with pytest.raises(StoreUnavailable, match="state"):
        SQLiteStore(tmp_path / "state" / "quota.db", SystemClock())


_KILLED = """
import os, signal, sys
from pathlib import Path
from crew.clock import SystemClock
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Usage
from crew.quota.stores.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]), SystemClock())
texts = ("9 requests/day", "1 concurrent")
pool = Pool(name="p", limits=tuple(parse_limit(text) for text in texts))
store.reserve([pool], Usage(), lease_seconds=float(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(forks: Forks, path: Path, lease_seconds: float) -> None:
    done = forks.run(str(path), str(lease_seconds), code=_KILLED)
    assert done.returncode == -signal.SIGKILL


def test_a_killed_process_loses_no_count_and_gives_its_place_back_at_once(
    tmp_path: Path, forks: Forks
) -> None:
    path, p = tmp_path / "quota.db", pool("9 requests/day", "1 concurrent", name="p")
    killed(forks, path, 500)

    with closing(SQLiteStore(path, SystemClock())) as store:
        got = reserve(store, p)
        assert isinstance(got, Reservation)
        assert held(store, p) == [(1, 1), (0, 1)]
        assert isinstance(reserve(store, p), Refusal), "this process is not gone"


@pytest.mark.parametrize(
    ("part", "value"), [(0, "another machine"), (2, "pid:[1]"), (3, 1), (None, "")]
)
def test_a_place_whose_holder_may_live_is_kept_until_its_lease_ends(
    tmp_path: Path, forks: Forks, part: int | None, value: object
) -> None:
    path, p = tmp_path / "quota.db", pool("1 concurrent", name="p")
    killed(forks, path, 500)
    with closing(sqlite3.connect(path)) as db:
        (holder,) = db.execute("SELECT holder FROM lease").fetchone()
        parts = json.loads(holder)
        if part is None:
            parts = ""  # of a version that did not say
        else:
            parts[part] = value
        if part == 3:
            parts[4] = holders.started_at(1)
        db.execute("UPDATE lease SET holder = ?", (parts and json.dumps(parts),))
        db.commit()

    clock = ManualClock(time=SystemClock().now())
    with closing(SQLiteStore(path, clock)) as store:
        got = reserve(store, p)
        assert isinstance(got, Refusal)
        assert got.opens_at is not None
        assert got.opens_at - clock.now() == pytest.approx(500, abs=30)
        clock.advance(501)
        assert isinstance(reserve(store, p), Reservation)


@pytest.mark.parametrize(("part", "value"), [(1, "another boot"), (4, "12345")])
def test_no_process_outlives_a_start_of_the_machine_or_its_own_number(
    tmp_path: Path, part: int, value: str
) -> None:
    path, p = tmp_path / "quota.db", pool("1 concurrent", name="p")
    with closing(SQLiteStore(path, SystemClock())) as store:
        reserve(store, p)
        with closing(sqlite3.connect(path)) as db:
            (holder,) = db.execute("SELECT holder FROM lease").fetchone()
            parts = json.loads(holder)
            parts[part] = value
            db.execute("UPDATE lease SET holder = ?", (json.dumps(parts),))
            db.commit()

        assert isinstance(reserve(store, p), Reservation)


def test_the_file_does_not_grow_with_the_number_of_calls(tmp_path: Path) -> None:
    clock = ManualClock()
    path, p = tmp_path / "quota.db", pool("1M requests/minute", "9M tokens/day")
    store = SQLiteStore(path, clock)
    sizes = []
    for _ in range(4):
        for _ in range(700):
            got = reserve(store, p)
            assert isinstance(got, Reservation)
            store.settle(got, ONE)
            clock.advance(400)
        sizes.append(
            path.stat().st_size + path.with_name("quota.db-wal").stat().st_size
        )
    store.close()

    with closing(sqlite3.connect(path)) as db:
        rows = [
            db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("charge", "lease", "quota_limit")
        ]
    assert max(sizes[1:]) <= sizes[1] + 8192
    assert rows[0] < 300
    assert rows[1:] == [0, 2]


def test_the_limits_of_old_runs_are_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "quota.db"
    store = SQLiteStore(path, clock)
    for number in range(200):
        p = pool("5 requests/run", name=f"run:{number}")
        got = reserve(store, p)
        assert isinstance(got, Reservation)
        store.settle(got, ONE)
        clock.advance(86_400)
    assert held(store, p) == [(1, 0)]
    store.close()

    with closing(sqlite3.connect(path)) as db:
        (rows,) = db.execute("SELECT COUNT(*) FROM quota_limit").fetchone()
    assert rows < 31 + 64 + 2


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=5, max_size=40))
def test_every_step_answers_as_the_store_in_memory(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    one, two = ManualClock(), ManualClock()
    store = SQLiteStore(tmp_path_factory.mktemp("steps") / "quota.db", two)
    reference, tried = Pair(MemoryStore(one), one), Pair(store, two)
    with closing(store):
        for step in steps:
            assert tried.do(step) == reference.do(step), step
            assert tried.state() == reference.state(), step


def test_a_step_reads_in_few_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*args, **options)
        db.set_trace_callback(statements.append)
        return db

    def reads() -> int:
        found = sum(text.lstrip().startswith("SELECT") for text in statements)
        statements.clear()
        return found

    monkeypatch.setattr(sqlite3, "connect", traced)
    p, q = (
        pool("9 requests/day", "900 tokens/minute"),
        pool("9 usd/hour", name="budget"),
    )
    seen = Observation(pool=p.name, limit=p.limits[0], amount=9, used=1)
    with closing(SQLiteStore(tmp_path / "quota.db", ManualClock())) as store:
        reserve(store, p, q)  # gives the limits their ids
        statements.clear()

        got = reserve(store, p, q)
        reserving = reads()
        assert isinstance(got, Reservation)
        store.settle(got, Usage(input_tokens=7))
        settling = reads()
        store.settle(got, ONE, [seen])
        observing = reads()

    assert (reserving, settling, observing) == (2, 0, 2)
