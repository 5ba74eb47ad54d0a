"""Candles in a directory: one NumPy file a series, mapped into memory when it is read.

``{directory}/{symbol, percent-encoded}/{timeframe}/candles.npy`` holds float64 of shape (6, n):
opening times in milliseconds since 1970 UTC, open, high, low, close, volume. ``about.json``
beside it holds what a listing shows, so that a listing reads no candles.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles, from_milliseconds
from engine.timeframes import TIMEFRAMES
from worker.adapters.atomic_files import replacing
from worker.jobs.errors import ErrorCode, JobFailure
from worker.ports import CandleEntry
from worker.series_names import check_series_name

CANDLES_FILE = "candles.npy"
ABOUT_FILE = "about.json"
_COLUMNS = 6


class CandleFiles:
    """The candle library of one machine. Readers and a writer may work at the same time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(
        self, symbol: str, timeframe: str, start: datetime | None, end: datetime | None
    ) -> Candles:
        try:
            held = self._held(symbol, timeframe)
        except FileNotFoundError:
            raise _not_found(symbol, timeframe, start, end, self._elsewhere(symbol)) from None
        chosen = held.between(start, end)
        if not len(chosen):
            raise _not_found(symbol, timeframe, start, end, f"held: {_range_of(held)}")
        return chosen

    def entries(self) -> Sequence[CandleEntry]:
        names = (
            (unquote(path.parent.parent.name), path.parent.name)
            for path in self._directory.glob(f"*/*/{CANDLES_FILE}")
        )
        order = list(TIMEFRAMES)
        known = [(symbol, timeframe) for symbol, timeframe in names if timeframe in TIMEFRAMES]
        known.sort(key=lambda name: (name[0], order.index(name[1])))
        return [self._entry(symbol, timeframe) for symbol, timeframe in known]

    def replace(self, candles: Candles) -> CandleEntry:
        """Store these bars in place of whatever is held for their symbol and timeframe.

        Raises:
            DataError: a bar that no run could use; nothing was changed.
            ValueError: a symbol or timeframe that no job can name.
        """
        check_series_name(candles.symbol, candles.timeframe)
        candles.validate()
        folder = self._folder(candles.symbol, candles.timeframe)
        entry = _describe(candles)
        # Between the two replacements there is no description, rather than one of other bars.
        (folder / ABOUT_FILE).unlink(missing_ok=True)
        with replacing(folder / CANDLES_FILE) as file:
            np.save(file, _table(candles), allow_pickle=False)
        with replacing(folder / ABOUT_FILE) as file:
            file.write(json.dumps(_to_json(entry), indent=2).encode())
        return entry

    def _folder(self, symbol: str, timeframe: str) -> Path:
        name = quote(symbol, safe="")
        # "." would be the directory itself.
        return self._directory / (f"%2E{name[1:]}" if name.startswith(".") else name) / timeframe

    def _held(self, symbol: str, timeframe: str) -> Candles:
        """The whole series, mapped copy-on-write: nothing is read before it is used."""
        try:
            check_series_name(symbol, timeframe)
        except ValueError:
            raise FileNotFoundError(symbol) from None
        path = self._folder(symbol, timeframe) / CANDLES_FILE
        try:
            table = np.load(path, mmap_mode="c", allow_pickle=False)
            return _candles(symbol, timeframe, table)
        except (ValueError, EOFError) as error:
            raise JobFailure(
                ErrorCode.DATA_INVALID,
                f"The stored candles of {symbol} {timeframe} cannot be read; import them again.",
            ) from error

    def _entry(self, symbol: str, timeframe: str) -> CandleEntry:
        try:
            about = json.loads((self._folder(symbol, timeframe) / ABOUT_FILE).read_bytes())
            return _from_json(symbol, timeframe, about)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return _describe(self._held(symbol, timeframe))

    def _elsewhere(self, symbol: str) -> str:
        """What is held of a symbol whose asked timeframe is missing."""
        held = [entry for entry in self.entries() if entry.symbol == symbol]
        if not held:
            return f"nothing is held for {symbol[:40]}"
        return "held: " + ", ".join(
            f"{entry.timeframe} from {_text(entry.first)} to {_text(entry.last)}" for entry in held
        )


def _table(candles: Candles) -> NDArray[np.float64]:
    return np.stack(
        [
            candles.times.astype(np.float64),
            candles.open,
            candles.high,
            candles.low,
            candles.close,
            candles.volume,
        ]
    )


def _candles(symbol: str, timeframe: str, table: NDArray[Any]) -> Candles:
    if table.ndim != 2 or table.shape[0] != _COLUMNS or table.dtype != np.float64:
        raise ValueError(f"shape {table.shape} of {table.dtype}")
    if not table.shape[1]:
        raise ValueError("no rows")
    times, *columns = table
    return Candles(symbol, timeframe, times.astype(np.int64), *columns)


def _describe(candles: Candles) -> CandleEntry:
    return CandleEntry(
        symbol=candles.symbol,
        timeframe=candles.timeframe,
        rows=len(candles),
        first=from_milliseconds(candles.times[0]),
        last=from_milliseconds(candles.times[-1]),
        fingerprint=candles.fingerprint(),
    )


def _to_json(entry: CandleEntry) -> dict[str, Any]:
    return {
        "symbol": entry.symbol,
        "timeframe": entry.timeframe,
        "rows": entry.rows,
        "first": entry.first.isoformat(),
        "last": entry.last.isoformat(),
        "fingerprint": entry.fingerprint,
    }


def _from_json(symbol: str, timeframe: str, about: Any) -> CandleEntry:
    return CandleEntry(
        symbol=symbol,
        timeframe=timeframe,
        rows=int(about["rows"]),
        first=datetime.fromisoformat(about["first"]),
        last=datetime.fromisoformat(about["last"]),
        fingerprint=str(about["fingerprint"]),
    )


def _not_found(
    symbol: str, timeframe: str, start: datetime | None, end: datetime | None, held: str
) -> JobFailure:
    since = f" from {_text(start)}" if start else ""
    until = f" to {_text(end)}" if end else ""
    return JobFailure(
        ErrorCode.DATA_NOT_FOUND,
        f"No candles for {symbol[:40]} {timeframe[:40]}{since}{until}; {held}.",
    )


def _range_of(candles: Candles) -> str:
    first = from_milliseconds(candles.times[0])
    last = from_milliseconds(candles.times[-1])
    return f"{_text(first)} to {_text(last)}"


def _text(moment: datetime) -> str:
    midnight = moment.hour == moment.minute == moment.second == moment.microsecond == 0
    return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
