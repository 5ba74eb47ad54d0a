"""The series that some variants look at, and what the kernels need to make them tile by tile."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.indicator_parameters import (
    COLUMNS,
    OUTPUTS,
    Atr,
    Average,
    Bollinger,
    Donchian,
    Indicator,
    Macd,
    Roc,
    Rsi,
    Stochastic,
    Supertrend,
)
from engine.simulation import FloatArray, IntArray
from engine.sweeps import makers as m
from engine.sweeps.average_makers import mean_of
from engine.sweeps.plane_kernels import TILE_BARS
from engine.sweeps.programs import SeriesKey
from engine.sweeps.shared import Data, Shared

#: Sums of at most this many units of 1e-8 are exact in a float, and as running totals.
_EXACT = 2.0**53
_EXACT_TOTAL = 2.0**62
#: A longer simple average is summed by itself: the window of running totals has to reach back.
LONGEST_REACH = 16 * 1024
_NUMBER_BYTES = 8
#: Which outputs a maker writes; one of ``OUTPUTS`` is another's name.
_WRITTEN = {**OUTPUTS, "stochRsi": ("", ".d")}


def first_defined(indicator: Indicator) -> int:
    """The first bar on which any output of an indicator has a value."""
    if isinstance(indicator, Average | Bollinger):
        return indicator.period - 1
    if isinstance(indicator, Macd):
        return indicator.slow + indicator.signal - 2
    if isinstance(indicator, Stochastic):
        return indicator.fast_k + indicator.slow_k + indicator.slow_d - 3
    if isinstance(indicator, Rsi | Roc | Atr | Supertrend | Donchian):
        return indicator.period
    return indicator.period + indicator.fast_k + indicator.fast_d - 2


def is_from_totals(average: Average, data: Data, shared: Shared) -> bool:
    """Whether a simple average can be had from running totals, which are exact then."""
    largest = shared.largest_units(data, average.source)
    return (
        average.period <= LONGEST_REACH
        and average.period * largest < _EXACT
        and len(data.bars) * largest < _EXACT_TOTAL
    )


def kept_numbers(indicator: Indicator, bars: int) -> tuple[int, int]:
    """How many floats and how many places a maker keeps from tile to tile."""
    if first_defined(indicator) >= bars:
        return 0, 0
    if isinstance(indicator, Donchian):
        return 0, 2 * (indicator.period + 2)
    if isinstance(indicator, Stochastic):
        return indicator.slow_k + indicator.slow_d, 2 * (indicator.fast_k + 2)
    if indicator.type == "stochRsi":
        return indicator.fast_k + indicator.fast_d, 2 * (indicator.fast_k + 2)
    return 0, 0


def series_bytes(key: SeriesKey, bars: int) -> int:
    """What one more series takes while it is made."""
    kept = kept_numbers(key[0].indicator, bars) if isinstance(key, tuple) else (0, 0)
    return _NUMBER_BYTES * (TILE_BARS + m.MAKER_NUMBERS + m.STATE_NUMBERS + kept[0] + kept[1])


class SeriesTable:
    """Some series in the order in which they were asked for: the arrays of ``advance_series``."""

    def __init__(self, keys: Sequence[SeriesKey], shared: Shared, data: Data) -> None:
        self._shared = shared
        self._data = data
        self._sources: list[str] = []
        self._made: list[list[int]] = []
        self._states: list[list[float]] = []
        self._kept_count = 0
        self._place_count = 0
        reach = 0
        rows = {key: row for row, key in enumerate(keys)}
        for known in dict.fromkeys(key[0] for key in keys if isinstance(key, tuple)):
            indicator = known.indicator
            outs = [rows.get((known, name), len(keys)) for name in _WRITTEN[indicator.type]]
            if first_defined(indicator) >= len(data.bars):
                for out in outs:
                    self._add(m.CONSTANT, outs=[out], factor=math.nan)
            else:
                self._add_indicator(indicator, outs)
                if self._made[-1][m.M_KIND] == m.WHOLE_AVERAGE:
                    reach = max(reach, self._made[-1][m.M_FIRST])
        for key, row in rows.items():
            if isinstance(key, str):
                self._add(m.COLUMN, COLUMNS.index(key), outs=[row])
            elif isinstance(key, float):
                self._add(m.CONSTANT, outs=[row], factor=key)
        self.makers: IntArray = np.array(self._made, np.int64).reshape(-1, m.MAKER_NUMBERS)
        for column in (m.M_OUT_2, m.M_OUT_3):
            self.makers[self.makers[:, column] < 0, column] = len(keys)
        self.state: FloatArray = np.array(self._states).reshape(-1, m.STATE_NUMBERS)
        self.kept: FloatArray = np.zeros(self._kept_count)
        self.places: IntArray = np.zeros(self._place_count, np.int64)
        self.sources: IntArray = np.array([COLUMNS.index(one) for one in self._sources], np.int64)
        self.totals: IntArray = np.zeros((len(self._sources), reach + 1 + TILE_BARS), np.int64)
        self.values: FloatArray = np.zeros((len(keys) + 1, TILE_BARS))
        self.is_clean: NDArray[np.bool_] = np.zeros(len(keys) + 1, np.bool_)

    def _add(
        self,
        kind: int,
        source: int = 0,
        periods: Sequence[int] = (),
        outs: Sequence[int] = (),
        state: Sequence[float] = (),
        factor: float = 0.0,
    ) -> None:
        numbers = [kind, source, *periods, *[0] * (3 - len(periods))]
        self._made.append(
            [*numbers, *outs, *[-1] * (3 - len(outs)), self._kept_count, self._place_count]
        )
        self._states.append([*state, *[0.0] * (m.S_FACTOR - len(state)), factor])

    def _add_indicator(self, one: Indicator, outs: list[int]) -> None:
        source = COLUMNS.index(getattr(one, "source", "close"))
        values = getattr(self._data.bars, COLUMNS[source])
        if isinstance(one, Average):
            self._add_average(one, source, outs)
        elif isinstance(one, Macd):
            seeds = [mean_of(values, one.slow - span, one.slow) for span in (one.fast, one.slow)]
            self._add(m.MACD, source, (one.fast, one.slow, one.signal), outs, seeds)
        elif isinstance(one, Bollinger):
            self._add(m.BANDS, source, (one.period,), outs, factor=one.deviations)
        elif isinstance(one, Supertrend):
            self._add(m.TREND, source, (one.period,), outs, factor=one.multiplier)
        elif isinstance(one, Stochastic):
            spans = (one.fast_k, one.slow_k, one.slow_d)
            self._add(m.OSCILLATOR, source, spans, outs)
        elif isinstance(one, Donchian):
            self._add(m.CHANNEL, source, (one.period,), outs)
        elif isinstance(one, Rsi | Roc | Atr):
            kinds = {"rsi": m.STRENGTH, "roc": m.CHANGE_RATE, "atr": m.TRUE_RANGE}
            self._add(kinds[one.type], source, (one.period,), outs)
        else:
            spans = (one.period, one.fast_k, one.fast_d)
            self._add(m.STRENGTH_OSCILLATOR, source, spans, outs)
        kept, places = kept_numbers(one, len(self._data.bars))
        self._kept_count += kept
        self._place_count += places

    def _add_average(self, average: Average, column: int, outs: list[int]) -> None:
        values = getattr(self._data.bars, average.source)
        if average.type == "sma" and is_from_totals(average, self._data, self._shared):
            if average.source not in self._sources:
                self._sources.append(average.source)
            row = self._sources.index(average.source)
            self._add(m.WHOLE_AVERAGE, row, (average.period,), outs)
        elif average.type == "ema":
            seed = mean_of(values, 0, average.period)
            self._add(m.EXPONENTIAL_AVERAGE, column, (average.period,), outs, (seed,))
        else:
            kind = m.WEIGHTED_AVERAGE if average.type == "wma" else m.SIMPLE_AVERAGE
            self._add(kind, column, (average.period,), outs)
