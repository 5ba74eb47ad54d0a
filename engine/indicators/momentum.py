"""Relative strength, MACD and rate of change."""

from typing import NamedTuple

import numpy as np

from engine._jit import kernel
from engine.indicators.averages import exponential_mean
from engine.simulation import FloatArray


class Macd(NamedTuple):
    """Difference of two exponential averages, its own average, and their difference."""

    macd: FloatArray
    signal: FloatArray
    histogram: FloatArray


@kernel
def relative_strength(values: FloatArray, period: int) -> FloatArray:
    """TA_RSI: Wilder's averages of gains and losses; 0 where nothing moves."""
    bars = len(values)
    result = np.full(bars, np.nan)
    gain = 0.0
    loss = 0.0
    # Multiplied where a division would do: to the last bit as TA-Lib, because the stochastic of
    # this index divides by differences of its last digits.
    share = 1.0 / period
    for i in range(1, bars):
        change = values[i] - values[i - 1]
        if i > period:
            gain *= period - 1.0
            loss *= period - 1.0
        if change < 0.0:
            loss -= change
        else:
            gain += change
        if i >= period:
            gain *= share
            loss *= share
            both = gain + loss
            result[i] = 100.0 * (gain / both) if both > 0.0 else 0.0
    return result


@kernel
def _rate_of_change(values: FloatArray, period: int) -> FloatArray:
    bars = len(values)
    result = np.full(bars, np.nan)
    for i in range(period, bars):
        before = values[i - period]
        result[i] = (values[i] / before - 1.0) * 100.0 if before != 0.0 else 0.0
    return result


def rsi(values: FloatArray, period: int) -> FloatArray:
    """Relative strength index, 0 … 100; defined from bar ``period``."""
    return relative_strength(values, period)


def macd(values: FloatArray, fast: int, slow: int, signal: int) -> Macd:
    """TA_MACD: both averages begin on the slow one's first bar.

    All three outputs are defined from bar slow + signal − 2.
    """
    difference = exponential_mean(values, fast, slow - fast) - exponential_mean(values, slow, 0)
    average = exponential_mean(difference, signal, slow - 1)
    difference[: slow + signal - 2] = np.nan
    return Macd(difference, average, difference - average)


def roc(values: FloatArray, period: int) -> FloatArray:
    """Rate of change over ``period`` bars in percent; defined from bar ``period``."""
    return _rate_of_change(values, period)
