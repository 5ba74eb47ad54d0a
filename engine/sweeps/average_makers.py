"""Moving averages of one tile after the other."""

import math

import numpy as np

from engine._jit import borrowing
from engine.indicators.exact_sums import UNITS, add, divided, in_units, two_product
from engine.simulation import FloatArray, IntArray
from engine.sweeps.plane_kernels import TILE_BARS


@borrowing
def largest_units(values: FloatArray) -> float:
    """The largest of some values in units of 1e-8; infinity if one is no whole number of them."""
    largest = 0.0
    for i in range(len(values)):
        whole, rest = in_units(values[i])
        if rest != 0.0 or whole < 0.0 or whole >= 2.0**53:
            return math.inf
        largest = max(largest, whole)
    return largest


@borrowing
def mean_of(values: FloatArray, first: int, last: int) -> float:
    """The mean of values first … last − 1, rounded once: the seed of an exponential average."""
    high = 0.0
    low = 0.0
    for i in range(first, last):
        new_high, new_low = in_units(values[i])
        high, low = add(high, low, new_high, new_low)
    return divided(high, low, (last - first) * UNITS)


@borrowing
def advance_totals(first: int, last: int, values: FloatArray, reach: int, totals: IntArray) -> None:
    """Move a window of running totals on to the bars of a tile.

    ``totals[reach + 1 + i]`` becomes the sum, in units of 1e-8, of all values up to that of bar
    first + i; before it stand those of ``reach`` + 1 earlier bars, 0 before the first.
    """
    for place in range(reach + 1):
        totals[place] = totals[place + TILE_BARS]
    total = totals[reach]
    new = totals[reach + 1 :]
    for i in range(last - first):
        total += int(np.rint(values[first + i] * UNITS))
        new[i] = total


@borrowing
def whole_average(
    first: int, last: int, totals: IntArray, reach: int, period: int, out: FloatArray
) -> None:
    """A simple average from a window of running totals."""
    divisor = period * UNITS
    for i in range(first, min(last, period - 1)):
        out[i - first] = math.nan
    # Counted from 0, so that no index could be one from the end: the loop becomes vectors.
    begin = max(first, period - 1)
    behind = out[begin - first :]
    until = totals[begin - first + reach + 1 :]
    before = totals[begin - first + reach + 1 - period :]
    for place in range(last - begin):
        behind[place] = float(until[place] - before[place]) / divisor


@borrowing
def simple_average(
    first: int, last: int, values: FloatArray, period: int, state: FloatArray, out: FloatArray
) -> None:
    """A simple average of any values. ``state``: the window's sum as a pair."""
    divisor = period * UNITS
    high, low = state[0], state[1]
    for i in range(first, last):
        new_high, new_low = in_units(values[i])
        high, low = add(high, low, new_high, new_low)
        if i < period - 1:
            out[i - first] = math.nan
            continue
        out[i - first] = divided(high, low, divisor)
        old_high, old_low = in_units(values[i - period + 1])
        high, low = add(high, low, -old_high, -old_low)
    state[0], state[1] = high, low


@borrowing
def exponential_average(
    first: int, last: int, values: FloatArray, period: int, state: FloatArray, out: FloatArray
) -> None:
    """An exponential average. ``state``: the seed, then the value of the bar before ``first``."""
    weight = 2.0 / (period + 1.0)
    average = state[0]
    for i in range(first, min(last, period - 1)):
        out[i - first] = math.nan
    begin = max(first, period - 1)
    if begin == period - 1 and begin < last:
        out[begin - first] = average
        begin += 1
    for i in range(begin, last):
        average = (values[i] - average) * weight + average
        out[i - first] = average
    state[0] = average


@borrowing
def weighted_average(
    first: int, last: int, values: FloatArray, period: int, state: FloatArray, out: FloatArray
) -> None:
    """An average with weights 1 … period. ``state``: the plain and the weighted sum as pairs."""
    divisor = period * (period + 1.0) / 2.0 * UNITS
    high, low, weighted_high, weighted_low = state[0], state[1], state[2], state[3]
    for i in range(first, last):
        new_high, new_low = in_units(values[i])
        if i < period:
            weight = i + 1.0
        else:
            weighted_high, weighted_low = add(weighted_high, weighted_low, -high, -low)
            old_high, old_low = in_units(values[i - period])
            high, low = add(high, low, -old_high, -old_low)
            weight = float(period)
        high, low = add(high, low, new_high, new_low)
        heavy_high, heavy_low = two_product(weight, new_high)
        heavy_low += weight * new_low
        weighted_high, weighted_low = add(weighted_high, weighted_low, heavy_high, heavy_low)
        if i >= period - 1:
            out[i - first] = divided(weighted_high, weighted_low, divisor)
        else:
            out[i - first] = math.nan
    state[0], state[1], state[2], state[3] = high, low, weighted_high, weighted_low
