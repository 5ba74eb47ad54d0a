"""Validated columns of candles: opening time, open, high, low, close, volume."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.dates import milliseconds_of
from engine.errors import DataError

PRICE_COLUMNS = ("open", "high", "low", "close")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PART_BARS = 8_192


@lru_cache(maxsize=64)
def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC of an aware time, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(time: int) -> datetime:
    """The UTC time of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=int(time))


def _column(values: Any, dtype: type[np.generic]) -> NDArray[Any]:
    """One layout for every column, so that each kernel is compiled for one type of array."""
    column = np.ascontiguousarray(values, dtype=dtype)
    return column if column.flags.writeable else column.copy()


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A copy of a column that somebody gave."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name}: expected numbers ({error})") from None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Candles:
    """Bars of one symbol, oldest first.

    ``times`` are opening times in milliseconds since 1970 UTC (int64); the other columns are
    float64. All columns have one length; nobody writes into them. Runs rely on that: the first one
    looks at every bar, later ones over the same candles do not look again.
    """

    symbol: str
    timeframe: str
    times: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    #: Whether every bar is known to be one that a run can use.
    is_usable: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", _column(self.times, np.int64))
        for name in (*PRICE_COLUMNS, "volume"):
            object.__setattr__(self, name, _column(getattr(self, name), np.float64))
        for name in ("times", *PRICE_COLUMNS, "volume"):
            shape = getattr(self, name).shape
            if shape != (len(self.times),):
                raise DataError(f"column {name} has shape {shape}, not ({len(self.times)},)")

    @classmethod
    def from_closes(
        cls, symbol: str, timeframe: str, times: ArrayLike, closes: ArrayLike
    ) -> "Candles":
        """Bars whose open, high, low and close are one price; volume is 0."""
        close = np.array(closes, dtype=np.float64)
        volume = np.zeros(len(close))
        return cls(symbol, timeframe, np.asarray(times), close, close, close, close, volume)

    @classmethod
    def from_columns(
        cls,
        symbol: str,
        timeframe: str,
        times: ArrayLike,
        open: ArrayLike,
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike | None = None,
    ) -> "Candles":
        """Checked bars from anything NumPy takes for columns, those of a data frame for instance.

        ``times`` are opening times: datetime64, datetimes or ISO texts (UTC without an offset), or
        whole milliseconds since 1970. Without ``volume`` it is 0. All are copied: whoever has them
        may go on writing into them.

        Raises:
            DataError: columns of different lengths or not of numbers, or a bad bar, as
                :meth:`validate` says.
        """
        moments = milliseconds_of(times)
        traded = np.zeros(len(moments)) if volume is None else volume
        given = zip((*PRICE_COLUMNS, "volume"), (open, high, low, close, traded), strict=True)
        columns = [_numbers(name, column) for name, column in given]
        candles = cls(symbol, timeframe, moments, *columns)
        candles.validate()
        return candles

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        span = f", {self._name(0)} … {self._name(len(self) - 1)}" if len(self) else ""
        return f"Candles({self.symbol!r}, {self.timeframe!r}, {len(self)} bars{span})"

    def time_of(self, bar: int) -> datetime:
        """When a bar opens, UTC."""
        return from_milliseconds(self.times[bar])

    def validate(self) -> None:
        """Check every bar as :meth:`validate_usable` does, and that it is consistent in itself:
        open and close lie inside low…high.

        Raises:
            DataError: names the first bad bar (``bar`` is its position, from 0).
        """
        self._refuse([*self._unusable(), *self._inconsistent()])
        self.mark_usable()

    def validate_usable(self) -> None:
        """Check that a run can make numbers of every bar: times rise, prices are finite and
        positive, high is not below low, volume is finite and not negative.

        Raises:
            DataError: names the first bad bar.
        """
        self._refuse([*self._unusable()])
        self.mark_usable()

    def mark_usable(self) -> None:
        """Take note that :meth:`validate_usable` finds nothing wrong."""
        object.__setattr__(self, "is_usable", True)

    def _refuse(self, rules: Sequence[tuple[NDArray[np.bool_], str]]) -> None:
        complaints = [(int(np.argmax(broken)), text) for broken, text in rules if broken.any()]
        for bar, complaint in sorted(complaints):
            raise DataError(f"{self.symbol} {self.timeframe}, {self._name(bar)}: {complaint}", bar)

    def _unusable(self) -> Iterator[tuple[NDArray[np.bool_], str]]:
        """For each rule the bars that break it, and what is wrong with them."""
        if len(self) > 1:
            unordered = np.concatenate(([False], self.times[1:] <= self.times[:-1]))
            yield unordered, "its time is not after the previous bar's"
        for name in PRICE_COLUMNS:
            price = getattr(self, name)
            yield ~(np.isfinite(price) & (price > 0.0)), f"{name} is not a positive finite price"
        yield self.high < self.low, "high is below low"
        good = np.isfinite(self.volume) & (self.volume >= 0.0)
        yield ~good, "volume is not a finite number of at least 0"

    def _inconsistent(self) -> Iterator[tuple[NDArray[np.bool_], str]]:
        for name in ("open", "close"):
            price = getattr(self, name)
            yield (price > self.high) | (price < self.low), f"{name} lies outside low…high"

    def _name(self, bar: int) -> str:
        try:
            return f"bar {bar} ({self.time_of(bar):%Y-%m-%dT%H:%M:%SZ})"
        except OverflowError:
            return f"bar {bar}"

    def between(self, start: datetime | None, end: datetime | None) -> "Candles":
        """The bars that open in [start, end]; ``None`` leaves that side open."""
        first = 0
        last = len(self.times)
        if start is not None and last > 0:
            first = int(self.times.searchsorted(_at_or_after(start), side="left"))
        if end is not None:
            last = int(self.times.searchsorted(to_milliseconds(end), side="right"))
        if first == 0 and last == len(self.times):
            return self
        return self.rows(first, max(first, last))

    def rows(self, first: int, last: int) -> "Candles":
        """The bars first, …, last − 1, without copying."""
        chosen = slice(first, last)
        part = Candles(
            self.symbol,
            self.timeframe,
            self.times[chosen],
            self.open[chosen],
            self.high[chosen],
            self.low[chosen],
            self.close[chosen],
            self.volume[chosen],
        )
        if self.is_usable:
            part.mark_usable()
        return part

    def fingerprint(self) -> str:
        """``sha256:`` and the hash of the bars' times and values, whatever their name or source."""
        digest = hashlib.sha256()
        for part in _parts(self.times):
            digest.update(part.astype("<i8", copy=False).data)
        plain = np.empty(min(len(self), _PART_BARS), "<f8")
        for name in (*PRICE_COLUMNS, "volume"):
            for part in _parts(getattr(self, name)):
                # Adding 0.0 makes -0.0 and 0.0 one value.
                digest.update(np.add(part, 0.0, out=plain[: len(part)]).data)
        return f"sha256:{digest.hexdigest()}"


def _parts(column: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """A column bit by bit, so that no copy of all of it is needed."""
    for first in range(0, len(column), _PART_BARS):
        yield column[first : first + _PART_BARS]


@lru_cache(maxsize=64)
def _at_or_after(moment: datetime) -> int:
    """The first whole millisecond at or after ``moment``."""
    return -((_EPOCH - moment) // _MILLISECOND)
