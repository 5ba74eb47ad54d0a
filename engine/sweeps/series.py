"""Where a program's series come from, tile by tile: computed on the way if that can be done."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.indicator_parameters import COLUMNS, Average
from engine.indicators.averages import exponential_mean
from engine.simulation import FloatArray, IntArray
from engine.sweeps.plane_kernels import TILE_BARS
from engine.sweeps.programs import SeriesKey
from engine.sweeps.series_kernels import (
    COLUMN,
    CONSTANT,
    EXPONENTIAL_AVERAGE,
    SERIES_NUMBERS,
    SIMPLE_AVERAGE,
    STORED,
)
from engine.sweeps.shared import Data, Shared

#: Sums of at most this many units of 1e-8 are exact in a float.
_EXACT = 2.0**53


def is_computed_on_the_way(key: SeriesKey, shared: Shared, data: Data) -> bool:
    """Whether a series needs no array of all bars."""
    if not isinstance(key, tuple):
        return True
    indicator, _ = key
    if not isinstance(indicator, Average) or indicator.type == "wma":
        return False
    if indicator.type == "ema":
        return True
    return indicator.period * shared.totals(data, indicator.source).largest < _EXACT


@dataclass(frozen=True, slots=True, eq=False)
class SeriesTable:
    """The series of one program as ``advance_series`` takes them, and its scratch."""

    totals: IntArray
    stored: FloatArray
    series: IntArray
    state: FloatArray
    values: FloatArray
    is_clean: NDArray[np.bool_]


def series_table(keys: list[SeriesKey], shared: Shared, data: Data) -> SeriesTable:
    """A row for each of ``keys``, before the first tile."""
    series = np.zeros((len(keys), SERIES_NUMBERS), np.int64)
    state = np.zeros(len(keys))
    stored: list[FloatArray] = []
    sources: list[str] = []
    for row, key in enumerate(keys):
        if isinstance(key, str):
            series[row] = COLUMN, COLUMNS.index(key), 0
        elif isinstance(key, float):
            series[row] = CONSTANT, 0, 0
            state[row] = key
        elif not is_computed_on_the_way(key, shared, data):
            series[row] = STORED, len(stored), 0
            stored.append(shared.outputs(data, key[0], data.bars)[key[1]])
        else:
            indicator = key[0]
            assert isinstance(indicator, Average)
            if indicator.type == "ema":
                column = COLUMNS.index(indicator.source)
                series[row] = EXPONENTIAL_AVERAGE, column, indicator.period
                state[row] = _seed(getattr(data.bars, indicator.source), indicator.period)
            else:
                if indicator.source not in sources:
                    sources.append(indicator.source)
                series[row] = SIMPLE_AVERAGE, sources.index(indicator.source), indicator.period
    return SeriesTable(
        totals=_rows([shared.totals(data, source).sums for source in sources], np.int64),
        stored=_rows(stored, np.float64),
        series=series,
        state=state,
        values=np.zeros((len(keys), TILE_BARS)),
        is_clean=np.zeros(len(keys), np.bool_),
    )


def _seed(values: FloatArray, period: int) -> float:
    """An exponential average's first value; any number where there is none."""
    if period > len(values):
        return 0.0
    return float(exponential_mean(values[:period], period, 0)[period - 1])


def _rows(
    arrays: list[NDArray[np.generic]] | list[IntArray] | list[FloatArray], kind: type
) -> NDArray:  # type: ignore[type-arg]
    if not arrays:
        return np.zeros((1, 1), kind)
    return arrays[0].reshape(1, -1) if len(arrays) == 1 else np.stack(arrays)
