"""Candles in a directory: one NumPy file a series, mapped into memory when it is read.

The layout is that of :mod:`worker.adapters.candle_format`. ``about.json`` beside each series holds
what a listing shows, so that a listing reads no candles.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from engine.candles import Candles
from worker.adapters import candle_format
from worker.adapters.atomic_files import replacing
from worker.adapters.candle_format import CANDLES_FILE
from worker.adapters.candle_lookup import look_up, readable
from worker.jobs.errors import JobFailure
from worker.ports import CandleEntry
from worker.series_names import check_series_name

ABOUT_FILE = "about.json"


class CandleFiles:
    """The candle library of one machine. Readers and a writer may work at the same time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(
        self, symbol: str, timeframe: str, start: datetime | None, end: datetime | None
    ) -> Candles:
        return look_up(self, symbol, timeframe, start, end)

    def entries(self, damaged: Callable[[JobFailure], None] | None = None) -> Sequence[CandleEntry]:
        return self._entries(f"*/*/{CANDLES_FILE}", damaged)

    def replace(self, candles: Candles) -> CandleEntry:
        """Store these bars in place of whatever is held for their symbol and timeframe.

        Raises:
            DataError: a bar that no run could use; nothing was changed.
            ValueError: a symbol or timeframe that no job can name.
        """
        check_series_name(candles.symbol, candles.timeframe)
        candles.validate()
        path = self._path(candles.symbol, candles.timeframe)
        about = path.with_name(ABOUT_FILE)
        entry = candle_format.describe(candles)
        # Between the two replacements there is no description, rather than one of other bars.
        about.unlink(missing_ok=True)
        with replacing(path) as file:
            candle_format.write(file, candles)
        with replacing(about) as file:
            file.write(json.dumps(candle_format.to_plain(entry), indent=2).encode())
        return entry

    def series(self, symbol: str, timeframe: str) -> Candles | None:
        """A whole stored series."""
        try:
            return candle_format.read(self._path(symbol, timeframe), symbol, timeframe)
        except FileNotFoundError:
            return None

    def entries_of(self, symbol: str) -> Sequence[CandleEntry]:
        """The stored series of one symbol."""
        return self._entries(f"{candle_format.folder_of(symbol)}/*/{CANDLES_FILE}")

    def _path(self, symbol: str, timeframe: str) -> Path:
        return self._directory / candle_format.path_of(symbol, timeframe)

    def _entries(
        self, pattern: str, damaged: Callable[[JobFailure], None] | None = None
    ) -> list[CandleEntry]:
        paths = (
            path.relative_to(self._directory).as_posix() for path in self._directory.glob(pattern)
        )
        names = [name for name in map(candle_format.series_at, paths) if name is not None]
        return readable(sorted(names, key=candle_format.sort_key), self._entry, damaged)

    def _entry(self, symbol: str, timeframe: str) -> CandleEntry | None:
        try:
            about = self._path(symbol, timeframe).with_name(ABOUT_FILE).read_bytes()
            return candle_format.from_plain(symbol, timeframe, json.loads(about))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            held = self.series(symbol, timeframe)
            return None if held is None else candle_format.describe(held)
