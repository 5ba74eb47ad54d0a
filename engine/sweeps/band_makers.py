"""Bollinger bands, true ranges and trends of one tile after the other."""

import math

import numpy as np

from engine._jit import borrowing
from engine.indicators.channels import FLAT
from engine.indicators.exact_sums import UNITS, add, divided, in_units, two_product
from engine.simulation import FloatArray


@borrowing
def _square(high: float, low: float) -> tuple[float, float]:
    """The square of a pair."""
    square, rest = two_product(high, high)
    return square, rest + 2.0 * high * low


@borrowing
def bands(
    first: int, last: int, values: FloatArray, period: int, deviations: float, state: FloatArray,
    upper: FloatArray, middle: FloatArray, lower: FloatArray,
) -> None:  # fmt: skip
    """A simple average ± deviations. ``state``: the sums of values and of squares as pairs."""
    high, low, squares_high, squares_low = state[0], state[1], state[2], state[3]
    for i in range(first, last):
        new_high, new_low = in_units(values[i])
        high, low = add(high, low, new_high, new_low)
        square_high, square_low = _square(new_high, new_low)
        squares_high, squares_low = add(squares_high, squares_low, square_high, square_low)
        if i < period - 1:
            upper[i - first] = middle[i - first] = lower[i - first] = math.nan
            continue
        scaled_high, scaled_low = two_product(squares_high, float(period))
        scaled_low += squares_low * period
        square_high, square_low = _square(high, low)
        spread, rest = add(scaled_high, scaled_low, -square_high, -square_low)
        deviation = 0.0
        if spread > FLAT * square_high:
            deviation = float(np.sqrt(spread + rest)) / (period * UNITS)
        mean = divided(high, low, period * UNITS)
        reach = deviations * deviation
        upper[i - first] = mean + reach
        middle[i - first] = mean
        lower[i - first] = mean - reach
        old_high, old_low = in_units(values[i - period + 1])
        high, low = add(high, low, -old_high, -old_low)
        square_high, square_low = _square(old_high, old_low)
        squares_high, squares_low = add(squares_high, squares_low, -square_high, -square_low)
    state[0], state[1], state[2], state[3] = high, low, squares_high, squares_low


@borrowing
def _range_step(
    high: float, low: float, before: float, bar: int, period: int, average: float
) -> float:
    """The average true range after a bar; before bar ``period`` it is a sum."""
    true_range = high - low
    true_range = max(true_range, abs(before - high))
    true_range = max(true_range, abs(before - low))
    if bar <= period:
        average += true_range
        return average / period if bar == period else average
    return (average * (period - 1.0) + true_range) / period


@borrowing
def true_range(
    first: int, last: int, high: FloatArray, low: FloatArray, close: FloatArray, period: int,
    state: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """The average true range. ``state``: its last value."""
    average = state[0]
    if first == 0:
        out[0] = math.nan
    for i in range(max(first, 1), last):
        average = _range_step(high[i], low[i], close[i - 1], i, period, average)
        out[i - first] = average if i >= period else math.nan
    state[0] = average


@borrowing
def trend(
    first: int, last: int, high: FloatArray, low: FloatArray, close: FloatArray, period: int,
    multiplier: float, state: FloatArray, value: FloatArray, direction: FloatArray,
) -> None:  # fmt: skip
    """SuperTrend. ``state``: the average true range, both bands, and the direction (0: none)."""
    average, upper, lower, way = state[0], state[1], state[2], state[3]
    if first == 0:
        value[0] = direction[0] = math.nan
        way = -1.0
    for i in range(max(first, 1), last):
        average = _range_step(high[i], low[i], close[i - 1], i, period, average)
        if i < period:
            value[i - first] = direction[i - first] = math.nan
            continue
        middle = (high[i] + low[i]) / 2.0
        new_upper = middle + multiplier * average
        new_lower = middle - multiplier * average
        if i == period or new_upper < upper or close[i - 1] > upper:
            upper = new_upper
        if i == period or new_lower > lower or close[i - 1] < lower:
            lower = new_lower
        if close[i] > upper:
            way = 1.0
        elif close[i] < lower:
            way = -1.0
        value[i - first] = lower if way > 0.0 else upper
        direction[i - first] = way
    state[0], state[1], state[2], state[3] = average, upper, lower, way
