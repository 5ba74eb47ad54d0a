"""Figures of a return series, summed bar by bar from the first to the last.

numpy adds in blocks whose size depends on the processor, so its last bits do too; a plain loop has
one order everywhere. NaN stands for a return on nothing (equity of exactly 0) and is left out.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.special_functions import exp, log

#: Returns are summed in blocks of this many bars.
BLOCK = 1024


@kernel
def power(base: float, exponent: float) -> float:
    """``base ** exponent`` for a finite exponent; NaN for a fractional power of a negative base."""
    if base == 0.0:
        return 0.0 if exponent > 0.0 else math.inf
    if base < 0.0 and exponent != np.floor(exponent):
        return math.nan
    size = exp(exponent * log(abs(base)))
    is_odd = np.floor(exponent * 0.5) * 2.0 != exponent
    return -size if base < 0.0 and is_odd else size


@kernel
def simple_returns(values: NDArray[np.float64], before: float) -> NDArray[np.float64]:
    """Each value ÷ the one before it − 1, the first one against ``before``."""
    returns = np.empty(len(values))
    previous = before
    for i in range(len(values)):
        value = values[i]
        if previous != 0.0:
            returns[i] = value / previous - 1.0
        else:
            returns[i] = math.nan if value == 0.0 else math.inf
        previous = value
    return returns


@kernel
def block_spread(
    shifted: float, squares: float, zeros: int, count: int, pivot: float
) -> tuple[float, float]:
    """Sum of a block's returns, and of their squared distances from the block's mean.

    ``shifted`` and ``squares`` are the sums of (r − pivot) and of its square over the returns
    that are not 0; ``zeros`` are as many more. ``count`` is at least 1.
    """
    shifted -= zeros * pivot
    squares += zeros * (pivot * pivot)
    return shifted + count * pivot, max(squares - shifted * shifted / count, 0.0)


@kernel
def merged_squares(
    count: int, total: float, squares: float, more: int, more_total: float, more_squares: float
) -> float:
    """Squared distances from the common mean of two groups (Chan, Golub and LeVeque)."""
    if count == 0:
        return more_squares
    apart = more_total / more - total / count
    return squares + more_squares + apart * apart * (float(count) * more / (count + more))


@kernel
def moments(returns: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Mean, sample standard deviation (n − 1), mean squared loss, and growth Π(1 + r).

    The deviation comes from blocks of ``BLOCK`` returns, each in one pass around its own first
    return. That pivot is a member of the block, so no more digits are lost than the block has
    returns, and nothing has to be looked at twice. Returns of exactly 0 are counted, not summed:
    bars without a position cost a sweep nothing.
    """
    count = 0
    total = 0.0
    squares = 0.0
    losses = 0.0
    growth = 1.0
    for first in range(0, len(returns), BLOCK):
        last = min(first + BLOCK, len(returns))
        pivot = 0.0
        some = 0
        zeros = 0
        shifted = 0.0
        block_squares = 0.0
        for i in range(first, last):
            value = returns[i]
            if math.isnan(value):
                continue
            if some == 0:
                pivot = value
            some += 1
            if value == 0.0:
                zeros += 1
                continue
            distance = value - pivot
            shifted += distance
            block_squares += distance * distance
            growth *= 1.0 + value
            losses += value * value if value < 0.0 else 0.0
        if some > 0:
            block_total, block_squares = block_spread(shifted, block_squares, zeros, some, pivot)
            squares = merged_squares(count, total, squares, some, block_total, block_squares)
            count += some
            total += block_total
    if count == 0:
        return math.nan, math.nan, math.nan, growth
    deviation = math.sqrt(squares / (count - 1)) if count > 1 else math.nan
    return total / count, deviation, losses / count, growth


@kernel
def gains_and_losses(values: NDArray[np.float64]) -> tuple[float, float]:
    """The sum of the positive values, and that of the negative ones with its sign turned."""
    gains = 0.0
    losses = 0.0
    for i in range(len(values)):
        value = values[i]
        # Nothing is added rather than left out: nobody could foresee the sign of a return.
        gains += value if value > 0.0 else 0.0
        losses -= value if value < 0.0 else 0.0
    return gains, losses


@kernel
def sum_of(values: NDArray[np.float64]) -> float:
    """The sum from first to last."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@kernel
def alpha_and_beta(
    returns: NDArray[np.float64], market: NDArray[np.float64], bars_per_year: float
) -> tuple[float, float]:
    """Regression of ``returns`` on ``market``: beta, and the intercept compounded over a year."""
    count = 0
    total = 0.0
    for i in range(len(returns)):
        if not math.isnan(returns[i]):
            count += 1
            total += market[i]
    if count == 0 or len(returns) < 2:
        return math.nan, math.nan
    mean = total / count
    covariance = 0.0
    variance = 0.0
    for i in range(len(returns)):
        if not math.isnan(returns[i]):
            deviation = market[i] - mean
            covariance += deviation * returns[i]
            variance += deviation * deviation
    covariance /= count
    variance /= count
    if variance < 1e-30:
        return math.nan, math.nan
    beta = covariance / variance
    rest = 0.0
    for i in range(len(returns)):
        if not math.isnan(returns[i]):
            rest += returns[i] - beta * market[i]
    return power(rest / count + 1.0, bars_per_year) - 1.0, beta


@kernel
def deepest_drawdown(returns: NDArray[np.float64]) -> float:
    """The deepest drawdown of 100 that is compounded at ``returns``, as empyrical finds it.

    It is that of the equity curve but for the last bits, which decide a ratio to a drawdown that
    is nothing but rounding.
    """
    growth = 1.0
    peak = 100.0
    deepest = 0.0
    for i in range(len(returns)):
        if not math.isnan(returns[i]):
            growth *= 1.0 + returns[i]
        value = growth * 100.0
        peak = max(peak, value)
        deepest = min(deepest, (value - peak) / peak)
    return deepest


@kernel
def drawdowns(
    equity: NDArray[np.float64], times: NDArray[np.int64], start: float
) -> tuple[float, float, int]:
    """Of the curve and the capital before it: deepest drawdown, mean square, longest (ms).

    A drawdown lasts from the last bar at its peak to the first bar at or above it again, or to
    the end; one that begins at the start counts from the first bar.
    """
    peak = start
    peak_time = times[0]
    deepest = 0.0
    squares = 0.0
    longest = 0
    is_under = False
    for i in range(len(equity)):
        value = equity[i]
        if value < peak:
            drawdown = (value - peak) / peak
            deepest = min(deepest, drawdown)
            squares += drawdown * drawdown
            is_under = True
            longest = max(longest, times[i] - peak_time)
        else:
            if is_under:
                longest = max(longest, times[i] - peak_time)
            is_under = False
            peak = value
            peak_time = times[i]
    return deepest, squares / len(equity), longest
