"""Pages of our files are overwritten: they mend themselves, and say what they did."""

import random
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from crew.clock import ManualClock, SystemClock
from crew.journal import CallRecord, Journal
from crew.quota.limits import Refusal
from crew.quota.store import Reservation
from crew.quota.stores.sqlite import SQLiteStore
from forked import Forks
from scripted import serving
from test_stores import held, pool, reserve

PAGE = 4_096
PLACES = {"the first": [0], "two in the middle": [3, 4], "all but it": range(1, 99)}
FILLS = {"zeros": b"\0" * PAGE, "noise": random.Random(7).randbytes(PAGE)}
CALL = CallRecord(
    run="r1",
    task="code",
    role="coder",
    deployment="d",
    provider="p",
    input_tokens=7,
    output_tokens=5,
    cost_usd=Decimal("0.01"),
    seconds=1.0,
    outcome="ok",
    reason="",
    at=1_700_000_000.0,
)


def overwrite(path: Path, pages: object, fill: bytes) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    with path.open("r+b") as file:
        for page in pages:  # type: ignore[attr-defined]
            if page * PAGE < len(content):
                file.seek(page * PAGE)
                file.write(fill)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("where", PLACES)
def test_a_damaged_store_mends_itself_at_the_next_start(
    tmp_path: Path, where: str, fill: str
) -> None:
    path, p, clock = tmp_path / "quota.db", pool("2 requests/minute"), ManualClock()
    with closing(SQLiteStore(path, clock)) as store:
        for number in range(150):
            reserve(store, pool("9 requests/day", name=f"provider:{number}"))
            clock.advance(1)
        store.cool_down("provider:y", until=clock.now() + 9, reason="RateLimited")
    overwrite(path, PLACES[where], FILLS[fill])
    heard: list[str] = []

    with closing(SQLiteStore(path, clock, listener=heard.append)) as store:
        store.snapshot([pool("9 requests/day", name=f"provider:{n}") for n in range(9)])
        store.plans()
        assert isinstance(reserve(store, p), Reservation)
        assert isinstance(reserve(store, p), Reservation)
        assert isinstance(reserve(store, p), Refusal)
        assert held(store, p) == [(0, 2)]
        store.throttle("provider:y")
    with closing(SQLiteStore(path, clock, listener=heard.append)) as store:
        assert isinstance(reserve(store, p), Refusal)

    (line,) = heard
    assert line.startswith(f"WARNING: {path} was damaged; ")
    assert "quota.db.damaged-1" in line
    assert (tmp_path / "quota.db.damaged-1").exists()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_can_be_read_of_a_damaged_store_still_counts(tmp_path: Path) -> None:
    path, p, clock = tmp_path / "quota.db", pool("2 requests/minute"), ManualClock()
    with closing(SQLiteStore(path, clock)) as store:
        reserve(store, p)
        reserve(store, p)
        store.set_plan("openrouter", "credit", "10 usd bought")
        with closing(sqlite3.connect(path)) as db:
            (page,) = db.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'lease'"
            ).fetchone()
    overwrite(path, [page - 1], FILLS["noise"])

    with closing(SQLiteStore(path, clock)) as store:
        assert isinstance(reserve(store, p), Refusal)
        assert store.plans()["openrouter"].plan == "credit"
        assert store.snapshot([p])[0].limits[0].used == 2
    assert (tmp_path / "quota.db.damaged-1").exists()


def test_a_store_that_others_hold_open_is_mended_under_their_feet(
    tmp_path: Path,
) -> None:
    path, p = tmp_path / "quota.db", pool("3 requests/day")
    other, fresh = pool("9 requests/day", name="a"), pool("9 requests/day", name="b")
    clock = ManualClock()
    with (
        closing(SQLiteStore(path, clock)) as one,
        closing(SQLiteStore(path, clock)) as two,
    ):
        reserve(one, other, p)
        reserve(two, p)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (page,) = db.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'quota_limit'"
            ).fetchone()
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.seek((page - 1) * PAGE)
            file.write(FILLS["zeros"])
        with closing(SQLiteStore(path, clock)) as three:
            # The limits get new ids, in another order than the others know.
            reserve(three, fresh, p)
        assert path.read_bytes() != content

        taken = [isinstance(reserve(one, p), Reservation) for _ in range(2)]
        taken += [isinstance(reserve(two, p), Reservation)]
        assert sum(taken) == 2, "one place was taken since it was mended"
        assert held(one, fresh) == held(two, fresh) == [(0, 1)]


_AT_ONCE = """
import sys
from pathlib import Path
from crew.clock import SystemClock
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Pool, Usage
from crew.quota.store import Reservation
from crew.quota.stores.sqlite import SQLiteStore
pool = Pool(name="p", limits=(parse_limit("50 requests/day"),))
store = SQLiteStore(Path(sys.argv[1]), SystemClock(), listener=print)
got = [store.reserve([pool], Usage(), lease_seconds=60) for _ in range(20)]
print(sum(isinstance(one, Reservation) for one in got))
"""


def test_processes_that_find_the_damage_at_once_mend_it_once(
    tmp_path: Path, forks: Forks
) -> None:
    path = tmp_path / "quota.db"
    with closing(SQLiteStore(path, SystemClock())) as store:
        for number in range(150):
            reserve(store, pool("9 requests/day", name=f"provider:{number}"))
    overwrite(path, range(2, 99), FILLS["zeros"])

    racers = [forks.start(str(path), code=_AT_ONCE) for _ in range(4)]
    lines = [line for one in racers for line in one.communicate()[0].splitlines()]

    assert [one.returncode for one in racers] == [0] * 4
    assert sum(int(line) for line in lines if line.isdecimal()) == 50
    assert sum("was damaged" in line for line in lines) == 1
    assert len(list(tmp_path.glob("*.damaged-*"))) <= 2  # with its log


@pytest.mark.parametrize("fill", FILLS)
def test_a_damaged_journal_keeps_the_calls_that_can_be_read(
    tmp_path: Path, fill: str
) -> None:
    path, heard = tmp_path / "journal.db", list[str]()
    with Journal.open(path, SystemClock()) as journal:
        journal.start_run("r1", rehearsal=False, user="", team="", output=tmp_path)
        for _ in range(600):
            journal.record(CALL)
    pages = path.stat().st_size // PAGE
    overwrite(path, range(pages * 3 // 4, pages * 3 // 4 + 4), FILLS[fill])

    with Journal.open(path, SystemClock(), heard.append) as journal:
        calls = journal.calls("r1")
        journal.record(CALL)
        journal.finish_run("r1", "done")
        runs = journal.runs()

    assert 100 < len(calls) < 600
    assert [(run.run, run.status) for run in runs] == [("r1", "done")]
    assert len(heard) == 1
    assert "journal.db.damaged-1" in heard[0]


@pytest.mark.parametrize("name", ["quota.db", "journal.db"])
def test_a_run_mends_what_is_damaged_and_goes_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")  # named, so it is trusted
    monkeypatch.setenv(KEY, SECRET)
    with serving() as server:
        server.brain = lambda request: "done"
        configure(tmp_path / "config", server.url, limits=["90 requests/hour"])
        assert main(["run", "Add pages"]) == 0
        overwrite(tmp_path / ".crew" / name, range(1, 99), FILLS["noise"])
        capsys.readouterr()

        codes = [main(["run", "Add pages"]), main(["status"]), main(["report"])]

    shown = capsys.readouterr()
    assert codes == [0, 0, 0]
    assert "Traceback" not in shown.err
    assert shown.err.count("was damaged") == 1
