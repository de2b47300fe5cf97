"""The rows of the journal as a Parquet file."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crew.errors import CrewError
from crew.journal.columns import SCHEMA, TABLES, Column, Kind
from crew.reports.export.lines import Batches
from crew.reports.export.values import readers
from crew.texts.masking import Secrets

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS, PLACES = 38, 18
"""Digits of money, and those of them behind the point."""
_UNIT = Decimal(1).scaleb(-PLACES)


def parquet() -> Any:
    """The library that writes it. Raises CrewError where it is not installed."""
    # On use: it is large, and an extra of its own.
    try:
        import pyarrow.parquet
    except ImportError as exc:
        raise CrewError(
            "Parquet needs pyarrow, which is not installed: pip install "
            "'tiercrew[parquet]', or write csv or jsonl"
        ) from exc
    return pyarrow.parquet


def write_parquet(path: Path, name: str, batches: Batches, secrets: Secrets) -> None:
    """Write the rows of a table. Raises CrewError and OSError."""
    library = parquet()
    import pyarrow as pa

    columns = TABLES[name].columns
    schema = _schema(pa, name)
    read = [
        _taken(column, reader)
        for column, reader in zip(
            columns, readers(columns, secrets.masked), strict=True
        )
    ]
    with library.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in batches:
            begin = [[SCHEMA] * len(rows), [name] * len(rows)]
            cells = [
                [one(value) for value in values]
                for one, values in zip(read, zip(*rows, strict=True), strict=True)
            ]
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(begin + cells, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _schema(pa: Any, name: str) -> "pa.Schema":
    types = {
        Kind.TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.MONEY: pa.decimal128(DIGITS, PLACES),
        Kind.MOMENT: pa.timestamp("ms", tz="UTC"),
        Kind.FLAG: pa.bool_(),
    }
    fields = [
        pa.field(one.name, types[one.kind], nullable=bool(one.null))
        for one in TABLES[name].columns
    ]
    begin = [
        pa.field("schema", pa.int32(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
    ]
    return pa.schema(
        begin + fields, metadata={"crew.schema": str(SCHEMA), "crew.table": name}
    )


def _taken(
    column: Column, reader: Callable[[object], object]
) -> Callable[[object], object]:
    match column.kind:
        case Kind.MONEY:
            return _money
        case Kind.MOMENT:
            return _milliseconds
    return reader


def _money(value: object) -> Decimal | None:
    if value is None:
        return None
    with localcontext(prec=DIGITS):
        return Decimal(str(value)).quantize(_UNIT, ROUND_HALF_EVEN)


def _milliseconds(value: object) -> int | None:
    return round(value * 1000) if isinstance(value, int | float) else None
