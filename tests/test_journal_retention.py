"""What the journal no longer keeps: old runs that nobody needs, and nothing else."""

import fcntl
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from after_runs import repository, run
from configured import configure
from crew.cli import main
from crew.clock import ManualClock, SystemClock
from crew.errors import SettingsError
from crew.journal import AttemptRecord, CallRecord, Journal, journal_file
from crew.reports.history import history
from crew.reports.history_document import history_lines
from crew.reports.page.history_page import history_page
from crew.runs.retention import prune, survey
from crew.settings.loader import load_tiers
from scripted import Scripted

DAY = 86_400.0
CALL = CallRecord(
    run="old",
    task="code",
    role="coder",
    deployment="deepseek",
    provider="openrouter",
    input_tokens=1200,
    output_tokens=400,
    cost_usd=Decimal("0.25"),
    seconds=2.5,
    outcome="ok",
    reason="",
    at=0.0,
    detail="x" * 500,
)
ATTEMPT = AttemptRecord(
    run="old",
    task="code",
    number=1,
    at=0.0,
    kind="coding",
    complexity="low",
    step="mid",
    place=0,
    deployment="deepseek",
    prompt="",
    gate="checks",
    trust="tests",
    verdict="passed",
    reason_hash="",
    fed_back=False,
    why="",
    cost_usd=None,
    premium_usd=None,
    seconds=1.0,
    calls=1,
    input_tokens=1,
    output_tokens=1,
    cached_tokens=0,
    is_free=True,
    cut_off=False,
    task_trust="tests",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return journal_file(tmp_path / ".crew")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


@pytest.fixture
def journal(path: Path, clock: ManualClock) -> Iterator[Journal]:
    with Journal.open(path, clock) as opened:
        yield opened


def past_run(
    journal: Journal,
    clock: ManualClock,
    name: str,
    days: float,
    *,
    calls: int = 1,
    rehearsal: bool = False,
    output: Path = Path("/nowhere"),
    status: str = "done",
    **attempt: str,
) -> None:
    """A run that ended so many days ago, with one attempt."""
    then = ManualClock(clock.now() - days * DAY)
    with Journal.open(journal_file(Path(".crew")), then) as earlier:
        earlier.start_run(
            name, rehearsal=rehearsal, user="ana", team="core", output=output / name
        )
        for _ in range(calls):
            earlier.record(replace(CALL, run=name, at=then.now()))
        made = replace(ATTEMPT, run=name, at=then.now(), **attempt)
        earlier.attempts.add(made)
        earlier.finish_task(name, "code", "coder", "proved")
        if status != "running":
            earlier.finish_run(name, status)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pruned(journal: Journal, clock: ManualClock, days: float = 90) -> dict[str, str]:
    """Prune; returns what stays, and why."""
    return list(prune(journal, days * DAY, clock))[-1].kept


def names(journal: Journal) -> list[str]:
    return [one.run for one in journal.runs()]


def test_an_old_run_goes_and_what_was_spent_stays(
    journal: Journal, clock: ManualClock
) -> None:
    past_run(journal, clock, "old", 100, calls=3)
    past_run(journal, clock, "new", 80)
    spent = journal.spent()

    assert pruned(journal, clock) == {}
    assert names(journal) == ["new"]
    assert journal.run("old") is None
    assert [journal.count_calls(one) for one in ("old", "new")] == [0, 1]
    assert journal.spent() == spent == {"openrouter": Decimal(1)}
    found = history(journal.stretch(clock.now() - 365 * DAY, clock.now() + 1))
    assert (found.calls, found.removed) == (1, 3)
    assert "3 calls are no longer in the journal" in history_lines(found)
    assert "3 calls are no longer in the journal" in history_page(found)


def test_a_damaged_journal_keeps_the_sums_of_what_was_removed(
    journal: Journal, clock: ManualClock, path: Path
) -> None:
    past_run(journal, clock, "old", 100, calls=3)
    past_run(journal, clock, "needed", 100, output=Path("output"), status="failed")
    Path("output", "needed").mkdir(parents=True)
    Path("output", "needed", "inputs.json").write_text("{}", encoding="utf-8")
    pruned(journal, clock)
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'call_of_run'"
        ).fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4_096)
        file.write(b"\0" * 4_096)

    with Journal.open(path, clock) as mended:
        assert mended.calls("needed") != []
        assert mended.spent() == {"openrouter": Decimal(1)}
    assert list(path.parent.glob("*.damaged-1"))


def test_ladders_and_experiments_know_as_much_as_before(
    journal: Journal, clock: ManualClock
) -> None:
    for name, days in (("r1", 100), ("r2", 200), ("r3", 300)):
        past_run(journal, clock, name, days)
    past_run(journal, clock, "r4", 300, experiment="first", arm="a")
    past_run(journal, clock, "r5", 100, rehearsal=True)
    trials = journal.trials.of("first")

    pruned(journal, clock)

    assert names(journal) == []
    assert [one.at for one in journal.attempts.tries(0.0)] == [
        pytest.approx(clock.now() - days * DAY) for days in (300, 100)
    ]
    assert journal.trials.of("first") == trials
    assert len(trials.attempts) == len(trials.ended) == 1
    assert journal.retention.contents().rows["attempt"] == 2
    assert journal.attempts.of("r5") == []


def test_a_run_that_somebody_needs_stays(journal: Journal, clock: ManualClock) -> None:
    for name, status in (("failed", "failed"), ("held", "running"), ("gone", "done")):
        past_run(journal, clock, name, 100, output=Path("output"), status=status)
    for name in ("failed", "held"):
        Path("output", name).mkdir(parents=True)
        Path("output", name, "inputs.json").write_text("{}", encoding="utf-8")

    with Path("output", "held", "inputs.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = pruned(journal, clock)

    assert kept == {
        "failed": "it is failed, and can be resumed",
        "held": "it is running",
    }
    assert names(journal) == ["held", "failed"]


def test_a_script_that_works_on_stays(journal: Journal, clock: ManualClock) -> None:
    past_run(journal, clock, "busy", 100, status="running")
    past_run(journal, clock, "killed", 100, status="running")
    journal.record(replace(CALL, run="busy", at=clock.now() - DAY))

    pruned(journal, clock)

    assert names(journal) == ["busy"]


def test_work_that_is_nowhere_else_keeps_its_run(
    config: Path, server: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(config, server, repository(tmp_path / "shop"))
    clock = ManualClock(SystemClock().now() + 100 * DAY)

    with Journal.open(journal_file(Path(".crew")), clock) as journal:
        kept = pruned(journal, clock)
        assert f"crew/{made} is not merged" in kept[made]
        assert main(["apply", made]) == 0
        clock.advance(1.0)
        assert pruned(journal, clock) == {}
        assert names(journal) == []
    assert Path("output", made, "run.json").exists()


def test_who_writes_meanwhile_does_not_wait(
    journal: Journal, clock: ManualClock, path: Path
) -> None:
    past_run(journal, clock, "old", 100, calls=1_200)
    steps = 0

    with sqlite3.connect(path, timeout=0) as other:  # it fails at once
        for _ in prune(journal, 90 * DAY, clock):
            other.execute("UPDATE run SET team = ? WHERE run = 'old'", (str(steps),))
            other.commit()
            steps += 1
    other.close()

    assert steps > 5
    assert journal.count_calls("old") == 0


def test_one_that_is_broken_off_goes_on(journal: Journal, clock: ManualClock) -> None:
    past_run(journal, clock, "old", 200, calls=1_200)
    next(prune(journal, 90 * DAY, clock))
    assert 0 < journal.count_calls("old") < 1_200

    pruned(journal, clock)

    assert journal.retention.contents().rows["call"] == 0
    assert journal.retention.contents().rows["attempt"] == 0


@pytest.mark.parametrize("version", ["new", "old"])
def test_the_file_becomes_smaller(
    config: Path,
    version: str,
    clock: ManualClock,
    path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Journal.open(path, clock) as journal:
        past_run(journal, clock, "old", 200, calls=1_200)
    if version == "old":
        old = sqlite3.connect(path, isolation_level=None)
        old.execute("PRAGMA auto_vacuum = NONE")
        old.execute("VACUUM")
        old.close()
    before = path.stat().st_size

    assert main(["journal", "prune", "--older-than", "13w", "--yes"]) == 0
    assert "removed 1 runs with 1,200 calls" in capsys.readouterr().out
    assert path.stat().st_size < before / 3


def test_prune_asks_and_a_dry_run_changes_nothing(
    config: Path, clock: ManualClock, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(path, clock) as journal:
        past_run(journal, clock, "old", 100)

    for arguments, code, says in (
        (["--older-than", "90d", "--dry-run"], 0, "1 runs with 1 calls"),
        (["--older-than", "90d"], 2, "--yes removes them"),
        (["--older-than", "31d"], 2, "at least 32d"),
        ([], 2, "say how old"),
    ):
        assert main(["journal", "prune", *arguments]) == code
        assert says in "".join(capsys.readouterr())
    with Journal.open(path, clock) as journal:
        assert names(journal) == ["old"]


@pytest.mark.parametrize("keep", ["31d", "7", "2h", "[90d]", "0w"])
def test_a_time_that_is_too_short_is_a_mistake(
    config: Path, server: Scripted, keep: str
) -> None:
    configure(config, server.url, tiers=f"journal: {{keep: {keep}}}")

    with pytest.raises(SettingsError, match="days or weeks, such as 90d, from 32d"):
        load_tiers(config)


def test_the_end_of_a_run_removes_what_is_too_old(
    config: Path, server: Scripted, clock: ManualClock, path: Path
) -> None:
    configure(config, server.url, tiers="journal: {keep: 90d}")
    with Journal.open(path, clock) as journal:
        past_run(journal, clock, "old", 100)
        past_run(journal, clock, "new", 80)

    assert main(["run", "Add pages", "--no-repo"]) == 0
    with Journal.open(path, clock) as journal:
        assert "new" in names(journal)
        assert "old" not in names(journal)
        assert survey(journal, 90 * DAY, clock).runs == 0


def test_info_says_what_is_in_it(
    config: Path, clock: ManualClock, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(path, clock) as journal:
        past_run(journal, clock, "r1", 10, calls=2)

    assert main(["journal", "info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == path.stat().st_size
    assert found["rows"]["run"] == 1
    assert found["rows"]["call"] == 2
    assert found["keep_seconds"] is None
    assert main(["journal"]) == 0
    assert "1 runs, 1 tasks, 1 attempts, 2 calls" in capsys.readouterr().out


def test_a_newer_journal_is_refused_in_one_line(
    config: Path, journal: Journal, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 999")
    newer.close()

    for command in ("info", "export"):
        assert main(["journal", command]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "newer version of this program (format 999" in line
