"""Candles from a Parquet file, or the row that stands in the way. Its first row is row 1.

Parquet is a format of import alone: pyarrow is loaded only here, and runs never need it.
"""

import io
from collections.abc import Iterator
from typing import Any

from worker.candle_columns import Columns, find_columns
from worker.candle_rows import Bar, Refused, Rows, in_order, read_bar

#: How a Parquet file begins.
MAGIC = b"PAR1"

#: What a row takes while it is checked: its columns and its number, each of eight bytes.
ROW_BYTES = 64


def read_parquet(content: bytes, most_unpacked: int) -> Rows:
    """All bars of a file, oldest first; columns are named as in a CSV file. ``most_unpacked``:
    bytes that they may take, however small the file is: a step that repeats is stored once.

    A time is a timestamp of any unit (without a zone it is UTC), a date, a number since 1970 or
    text.

    Raises:
        Refused: names the first row that cannot be used.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows > most_unpacked // ROW_BYTES:
            raise Refused(f"it has more than {most_unpacked // ROW_BYTES:,} rows")
        columns = find_columns(file.schema_arrow.names)
        rows = in_order(_bars(file, columns), columns.notes)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:100]
        raise Refused(f"not readable as Parquet ({reason})") from None
    if not len(rows):
        raise Refused("the file has no rows")
    return rows


def _bars(file: Any, columns: Columns) -> Iterator[tuple[int, Bar]]:
    row = 0
    for batch in file.iter_batches():
        for record in zip(*(_values(column) for column in batch.columns), strict=True):
            row += 1
            yield row, read_bar(columns.cells(record), row)


def _values(column: Any) -> list[Any]:
    """Python values; times in UTC and microseconds, because Python's have no finer."""
    import pyarrow

    if pyarrow.types.is_timestamp(column.type):
        column = column.cast(pyarrow.timestamp("us", tz="UTC"), safe=False)
    return list(column.to_pylist())
