"""Each table of `crew journal export` with its columns."""

from crew.journal.columns import SCHEMA, TABLES, Column, Table


def journal() -> str:
    """One section for each table."""
    parts = [f"The version of the columns is {SCHEMA}.", ""]
    for name, table in TABLES.items():
        parts += _one(name, table)
    return "\n".join(parts)


def _one(name: str, table: Table) -> list[str]:
    return [
        f"### {name}",
        "",
        f"{table.meaning[0].upper()}{table.meaning[1:]}; "
        f"`--since` goes by `{table.moment}`.",
        "",
        "| Column | Type | Meaning | Null |",
        "|---|---|---|---|",
        *(_row(column) for column in table.columns),
        "",
    ]


def _row(column: Column) -> str:
    return f"| `{column.name}` | {column.kind} | {column.meaning} | {column.null} |"
