"""All series of one tile after the other, so that no indicator is held for all bars."""

import math

import numpy as np
from numpy.typing import NDArray

from engine._jit import borrowing
from engine.simulation import FloatArray, IntArray
from engine.sweeps.average_makers import (
    advance_totals,
    exponential_average,
    simple_average,
    weighted_average,
    whole_average,
)
from engine.sweeps.band_makers import bands, trend, true_range
from engine.sweeps.extreme_makers import channel
from engine.sweeps.makers import (
    BANDS,
    CHANGE_RATE,
    CHANNEL,
    COLUMN,
    CONSTANT,
    EXPONENTIAL_AVERAGE,
    M_FIRST,
    M_KEPT,
    M_KIND,
    M_OUT,
    M_OUT_2,
    M_OUT_3,
    M_PLACES,
    M_SECOND,
    M_SOURCE,
    M_THIRD,
    MACD,
    S_FACTOR,
    SIMPLE_AVERAGE,
    STRENGTH,
    STRENGTH_OSCILLATOR,
    TREND,
    TRUE_RANGE,
    WEIGHTED_AVERAGE,
    WHOLE_AVERAGE,
)
from engine.sweeps.momentum_makers import (
    change_rate,
    macd_lines,
    oscillator,
    relative_strength,
    strength_oscillator,
)

Columns = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME = range(5)


@borrowing
def _make_average(
    first: int, last: int, values: FloatArray, maker: IntArray, state: FloatArray,
    totals: IntArray, reach: int, out: FloatArray,
) -> None:  # fmt: skip
    kind, period = maker[M_KIND], maker[M_FIRST]
    if kind == WHOLE_AVERAGE:
        whole_average(first, last, totals[maker[M_SOURCE]], reach, period, out)
    elif kind == EXPONENTIAL_AVERAGE:
        exponential_average(first, last, values, period, state, out)
    elif kind == SIMPLE_AVERAGE:
        simple_average(first, last, values, period, state, out)
    else:
        weighted_average(first, last, values, period, state, out)


@borrowing
def _make_of_column(
    first: int, last: int, source: FloatArray, maker: IntArray, state: FloatArray,
    kept: FloatArray, places: IntArray, values: FloatArray,
) -> None:  # fmt: skip
    """What looks at one column and is no average."""
    kind, period = maker[M_KIND], maker[M_FIRST]
    out, second, third = values[maker[M_OUT]], values[maker[M_OUT_2]], values[maker[M_OUT_3]]
    if kind == STRENGTH:
        relative_strength(first, last, source, period, state, out)
    elif kind == CHANGE_RATE:
        change_rate(first, last, source, period, out)
    elif kind == MACD:
        macd_lines(
            first, last, source, period, maker[M_SECOND], maker[M_THIRD], state, out, second, third
        )
    elif kind == BANDS:
        bands(first, last, source, period, state[S_FACTOR], state, out, second, third)
    else:
        strength_oscillator(
            first, last, source, period, maker[M_SECOND], maker[M_THIRD], state, kept, places, out,
            second,
        )  # fmt: skip


@borrowing
def _make_of_range(
    first: int, last: int, columns: Columns, maker: IntArray, state: FloatArray,
    kept: FloatArray, places: IntArray, values: FloatArray, unwanted: int,
) -> None:  # fmt: skip
    """What looks at highs, lows and closes."""
    kind, period = maker[M_KIND], maker[M_FIRST]
    high, low, close = columns[_HIGH], columns[_LOW], columns[_CLOSE]
    out, second = values[maker[M_OUT]], values[maker[M_OUT_2]]
    if kind == TRUE_RANGE:
        true_range(first, last, high, low, close, period, state, out)
    elif kind == TREND:
        trend(first, last, high, low, close, period, state[S_FACTOR], state, out, second)
    elif kind == CHANNEL:
        size = period + 2
        if maker[M_OUT] != unwanted:
            channel(first, last, high, period, 1.0, places[:size], out)
        if maker[M_OUT_2] != unwanted:
            channel(first, last, low, period, -1.0, places[size : 2 * size], second)
    else:
        oscillator(
            first, last, high, low, close, period, maker[M_SECOND], maker[M_THIRD], state, kept,
            places, out, second,
        )  # fmt: skip


@borrowing
def _is_defined(values: FloatArray, bars: int) -> bool:
    clean = True
    for i in range(bars):
        clean &= not math.isnan(values[i])
    return clean


@borrowing
def advance_series(
    first: int,
    last: int,
    columns: Columns,
    makers: IntArray,
    state: FloatArray,
    kept: FloatArray,
    places: IntArray,
    totals: IntArray,
    sources: IntArray,
    values: FloatArray,
    is_clean: NDArray[np.bool_],
) -> None:
    """Write bars first … last − 1, a tile, of every series to its row of ``values``.

    Args:
        columns: open, high, low, close, volume over all bars.
        makers: (M, MAKER_NUMBERS), see :mod:`engine.sweeps.makers`.
        state: (M, STATE_NUMBERS), kept up.
        kept, places: what makers keep beyond that, one after the other.
        totals: (T, reach + 1 + TILE_BARS) windows of running totals; ``sources`` their columns.
        values: (S + 1, TILE_BARS) written; the last row takes what nobody wants.
        is_clean: (S + 1,) written: whether no value of the tile is undefined.
    """
    bars = last - first
    reach = totals.shape[1] - values.shape[1] - 1
    for row in range(len(sources)):
        advance_totals(first, last, columns[sources[row]], reach, totals[row])
    for row in range(len(makers)):
        maker = makers[row]
        kind = maker[M_KIND]
        out = values[maker[M_OUT]]
        if kind == COLUMN:
            source = columns[maker[M_SOURCE]]
            for i in range(first, last):
                out[i - first] = source[i]
            is_clean[maker[M_OUT]] = True
        elif kind == CONSTANT:
            for i in range(bars):
                out[i] = state[row, S_FACTOR]
            is_clean[maker[M_OUT]] = not math.isnan(state[row, S_FACTOR])
        elif kind <= WEIGHTED_AVERAGE:
            source = columns[_CLOSE] if kind == WHOLE_AVERAGE else columns[maker[M_SOURCE]]
            _make_average(first, last, source, maker, state[row], totals, reach, out)
            is_clean[maker[M_OUT]] = first >= maker[M_FIRST] - 1
        else:
            own = kept[maker[M_KEPT] :]
            spots = places[maker[M_PLACES] :]
            if kind <= BANDS or kind == STRENGTH_OSCILLATOR:
                source = columns[maker[M_SOURCE]]
                _make_of_column(first, last, source, maker, state[row], own, spots, values)
            else:
                unwanted = len(values) - 1
                _make_of_range(
                    first, last, columns, maker, state[row], own, spots, values, unwanted
                )
            for column in range(M_OUT, M_OUT_3 + 1):
                is_clean[maker[column]] = _is_defined(values[maker[column]], bars)
