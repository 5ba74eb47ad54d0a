"""One bar from the cells of a row, and a series from many: checked, and put in order.

Every importer hands its rows to this module, so that all of them refuse the same things.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from worker.candle_times import EXPECTED, read_time

PRICE_NAMES = ("open", "high", "low", "close")

#: A cell as a file holds it: text, or a number or time of a typed file; None is an empty one.
Cell = object

T = TypeVar("T", int, float)

NEWEST_FIRST = "the file runs newest first and was turned round"

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


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The bars of one file, oldest first, as columns: years of minutes would not fit as objects.

    ``times`` (int64, milliseconds since 1970 UTC) and ``numbers`` (int64, the row that each bar
    stood in) have shape (n,); ``values`` (float64: open, high, low, close, volume) has (5, n).
    ``notes`` are remarks for a person.
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    numbers: NDArray[np.int64]
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.times)

    def bar(self, index: int) -> Bar:
        return Bar(int(self.times[index]), *(float(value) for value in self.values[:, index]))


def read_bar(cells: Sequence[Cell], row: int) -> Bar:
    """A bar from time, open, high, low, close and volume.

    Raises:
        Refused: names the row and the first column that cannot be used.
    """
    time, *prices, volume = cells
    opened, high, low, close = (
        _read(_price, cell, name, "a positive finite price", row)
        for name, cell in zip(PRICE_NAMES, prices, strict=True)
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


def in_order(bars: Iterable[tuple[int, Bar]], notes: Sequence[str]) -> Rows:
    """The series of these rows, oldest first; a file that runs newest first is turned round.

    Raises:
        Refused: a row whose time repeats the one before or breaks the order of the file.
    """
    times, numbers = array("q"), array("q")
    values = array("d")
    newest_first = False
    for row, bar in bars:
        if times:
            step = bar.time - times[-1]
            if len(times) == 1:
                newest_first = step < 0
            if step == 0 or (step < 0) != newest_first:
                raise Refused(_disorder(step, newest_first, numbers[-1]), row)
        times.append(bar.time)
        numbers.append(row)
        values.extend(bar[1:])
    order = slice(None, None, -1 if newest_first else 1)
    return Rows(
        times=np.frombuffer(times, np.int64)[order],
        values=np.frombuffer(values, np.float64).reshape(-1, 5).T[:, order],
        numbers=np.frombuffer(numbers, np.int64)[order],
        notes=[*notes, *([NEWEST_FIRST] if newest_first else [])],
    )


def shown(cell: Cell) -> str:
    """A cell as a message quotes it: never longer than a line."""
    text = repr(cell) if isinstance(cell, str | int | float) else repr(str(cell))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _disorder(step: int, newest_first: bool, before: int) -> str:
    if step == 0:
        return f"its time repeats row {before}'s"
    if newest_first:
        return f"its time lies after row {before}'s, and the file runs newest first"
    return f"its time lies before row {before}'s"


def _read(read: Callable[[Cell], T], cell: Cell, name: str, expected: str, row: int) -> T:
    if cell is None or cell == "":
        raise Refused(f"{name} is empty", row)
    try:
        return read(cell)
    except (ValueError, OverflowError, TypeError):
        raise Refused(f"{name} is {shown(cell)}, expected {expected}", row) from None


def _price(cell: Cell) -> float:
    price = _number(cell)
    if price <= 0.0:
        raise ValueError
    return price


def _volume(cell: Cell) -> float:
    volume = _number(cell)
    if volume < 0.0:
        raise ValueError
    return volume


def _number(cell: Cell) -> float:
    """Python would also take ``1_000``, which no other program writes or reads, and ``True``."""
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):
        raise ValueError
    number = float(cell)  # type: ignore[arg-type]  # raises of what it cannot read
    if not math.isfinite(number):
        raise ValueError
    return number


def _check_range(bar: Bar, row: int) -> None:
    if bar.high < bar.low:
        raise Refused(f"high {bar.high:g} is below low {bar.low:g}", row)
    for name, price in (("open", bar.open), ("close", bar.close)):
        if not bar.low <= price <= bar.high:
            raise Refused(
                f"{name} {price:g} lies outside low {bar.low:g} to high {bar.high:g}", row
            )
