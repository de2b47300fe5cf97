"""The rows of the journal as JSON lines and as CSV."""

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO

from crew.journal import Row
from crew.journal.columns import SCHEMA, TABLES
from crew.reports.export.values import readers
from crew.texts.cells import safe_cell
from crew.texts.masking import Secrets

Batches = Iterable[list[Row]]


def json_lines(name: str, batches: Batches, secrets: Secrets) -> Iterator[str]:
    """Each row as one object on a line of ASCII; some rows at a time."""
    columns = TABLES[name].columns
    keys = [one.name for one in columns]
    made = readers(columns, secrets.masked)
    begin = {"schema": SCHEMA, "table": name}
    written = json.JSONEncoder(separators=(",", ":")).encode
    for rows in batches:
        yield "".join(
            written(
                begin
                | {
                    key: read(value)
                    for key, read, value in zip(keys, made, row, strict=True)
                }
            )
            + "\n"
            for row in rows
        )


def csv_lines(name: str, batches: Batches, secrets: Secrets) -> Iterator[str]:
    """The rows below a heading; some rows at a time. What nobody knows is an empty
    cell. A text that a spreadsheet would take for a formula begins with an
    apostrophe."""
    columns = TABLES[name].columns
    made = readers(columns, lambda text: safe_cell(secrets.masked(text)))
    heading = ["schema", "table", *(one.name for one in columns)]
    yield _written([heading])
    for rows in batches:
        yield _written(
            [
                SCHEMA,
                name,
                *(_cell(read(value)) for read, value in zip(made, row, strict=True)),
            ]
            for row in rows
        )


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _written(rows: Iterable[Iterable[object]]) -> str:
    lines = StringIO()
    csv.writer(lines, lineterminator="\n").writerows(rows)
    return lines.getvalue()
