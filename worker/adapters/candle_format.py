"""How a series of candles is stored, in a directory and in a bucket alike.

``{symbol, percent-encoded}/{timeframe}/candles.npy`` holds a NumPy array of float64 of shape
(6, n): opening times in milliseconds since 1970 UTC, open, high, low, close, volume.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles, from_milliseconds
from engine.timeframes import TIMEFRAMES
from worker.jobs.errors import ErrorCode, JobFailure
from worker.ports import CandleEntry

CANDLES_FILE = "candles.npy"
_COLUMNS = 6
_PARTS = 3


def folder_of(symbol: str) -> str:
    """The name under which everything of a symbol is stored."""
    name = quote(symbol, safe="")
    # "." would be the directory itself.
    return f"%2E{name[1:]}" if name.startswith(".") else name


def path_of(symbol: str, timeframe: str) -> str:
    """Where a series is stored, below the root of the library."""
    return f"{folder_of(symbol)}/{timeframe}/{CANDLES_FILE}"


def series_at(path: str) -> tuple[str, str] | None:
    """Symbol and timeframe of the series at a path; ``None`` if no series is stored like that."""
    parts = path.split("/")
    if len(parts) != _PARTS or parts[2] != CANDLES_FILE or parts[1] not in TIMEFRAMES:
        return None
    return unquote(parts[0]), parts[1]


def write(file: IO[bytes], candles: Candles) -> None:
    """Write a series as it is stored."""
    columns = [candles.open, candles.high, candles.low, candles.close, candles.volume]
    np.save(file, np.stack([candles.times.astype(np.float64), *columns]), allow_pickle=False)


def read(path: Path, symbol: str, timeframe: str) -> Candles:
    """A stored series, mapped copy-on-write: nothing is read before it is used.

    Raises:
        FileNotFoundError: there is no such file.
        JobFailure: DATA_INVALID, the file holds something else.
    """
    try:
        return _candles(symbol, timeframe, np.load(path, mmap_mode="c", allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise unreadable(symbol, timeframe) from error


def unreadable(symbol: str, timeframe: str) -> JobFailure:
    """What is said of a series whose file holds something else."""
    return JobFailure(
        ErrorCode.DATA_INVALID,
        f"The stored candles of {symbol} {timeframe} cannot be read; import them again.",
    )


def describe(candles: Candles) -> CandleEntry:
    """What a listing shows of a series of at least one bar."""
    return CandleEntry(
        symbol=candles.symbol,
        timeframe=candles.timeframe,
        rows=len(candles),
        first=from_milliseconds(candles.times[0]),
        last=from_milliseconds(candles.times[-1]),
        fingerprint=candles.fingerprint(),
    )


def to_plain(entry: CandleEntry) -> dict[str, Any]:
    """An entry as plain data."""
    return {
        "symbol": entry.symbol,
        "timeframe": entry.timeframe,
        "rows": entry.rows,
        "first": entry.first.isoformat(),
        "last": entry.last.isoformat(),
        "fingerprint": entry.fingerprint,
    }


def from_plain(symbol: str, timeframe: str, about: Mapping[str, Any]) -> CandleEntry:
    """The entry that :func:`to_plain` wrote; a number may have become text.

    Raises:
        ValueError, KeyError, TypeError: it was something else.
    """
    return CandleEntry(
        symbol=symbol,
        timeframe=timeframe,
        rows=int(about["rows"]),
        first=datetime.fromisoformat(about["first"]),
        last=datetime.fromisoformat(about["last"]),
        fingerprint=str(about["fingerprint"]),
    )


def sort_key(entry: tuple[str, str]) -> tuple[str, int]:
    """Sorts (symbol, timeframe) by symbol, then by length of bar."""
    symbol, timeframe = entry
    return symbol, TIMEFRAMES[timeframe]


def _candles(symbol: str, timeframe: str, table: NDArray[Any]) -> Candles:
    if table.ndim != 2 or table.shape[0] != _COLUMNS or table.dtype != np.float64:
        raise ValueError(f"shape {table.shape} of {table.dtype}")
    if not table.shape[1]:
        raise ValueError("no rows")
    times, *columns = table
    return Candles(symbol, timeframe, times.astype(np.int64), *columns)
