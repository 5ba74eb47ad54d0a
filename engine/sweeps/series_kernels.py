"""Indicator values of one tile after the other, so that no indicator is held for all bars.

Each kernel gives the very numbers of ``engine.indicators``: whole sums from running totals that
are exact, recursions from where they stood.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.indicators.exact_sums import UNITS, in_units
from engine.simulation import FloatArray, IntArray

#: Kinds of series. ``STORED`` ones are copied from an array of all bars.
COLUMN, CONSTANT, SIMPLE_AVERAGE, EXPONENTIAL_AVERAGE, STORED = range(5)
#: Columns of a series' row of whole numbers.
S_KIND, S_SOURCE, S_PERIOD = range(3)
SERIES_NUMBERS = 3


@kernel
def running_totals(values: FloatArray, totals: IntArray) -> float:
    """Write the exact sums of values[:i] in units of 1e-8 to totals[i].

    Returns the largest number of units, or infinity if a value is no whole number of them or the
    sums do not fit; then ``totals`` are not to be used.
    """
    largest = 0.0
    totals[0] = 0
    for i in range(len(values)):
        whole, rest = in_units(values[i])
        if rest != 0.0 or whole < 0.0 or whole >= 2.0**53 or totals[i] > 2**62:
            return math.inf
        largest = max(largest, whole)
        totals[i + 1] = totals[i] + int(whole)
    return largest


@kernel
def _simple_average(totals: IntArray, period: int, first: int, last: int, out: FloatArray) -> None:
    divisor = period * UNITS
    for i in range(first, min(last, period - 1)):
        out[i - first] = math.nan
    for i in range(max(first, period - 1), last):
        out[i - first] = float(totals[i + 1] - totals[i + 1 - period]) / divisor


@kernel
def _exponential_average(
    values: FloatArray, period: int, first: int, last: int, average: float, out: FloatArray
) -> float:
    """``average`` is the seed, then the value of the bar before ``first``; returns the last one."""
    weight = 2.0 / (period + 1.0)
    for i in range(first, min(last, period - 1)):
        out[i - first] = math.nan
    begin = max(first, period - 1)
    if begin == period - 1 and begin < last:
        out[begin - first] = average
        begin += 1
    for i in range(begin, last):
        average = (values[i] - average) * weight + average
        out[i - first] = average
    return average


@kernel
def advance_series(
    first: int,
    last: int,
    columns: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    totals: IntArray,
    stored: FloatArray,
    series: IntArray,
    state: FloatArray,
    values: FloatArray,
    is_clean: NDArray[np.bool_],
) -> None:
    """Write bars first … last − 1 of every series to its row of ``values``, from column 0 on.

    Args:
        columns: open, high, low, close, volume over all bars.
        totals: running totals, one row a source that needs them.
        stored: series over all bars, one a row.
        series: (S, SERIES_NUMBERS): kind, its source (a column, or a row of ``totals`` or
            ``stored``) and period.
        state: (S,) a constant's value, a recursion's last value; kept up.
        is_clean: (S,) written: whether no value of the tile is undefined.
    """
    for row in range(len(series)):
        kind = series[row, S_KIND]
        source = series[row, S_SOURCE]
        period = series[row, S_PERIOD]
        out = values[row]
        if kind == COLUMN:
            column = columns[source]
            for i in range(first, last):
                out[i - first] = column[i]
            is_clean[row] = True
        elif kind == CONSTANT:
            for i in range(first, last):
                out[i - first] = state[row]
            is_clean[row] = True
        elif kind == SIMPLE_AVERAGE:
            _simple_average(totals[source], period, first, last, out)
            is_clean[row] = first >= period - 1
        elif kind == EXPONENTIAL_AVERAGE:
            state[row] = _exponential_average(columns[source], period, first, last, state[row], out)
            is_clean[row] = first >= period - 1
        else:
            clean = True
            for i in range(first, last):
                value = stored[source, i]
                out[i - first] = value
                clean &= not math.isnan(value)
            is_clean[row] = clean
