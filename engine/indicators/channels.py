"""Bands around the price: Bollinger, Donchian, SuperTrend."""

from typing import NamedTuple

import numpy as np

from engine._jit import kernel
from engine.indicators.averages import rolling_mean
from engine.indicators.exact_sums import UNITS, add, in_units, two_product
from engine.indicators.extremes import rolling_highest
from engine.indicators.true_range import average_true_range
from engine.simulation import FloatArray

#: A variance below this part of the squared mean is what 32 digits leave of a flat price.
FLAT = 1e-29


class Bands(NamedTuple):
    """An upper and a lower band around a middle."""

    upper: FloatArray
    middle: FloatArray
    lower: FloatArray


class Channel(NamedTuple):
    """The extremes of the bars before."""

    upper: FloatArray
    lower: FloatArray


class SuperTrend(NamedTuple):
    """The band on the price's other side, and which way the trend points (1 up, −1 down)."""

    value: FloatArray
    direction: FloatArray


@kernel
def _deviation(values: FloatArray, period: int) -> FloatArray:
    """Population standard deviation of a moving window, from exact sums.

    variance = (n × sum of squares − square of sum) ÷ n². The difference loses most digits where
    prices hardly move, so all of it is held in pairs of floats, about 32 digits.
    """
    bars = len(values)
    result = np.full(bars, np.nan)
    high = 0.0
    low = 0.0
    squares_high = 0.0
    squares_low = 0.0
    for i in range(bars):
        new_high, new_low = in_units(values[i])
        high, low = add(high, low, new_high, new_low)
        square_high, square_low = two_product(new_high, new_high)
        square_low += 2.0 * new_high * new_low
        squares_high, squares_low = add(squares_high, squares_low, square_high, square_low)
        if i >= period - 1:
            scaled_high, scaled_low = two_product(squares_high, float(period))
            scaled_low += squares_low * period
            square_high, square_low = two_product(high, high)
            square_low += 2.0 * high * low
            spread, rest = add(scaled_high, scaled_low, -square_high, -square_low)
            if spread > FLAT * square_high:
                result[i] = np.sqrt(spread + rest) / (period * UNITS)
            else:
                result[i] = 0.0
            old_high, old_low = in_units(values[i - period + 1])
            high, low = add(high, low, -old_high, -old_low)
            square_high, square_low = two_product(old_high, old_high)
            square_low += 2.0 * old_high * old_low
            squares_high, squares_low = add(squares_high, squares_low, -square_high, -square_low)
    return result


@kernel
def _trend(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, multiplier: float
) -> tuple[FloatArray, FloatArray]:
    bars = len(close)
    value = np.full(bars, np.nan)
    directions = np.full(bars, np.nan)
    ranges = average_true_range(high, low, close, period)
    upper = 0.0
    lower = 0.0
    direction = -1.0
    for i in range(period, bars):
        middle = (high[i] + low[i]) / 2.0
        new_upper = middle + multiplier * ranges[i]
        new_lower = middle - multiplier * ranges[i]
        if i == period or new_upper < upper or close[i - 1] > upper:
            upper = new_upper
        if i == period or new_lower > lower or close[i - 1] < lower:
            lower = new_lower
        if close[i] > upper:
            direction = 1.0
        elif close[i] < lower:
            direction = -1.0
        value[i] = lower if direction > 0.0 else upper
        directions[i] = direction
    return value, directions


def bollinger(values: FloatArray, period: int, deviations: float) -> Bands:
    """TA_BBANDS: a simple average ± ``deviations`` population standard deviations."""
    middle = rolling_mean(values, period, 0)
    reach = deviations * _deviation(values, period)
    return Bands(middle + reach, middle, middle - reach)


def donchian(high: FloatArray, low: FloatArray, period: int) -> Channel:
    """Highest high and lowest low of the ``period`` bars before a bar, itself excluded."""
    upper = np.full(len(high), np.nan)
    lower = np.full(len(low), np.nan)
    upper[1:] = rolling_highest(high, period, 1.0, 0)[:-1]
    lower[1:] = rolling_highest(low, period, -1.0, 0)[:-1]
    return Channel(upper, lower)


def supertrend(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, multiplier: float
) -> SuperTrend:
    """Bands of ``multiplier`` average true ranges around (high + low) ÷ 2; from bar ``period``.

    A band only moves toward the price, unless the previous close lies beyond it. The direction
    starts at −1, turns to 1 on a close above the upper band and back on one below the lower.
    """
    return SuperTrend(*_trend(high, low, close, period, multiplier))
