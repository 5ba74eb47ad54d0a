"""Simple, exponential and weighted moving averages."""

import math

import numpy as np

from engine._jit import kernel
from engine.indicators.exact_sums import (
    UNITS,
    Totals,
    add,
    divided,
    in_units,
    totals_of,
    two_product,
)
from engine.simulation import FloatArray, IntArray


@kernel
def _mean_of_totals(sums: IntArray, period: int, begin: int, mean: FloatArray) -> None:
    """Write the means of windows that end at ``begin`` or later; nothing is rounded but them."""
    divisor = period * UNITS
    for i in range(min(begin, len(mean))):
        mean[i] = math.nan
    late = np.uint64(1)
    early = np.uint64(period - 1)
    for i in range(np.uint64(begin), np.uint64(len(mean))):
        mean[i] = np.float64(sums[i + late] - sums[i - early]) / divisor


@kernel
def _mean_of_pairs(values: FloatArray, period: int, first: int, mean: FloatArray) -> None:
    """The same for values that are no whole units, or too large."""
    divisor = period * UNITS
    high = 0.0
    low = 0.0
    for i in range(min(first + period - 1, len(values))):
        mean[i] = math.nan
    for i in range(first, len(values)):
        new_high, new_low = in_units(values[i])
        high, low = add(high, low, new_high, new_low)
        if i - first >= period - 1:
            mean[i] = divided(high, low, divisor)
            old_high, old_low = in_units(values[i - period + 1])
            high, low = add(high, low, -old_high, -old_low)


def rolling_mean(
    values: FloatArray, period: int, first: int, totals: Totals | None = None
) -> FloatArray:
    """Mean of the last ``period`` values, which begin at ``first``.

    ``totals`` are the running sums of ``values``, for those who have them.
    """
    mean = np.empty(len(values))
    totals = totals or totals_of(values, first)
    if totals.hold(period):
        _mean_of_totals(totals.sums, period, first + period - 1, mean)
    else:
        _mean_of_pairs(values, period, first, mean)
    return mean


@kernel
def exponential_mean(values: FloatArray, period: int, first: int) -> FloatArray:
    """Exponential average whose seed is the mean of ``period`` values from ``first`` on."""
    bars = len(values)
    result = np.full(bars, np.nan)
    seed_at = first + period - 1
    if seed_at >= bars:
        return result
    high = 0.0
    low = 0.0
    for i in range(first, seed_at + 1):
        new_high, new_low = in_units(values[i])
        high, low = add(high, low, new_high, new_low)
    average = divided(high, low, period * UNITS)
    result[seed_at] = average
    weight = 2.0 / (period + 1.0)
    for i in range(seed_at + 1, bars):
        average = (values[i] - average) * weight + average
        result[i] = average
    return result


@kernel
def _weighted_mean(values: FloatArray, period: int) -> FloatArray:
    bars = len(values)
    result = np.full(bars, np.nan)
    divisor = period * (period + 1.0) / 2.0 * UNITS
    high = 0.0
    low = 0.0
    weighted_high = 0.0
    weighted_low = 0.0
    for i in range(bars):
        new_high, new_low = in_units(values[i])
        if i < period:
            # The window is filling: weights are 1, 2, …
            weight = i + 1.0
        else:
            # All weights fall by one: the oldest value leaves with its last unit.
            weighted_high, weighted_low = add(weighted_high, weighted_low, -high, -low)
            old_high, old_low = in_units(values[i - period])
            high, low = add(high, low, -old_high, -old_low)
            weight = float(period)
        high, low = add(high, low, new_high, new_low)
        heavy_high, heavy_low = two_product(weight, new_high)
        heavy_low += weight * new_low
        weighted_high, weighted_low = add(weighted_high, weighted_low, heavy_high, heavy_low)
        if i >= period - 1:
            result[i] = divided(weighted_high, weighted_low, divisor)
    return result


def sma(values: FloatArray, period: int, totals: Totals | None = None) -> FloatArray:
    """Simple moving average, rounded once from the exact sum; defined from bar period − 1.

    ``totals``: the running sums of ``values``, if they are at hand.
    """
    return rolling_mean(values, period, 0, totals)


def ema(values: FloatArray, period: int) -> FloatArray:
    """Exponential moving average, weight 2 ÷ (period + 1), seeded by the first simple average."""
    return exponential_mean(values, period, 0)


def wma(values: FloatArray, period: int) -> FloatArray:
    """Moving average with weights 1 … period, the newest heaviest; from bar period − 1."""
    return _weighted_mean(values, period)
