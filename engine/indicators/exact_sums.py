"""Sums of prices without rounding errors, so that equal averages compare equal.

Prices are decimals, which floats cannot hold: ten times 0.1 is not 1. Counted in units of 1e-8 a
price of up to eight decimals is a whole number, and sums of whole numbers are exact. Any other
price is kept as the unevaluated sum of two floats (its exact value in those units), and so are the
sums. The rule looks at one price at a time, so a later bar never changes an earlier value.

Formulas: Knuth's two-sum, Dekker's split and product, and one correction step of the quotient.
"""

import math
from typing import NamedTuple

import numpy as np

from engine._jit import kernel
from engine.simulation import FloatArray, IntArray

#: Units in one price unit: prices of up to eight decimals are whole numbers of them.
UNITS = 1e8
#: Floats below this hold whole numbers exactly.
EXACT_INTEGERS = 2.0**53
_SPLITTER = 134217729.0  # 2**27 + 1
_TOO_LARGE = np.int64(EXACT_INTEGERS)
#: Bars that are summed at a time: they stay in the processor's nearest cache.
PART_BARS = 1024


@kernel
def two_sum(a: float, b: float) -> tuple[float, float]:
    """The rounded sum and what rounding took away."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def two_product(a: float, b: float) -> tuple[float, float]:
    """The rounded product and what rounding took away."""
    product = a * b
    scaled = _SPLITTER * a
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    scaled = _SPLITTER * b
    b_high = scaled - (scaled - b)
    b_low = b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


@kernel
def in_units(price: float) -> tuple[float, float]:
    """A price counted in 1e-8: a whole number and 0 for a decimal, else its exact value."""
    whole = float(np.rint(price * UNITS))
    if abs(whole) < EXACT_INTEGERS and whole / UNITS == price:
        return whole, 0.0
    return two_product(price, UNITS)


class Totals(NamedTuple):
    """Running sums of a series in units of 1e-8.

    ``sums[i]`` is the sum of the first i values (those before ``first`` count as 0), ``largest``
    the largest size of a value: infinite if one is no whole number of units, and then the sums are
    of no use.
    """

    sums: IntArray
    largest: float

    def hold(self, period: int) -> bool:
        """Whether sums of ``period`` values are exact, as floats too."""
        return self.largest * max(period, len(self.sums) / _ROOM) < EXACT_INTEGERS


#: All sums fit where this many times a window's sum do: 2**63 ÷ 2**53.
_ROOM = 1024


@kernel
def add_up(values: FloatArray, begin: int, end: int, sums: IntArray, place: int) -> float:
    """Go on from sums[place] with the running sums of values begin … end − 1.

    Returns the largest size of a value, or infinity if one is no whole number of units.
    """
    largest = np.int64(0)
    is_whole = True
    after = np.uint64(place + 1)
    first = np.uint64(begin)
    for i in range(np.uint64(0), np.uint64(end - begin)):
        value = values[first + i]
        units = np.rint(value * UNITS)
        is_whole &= units / UNITS == value
        whole = np.int64(units) if abs(units) < EXACT_INTEGERS else _TOO_LARGE
        sums[after + i] = whole
        largest = max(largest, np.int64(abs(whole)))
    total = sums[place]
    for i in range(np.uint64(0), np.uint64(end - begin)):
        total += sums[after + i]
        sums[after + i] = total
    return float(largest) if is_whole else math.inf


@kernel
def _write_totals(values: FloatArray, first: int, sums: IntArray) -> float:
    """Write the running sums; returns the largest size of a value, or infinity."""
    largest = 0.0
    for i in range(first + 1):
        sums[i] = 0
    for begin in range(first, len(values), PART_BARS):
        end = min(begin + PART_BARS, len(values))
        largest = max(largest, add_up(values, begin, end, sums, begin))
    return largest


def totals_of(values: FloatArray, first: int = 0) -> Totals:
    """The running sums of ``values``, which begin at ``first``."""
    sums = np.empty(len(values) + 1, np.int64)
    return Totals(sums, _write_totals(values, min(first, len(values)), sums))


@kernel
def add(high: float, low: float, more_high: float, more_low: float) -> tuple[float, float]:
    """The sum of two pairs, as a pair whose second part is below the first one's rounding."""
    total, error = two_sum(high, more_high)
    error += low + more_low
    result = total + error
    return result, error - (result - total)


@kernel
def divided(high: float, low: float, divisor: float) -> float:
    """A pair divided by an exact float and rounded once."""
    quotient = high / divisor
    if low == 0.0:
        return quotient
    product, error = two_product(quotient, divisor)
    return quotient + (((high - product) - error) + low) / divisor
