"""Candles in a bucket: one object a series, downloaded once and then mapped from the local disk.

The objects are those of a candle directory (:mod:`worker.adapters.candle_format`), so one can be
copied into the other. What a listing shows is kept as the object's own metadata, because two
objects cannot be replaced at once; a series without it is read to be described.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.candles import Candles
from worker.adapters import candle_format
from worker.adapters.candle_lookup import look_up, readable
from worker.adapters.gcs.bucket import Bucket
from worker.adapters.gcs.download_cache import DownloadCache
from worker.jobs.errors import BucketUnavailable, JobFailure
from worker.ports import CandleEntry
from worker.series_names import check_series_name

_MEDIA_TYPE = "application/octet-stream"

#: A series that is replaced during every one of so many downloads is given up.
_DOWNLOADS = 4


class GcsCandles:
    """The candle library of an installation. Readers and a writer may work at the same time.

    Every load asks for the current generation of the series, so a new import is seen at once.
    """

    def __init__(self, address: str, cache: DownloadCache) -> None:
        self._bucket = Bucket(address)
        self._cache = cache

    def load(
        self, symbol: str, timeframe: str, start: datetime | None, end: datetime | None
    ) -> Candles:
        return look_up(self, symbol, timeframe, start, end)

    def entries(self, damaged: Callable[[JobFailure], None] | None = None) -> Sequence[CandleEntry]:
        return self._entries("", damaged)

    def replace(self, candles: Candles) -> CandleEntry:
        """Store these bars in place of whatever is held for their symbol and timeframe.

        Raises:
            DataError: a bar that no run could use; nothing was changed.
            ValueError: a symbol or timeframe that no job can name.
            BucketUnavailable: nothing was changed.
        """
        check_series_name(candles.symbol, candles.timeframe)
        candles.validate()
        entry = candle_format.describe(candles)
        content = io.BytesIO()
        candle_format.write(content, candles)
        about = {name: str(value) for name, value in candle_format.to_plain(entry).items()}
        path = candle_format.path_of(candles.symbol, candles.timeframe)
        self._bucket.write(path, content, _MEDIA_TYPE, **about)
        return entry

    def series(self, symbol: str, timeframe: str) -> Candles | None:
        """A whole stored series."""
        path = candle_format.path_of(symbol, timeframe)
        for _ in range(_DOWNLOADS):
            found = self._bucket.find(path)
            if found is None:
                return None
            try:
                return self._mapped(found, symbol, timeframe)
            except FileNotFoundError:
                continue
        raise BucketUnavailable(f"{self._bucket.uri(path)} is being replaced all the time")

    def entries_of(self, symbol: str) -> Sequence[CandleEntry]:
        """The stored series of one symbol."""
        return self._entries(f"{candle_format.folder_of(symbol)}/")

    def _mapped(self, found: Any, symbol: str, timeframe: str) -> Candles:
        local = self._cache.fetch(
            f"{found.bucket.name}/{found.name}",
            found.generation,
            lambda file: self._bucket.download(found, file),
        )
        try:
            return candle_format.read(local, symbol, timeframe)
        except JobFailure:
            local.unlink(missing_ok=True)
            raise

    def _entries(
        self, prefix: str, damaged: Callable[[JobFailure], None] | None = None
    ) -> list[CandleEntry]:
        objects = {
            name: found
            for path, found in self._bucket.objects(prefix)
            if (name := candle_format.series_at(path)) is not None
        }

        def entry(symbol: str, timeframe: str) -> CandleEntry | None:
            about = objects[symbol, timeframe].metadata or {}
            return self._entry(symbol, timeframe, about)

        return readable(sorted(objects, key=candle_format.sort_key), entry, damaged)

    def _entry(self, symbol: str, timeframe: str, about: Mapping[str, str]) -> CandleEntry | None:
        try:
            return candle_format.from_plain(symbol, timeframe, about)
        except (ValueError, KeyError, TypeError):
            held = self.series(symbol, timeframe)
            return None if held is None else candle_format.describe(held)
