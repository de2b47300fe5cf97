"""The rows of the journal, as many as there are, in constant memory."""

from collections.abc import Iterator, Sequence

from crew.journal.columns import Column, Table
from crew.sqlite_file import Database

BATCH = 2_000
"""Rows that are read in one step: none takes long, so that nobody waits for it."""

Row = Sequence[object]


def read_rows(db: Database, table: Table, since: float) -> Iterator[list[Row]]:
    """The rows of a table since then (seconds since the epoch; 0: all), in the order in
    which they were written, as SQLite keeps them; without those that are written
    meanwhile. Raises StoreUnavailable."""
    first, last = _ends(db, table, since)
    while first <= last:
        rows = db.run(_page(table), (first, last, since, BATCH))
        if not rows:
            return
        yield [tuple(row)[1:] for row in rows]
        first = rows[-1][0] + 1


def _ends(db: Database, table: Table, since: float) -> tuple[int, int]:
    """The first and the last row that may fit."""
    (row,) = db.run(
        f"SELECT MIN(rowid), (SELECT MAX(rowid) FROM {table.source}) "
        f"FROM {table.source} WHERE {table.moment} >= ? OR ? = 0",
        (since, since),
    )
    return (1, 0) if row[0] is None else (row[0], row[1])


def _page(table: Table) -> str:
    names = ", ".join(_expression(table, column) for column in table.columns)
    return (
        f"SELECT one.rowid, {names} FROM {table.source} AS one "
        "LEFT JOIN run ON run.run = one.run WHERE one.rowid BETWEEN ?1 AND ?2 "
        # The plus keeps SQLite from the index by time, which would sort all rows.
        f"AND (+one.{table.moment} >= ?3 OR ?3 = 0) ORDER BY one.rowid LIMIT ?4"
    )


def _expression(table: Table, column: Column) -> str:
    # A call that somebody recorded without a run was made by a program of one's own.
    if column.name == "rehearsal":
        return "COALESCE(run.rehearsal, 0)"
    return f"one.{column.name}"
