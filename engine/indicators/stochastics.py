"""Where a price stands between the extremes of its recent range."""

from typing import NamedTuple

import numpy as np

from engine.indicators.averages import rolling_mean
from engine.indicators.extremes import rolling_highest
from engine.indicators.momentum import relative_strength
from engine.simulation import FloatArray

#: TA-Lib takes a range of at most this part of its two ends for none.
FLAT_RANGE = 1e-14


class Stochastic(NamedTuple):
    """The oscillator and its moving average, 0 … 100."""

    k: FloatArray
    d: FloatArray


def _raw_k(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, first: int
) -> FloatArray:
    """100 × (close − lowest) ÷ (highest − lowest); 0 where the range is nothing but rounding."""
    highest = rolling_highest(high, period, 1.0, first)
    lowest = rolling_highest(low, period, -1.0, first)
    spread = highest - lowest
    is_flat = spread <= FLAT_RANGE * (np.abs(highest) + np.abs(lowest))
    return np.where(is_flat, 0.0, (close - lowest) / np.where(is_flat, 1.0, spread) * 100.0)


def stochastic(
    high: FloatArray, low: FloatArray, close: FloatArray, fast_k: int, slow_k: int, slow_d: int
) -> Stochastic:
    """TA_STOCH with simple averages.

    Both outputs are defined from bar fast_k + slow_k + slow_d − 3.
    """
    raw = _raw_k(high, low, close, fast_k, 0)
    k = rolling_mean(raw, slow_k, fast_k - 1)
    d = rolling_mean(k, slow_d, fast_k + slow_k - 2)
    k[: fast_k + slow_k + slow_d - 3] = np.nan
    return Stochastic(k, d)


def stochastic_rsi(values: FloatArray, period: int, fast_k: int, fast_d: int) -> Stochastic:
    """TA_STOCHRSI with a simple average: the unsmoothed oscillator of the RSI.

    Both outputs are defined from bar period + fast_k + fast_d − 2.
    """
    strength = relative_strength(values, period)
    k = _raw_k(strength, strength, strength, fast_k, period)
    d = rolling_mean(k, fast_d, period + fast_k - 1)
    k[: period + fast_k + fast_d - 2] = np.nan
    return Stochastic(k, d)
