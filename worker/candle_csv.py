"""Candles from delimited text, or the row that stands in the way.

Rows are counted as a spreadsheet shows them: the first line is row 1.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain

from worker.candle_columns import BINANCE, BINANCE_WIDTH, Columns, find_columns
from worker.candle_rows import Bar, Refused, Rows, in_order, read_bar

#: Told apart by which of them the first line holds most; the first wins a tie.
DELIMITERS = (",", ";", "\t", "|")


def read_csv(content: bytes) -> Rows:
    """All bars of a file, oldest first.

    The first line names the columns (see :func:`find_columns`) unless the file is one of Binance's
    twelve columns without a header. Cells are separated by commas, semicolons, tabs or bars.

    Raises:
        Refused: names the first row that cannot be used.
    """
    text = _decode(content)
    records = _records(text)
    header = next(records, None)
    if header is None:
        raise Refused("the file is empty")
    if _is_binance(header):
        columns, numbered = BINANCE, enumerate(chain([header], records), start=1)
    else:
        columns, numbered = find_columns(header, row=1), enumerate(records, start=2)
    rows = in_order(_bars(numbered, columns, len(header)), columns.notes)
    if not len(rows):
        raise Refused("the file has a header and no rows")
    return rows


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise Refused("the file is not UTF-8 text", row) from None


def _records(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise Refused(f"not readable as CSV ({error})", reader.line_num) from None


def _delimiter(text: str) -> str:
    end = text.find("\n")
    line = text if end < 0 else text[:end]
    return max(DELIMITERS, key=line.count)


def _is_binance(first: Sequence[str]) -> bool:
    return len(first) == BINANCE_WIDTH and first[0].strip().isdecimal()


def _bars(
    numbered: Iterator[tuple[int, list[str]]], columns: Columns, width: int
) -> Iterator[tuple[int, Bar]]:
    blank: int | None = None
    for row, record in numbered:
        cells = [cell.strip() for cell in record]
        if not any(cells):
            blank = blank or row
            continue
        if blank is not None:
            raise Refused("the row is empty", blank)
        if len(cells) != width:
            raise Refused(f"{len(cells)} columns where the first line has {width}", row)
        yield row, read_bar(columns.cells(cells), row)
