"""Candles from CSV text, or the row that stands in the way.

Rows are counted as a spreadsheet shows them: the header is row 1.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from worker.candle_times import EXPECTED, read_time

TIME_NAMES = ("timestamp", "time", "date", "datetime")
PRICE_NAMES = ("open", "high", "low", "close")
COLUMNS = ("timestamp", *PRICE_NAMES, "volume")

T = TypeVar("T", int, float)

_SHOWN_CHARACTERS = 40


class Bar(NamedTuple):
    """One row; ``time`` in milliseconds since 1970 UTC."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Refused(ValueError):
    """A file that cannot be imported; ``row`` is the first bad one, ``None`` for the whole file."""

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message if row is None else f"row {row}: {message}")
        self.row = row


def read_csv(content: bytes) -> list[Bar]:
    """All bars of a file, oldest first as written.

    The first line names the columns, in any order and either case: a time (``timestamp``,
    ``time``, ``date`` or ``datetime``), ``open``, ``high``, ``low``, ``close`` and ``volume``.

    Raises:
        Refused: names the first row that cannot be used.
    """
    records = _records(_decode(content))
    header = next(records, None)
    if header is None:
        raise Refused("the file is empty")
    places = _places(header)
    bars: list[Bar] = []
    blank: int | None = None
    for row, cells in enumerate(records, start=2):
        if not any(cell.strip() for cell in cells):
            blank = blank or row
            continue
        if blank is not None:
            raise Refused("the row is empty", blank)
        bar = _bar(cells, places, len(header), row)
        if bars and bar.time <= bars[-1].time:
            repeated = bar.time == bars[-1].time
            raise Refused(
                "its time " + ("repeats" if repeated else "lies before") + f" row {row - 1}'s", row
            )
        bars.append(bar)
    if not bars:
        raise Refused("the file has a header and no rows")
    return bars


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise Refused("the file is not UTF-8 text", row) from None


def _records(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise Refused(f"not readable as CSV ({error})", reader.line_num) from None


def _places(header: Sequence[str]) -> list[int]:
    """Where each of COLUMNS stands in a row."""
    names = [name.strip().lower() for name in header]
    names = ["timestamp" if name in TIME_NAMES else name for name in names]
    for position, name in enumerate(names):
        if name not in COLUMNS:
            raise Refused(
                f"unknown column {_shown(header[position])}; the first line must name the columns "
                f"{','.join(COLUMNS)}, separated by commas",
                1,
            )
        if name in names[:position]:
            raise Refused(f"column {name} is named twice", 1)
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise Refused(f"no column {' or '.join(missing)}", 1)
    return [names.index(name) for name in COLUMNS]


def _bar(cells: Sequence[str], places: Sequence[int], width: int, row: int) -> Bar:
    if len(cells) != width:
        raise Refused(f"{len(cells)} columns where the header has {width}", row)
    time, *prices, volume = (cells[place].strip() for place in places)
    opened, high, low, close = (
        _read(_price, text, name, "a positive finite price", row)
        for name, text in zip(PRICE_NAMES, prices, strict=True)
    )
    bar = Bar(
        time=_read(read_time, time, "timestamp", EXPECTED, row),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=_read(_volume, volume, "volume", "a finite number of at least 0", row),
    )
    _check_range(bar, row)
    return bar


def _read(read: Callable[[str], T], text: str, name: str, expected: str, row: int) -> T:
    if not text:
        raise Refused(f"{name} is empty", row)
    try:
        return read(text)
    except (ValueError, OverflowError):
        raise Refused(f"{name} is {_shown(text)}, expected {expected}", row) from None


def _price(text: str) -> float:
    price = _number(text)
    if price <= 0.0:
        raise ValueError(text)
    return price


def _volume(text: str) -> float:
    volume = _number(text)
    if volume < 0.0:
        raise ValueError(text)
    return volume


def _number(text: str) -> float:
    """Python would also take ``1_000``, which no other program writes or reads."""
    number = float(text)
    if "_" in text or not math.isfinite(number):
        raise ValueError(text)
    return number


def _check_range(bar: Bar, row: int) -> None:
    if bar.high < bar.low:
        raise Refused(f"high {bar.high:g} is below low {bar.low:g}", row)
    for name, price in (("open", bar.open), ("close", bar.close)):
        if not bar.low <= price <= bar.high:
            raise Refused(
                f"{name} {price:g} lies outside low {bar.low:g} to high {bar.high:g}", row
            )


def _shown(text: str) -> str:
    shortened = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return repr(shortened)
