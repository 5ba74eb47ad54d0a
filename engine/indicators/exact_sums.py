"""Sums of prices without rounding errors, so that equal averages compare equal.

Prices are decimals, which floats cannot hold: ten times 0.1 is not 1. Counted in units of 1e-8 a
price of up to eight decimals is a whole number, and sums of whole numbers are exact. Any other
price is kept as the unevaluated sum of two floats (its exact value in those units), and so are the
sums. The rule looks at one price at a time, so a later bar never changes an earlier value.

Formulas: Knuth's two-sum, Dekker's split and product, and one correction step of the quotient.
"""

import numpy as np

from engine._jit import kernel
from engine.simulation import FloatArray

#: Units in one price unit: prices of up to eight decimals are whole numbers of them.
UNITS = 1e8
#: Floats below this hold whole numbers exactly.
EXACT_INTEGERS = 2.0**53
_SPLITTER = 134217729.0  # 2**27 + 1


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


@kernel
def whole_units(prices: FloatArray, first: int) -> tuple[FloatArray, float]:
    """Prices from ``first`` on in units, and the largest of them; infinity if one is not whole."""
    whole = np.empty(len(prices))
    most = 0.0
    is_whole = True
    for i in range(first, len(prices)):
        units = np.rint(prices[i] * UNITS)
        whole[i] = units
        most = max(most, abs(units))
        is_whole &= units / UNITS == prices[i]
    return whole, most if is_whole else np.inf


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
