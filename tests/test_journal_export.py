"""`crew journal export`: each row for other programs, exact, masked, no formula."""

import csv
import json
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from configured import SECRET
from crew.cli import main
from crew.clock import ManualClock, SystemClock
from crew.journal import CallRecord, Journal, journal_file
from crew.journal.columns import TABLES
from crew.journal.export import BATCH

CALL = CallRecord(
    run="r1",
    task=None,
    role="=cmd()",
    deployment="claude-opus",
    provider="anthropic",
    input_tokens=1200,
    output_tokens=400,
    cost_usd=Decimal("1E-9"),
    seconds=2.5,
    outcome="RateLimited",
    reason="",
    at=1_700_000_000.25,
    estimated=True,
    senior_usd=None,
    detail=f'key {SECRET} is over its limit,\x1b[2J\n"again"',
    cache_saved_usd=Decimal("-0.12345678901234567"),
)
LEFT_OUT = {"opened", "removed_at", "kept_at"}
"""Columns of the journal that say nothing to others."""


@pytest.fixture
def journal(config: Path, tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(journal_file(tmp_path / ".crew"), ManualClock()) as opened:
        opened.start_run(
            "r1", rehearsal=True, user="ana", team="core", output=Path("/out/r1")
        )
        yield opened


def exported(path: Path) -> list[Mapping[str, object]]:
    """The rows of a file, in any format."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return list(pyarrow.parquet.read_table(path).to_pylist())
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines(keepends=True)))
    return [json.loads(line) for line in text.splitlines()]


def test_each_column_of_the_journal_is_exported(
    journal: Journal, tmp_path: Path
) -> None:
    db = sqlite3.connect(journal_file(tmp_path / ".crew"))
    for table in TABLES.values():
        kept = db.execute(f"SELECT * FROM {table.source}").description
        names = {one.name for one in table.columns}

        assert {column[0] for column in kept} - LEFT_OUT - names <= {"id"}
        assert names - {column[0] for column in kept} <= {"rehearsal"}
    db.close()


def test_values_are_exact_masked_and_in_utc(journal: Journal, tmp_path: Path) -> None:
    journal.record(CALL)

    assert main(["journal", "export", "-o", "calls.jsonl"]) == 0
    (row,) = exported(Path("calls.jsonl"))
    assert (row["schema"], row["table"], row["id"]) == (1, "calls", 1)
    assert (row["rehearsal"], row["estimated"]) == (True, True)
    assert (row["task"], row["senior_usd"]) == (None, None)
    assert row["cost_usd"] == "0.000000001"
    assert row["cache_saved_usd"] == "-0.12345678901234567"
    assert row["at"] == "2023-11-14T22:13:20.250+00:00"
    assert SECRET not in Path("calls.jsonl").read_text(encoding="utf-8")
    assert "key ***" in str(row["detail"])
    assert stat.S_IMODE(Path("calls.jsonl").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("*calls*")] == ["calls.jsonl"]


def test_csv_has_no_formula_and_no_escape(journal: Journal) -> None:
    journal.record(CALL)
    journal.record(replace(CALL, role="\uff1dcmd()", detail="-1+1"))

    assert main(["journal", "export", "-o", "calls.csv"]) == 0
    first, second = exported(Path("calls.csv"))
    assert first["role"] == "'=cmd()"
    assert first["detail"] == 'key *** is over its limit,\\x1b[2J\n"again"'
    assert first["cache_saved_usd"] == "-0.12345678901234567"
    assert (first["task"], first["rehearsal"]) == ("", "true")
    assert (second["role"], second["detail"]) == ("'\uff1dcmd()", "'-1+1")


def test_parquet_has_typed_columns(journal: Journal) -> None:
    pytest.importorskip("pyarrow")
    journal.record(CALL)

    assert main(["journal", "export", "-o", "calls.parquet"]) == 0
    (row,) = exported(Path("calls.parquet"))
    assert row["cost_usd"] == Decimal("1E-9")
    assert row["cache_saved_usd"] == Decimal("-0.12345678901234567")
    assert str(row["at"]) == "2023-11-14 22:13:20.250000+00:00"
    assert (row["task"], row["estimated"], row["characters"]) == (None, True, None)
    assert SECRET not in str(row["detail"])


def test_without_pyarrow_one_line_says_what_to_install(
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    assert main(["journal", "export", "-o", "calls.parquet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'tiercrew[parquet]'" in line
    assert not Path("calls.parquet").exists()


def test_every_table_goes_into_a_directory(journal: Journal) -> None:
    journal.record(CALL)
    journal.finish_task("r1", "code", "coder", "passed")

    assert (
        main(["journal", "export", "--table", "all", "-o", "to", "--since", "1d"]) == 0
    )
    assert sorted(path.name for path in Path("to").iterdir()) == sorted(
        f"{name}.jsonl" for name in TABLES
    )


def test_stdout_takes_all_tables_as_json_lines(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.record(CALL)
    journal.finish_task("r1", "code", "coder", "passed")

    assert main(["journal", "export", "--table", "all"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["table"] for row in rows] == ["runs", "tasks", "calls"]
    assert [set(row) - {"schema", "table"} for row in rows] == [
        {column.name for column in TABLES[str(row["table"])].columns} for row in rows
    ]


def test_since_leaves_out_what_is_older(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    now = SystemClock().now()
    for days in (9, 1, 8, 2):
        journal.record(replace(CALL, at=now - days * 86_400, input_tokens=days))

    assert main(["journal", "export", "--since", "7d"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["input_tokens"] for row in rows] == [1, 2]


def test_rows_come_once_and_in_order_however_many_there_are(journal: Journal) -> None:
    for number in range(BATCH + 5):
        journal.record(replace(CALL, input_tokens=number))
    found = journal.export("calls", 0.0)
    rows = next(found)

    journal.record(CALL)  # by a run, meanwhile
    rows += [row for batch in found for row in batch]

    place = [column.name for column in TABLES["calls"].columns].index("input_tokens")
    assert [row[place] for row in rows] == list(range(BATCH + 5))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "parquet"], "parquet needs a file"),
        (["--format", "csv", "--table", "all"], "-o DIRECTORY"),
        (["--table", "all", "-o", "a.txt"], "needs a directory"),
        (["-o", "a.txt/calls.csv"], "a.txt"),
        (["-o", "/dev/full"], "neither a file nor a directory"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    journal: Journal,
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.txt").write_text("mine", encoding="utf-8")

    assert main(["journal", "export", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert Path("a.txt").read_text(encoding="utf-8") == "mine"


def test_without_a_run_there_is_nothing_to_export(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "export"]) == 2
    assert "there is no run yet" in capsys.readouterr().err
