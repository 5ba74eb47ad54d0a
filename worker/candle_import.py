"""Import candle files: everything is checked first, then the stored series is replaced at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles, from_milliseconds
from engine.timeframes import DAY, TIMEFRAMES
from worker.candle_csv import Bar, Refused, read_csv
from worker.ports import CandleEntry, CandleLibrary
from worker.series_names import check_series_name

#: Markets with sessions close for long weekends: up to this long without a bar is no gap.
LONG_WEEKEND = 4 * DAY

#: More Saturday bars than this: the market never closes.
SATURDAY_SHARE = 0.05

_SATURDAY = 5
#: 1970-01-01 was a Thursday, weekday 3 when Monday is 0.
_FIRST_WEEKDAY = 3


class ImportRefused(Exception):
    """Nothing was imported; the message names the file and the row."""


@dataclass(frozen=True, slots=True)
class Gap:
    """No bar opens between ``after`` and ``before``, for longer than the market usually rests."""

    after: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What is stored now, and what looks odd about it."""

    entry: CandleEntry
    gaps: Sequence[Gap]


def import_files(
    library: CandleLibrary, paths: Sequence[Path], symbol: str, timeframe: str
) -> ImportReport:
    """Replace the stored series by the bars of these CSV files together.

    Several files are put in order by their first bar and must not overlap.

    Raises:
        ImportRefused: a file or row that cannot be used; what was stored before stays.
    """
    try:
        check_series_name(symbol, timeframe)
    except ValueError as error:
        raise ImportRefused(str(error)) from None
    candles = _candles(symbol, timeframe, _joined([(path, _bars(path)) for path in paths]))
    return ImportReport(library.replace(candles), find_gaps(candles))


def find_gaps(candles: Candles) -> list[Gap]:
    """Stretches without bars: longer than one bar around the clock, than a long weekend else."""
    allowed = TIMEFRAMES[candles.timeframe]
    if not _never_closes(candles.times):
        allowed = max(allowed, LONG_WEEKEND)
    wide = np.flatnonzero(np.diff(candles.times) > allowed)
    return [
        Gap(from_milliseconds(candles.times[i]), from_milliseconds(candles.times[i + 1]))
        for i in wide
    ]


def _never_closes(times: NDArray[np.int64]) -> bool:
    weekdays = (times // DAY + _FIRST_WEEKDAY) % 7
    return bool(np.mean(weekdays == _SATURDAY) > SATURDAY_SHARE)


def _bars(path: Path) -> list[Bar]:
    try:
        return read_csv(path.read_bytes())
    except Refused as refused:
        raise ImportRefused(f"{path.name}, {refused}") from None
    except OSError as error:
        raise ImportRefused(f"{path}: {error.strerror}") from None


def _joined(files: list[tuple[Path, list[Bar]]]) -> list[Bar]:
    if not files:
        raise ImportRefused("no file was named")
    files.sort(key=lambda file: file[1][0].time)
    joined: list[Bar] = []
    earlier: Path | None = None
    for path, bars in files:
        if joined and bars[0].time <= joined[-1].time:
            raise ImportRefused(
                f"{path.name}, row 2: its time is not after the last row of "
                f"{earlier.name if earlier else 'the file before'}"
            )
        joined += bars
        earlier = path
    return joined


def _candles(symbol: str, timeframe: str, bars: list[Bar]) -> Candles:
    columns = [np.array(column) for column in zip(*bars, strict=True)]
    return Candles(symbol, timeframe, *columns)
