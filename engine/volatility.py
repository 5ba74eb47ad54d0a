"""The annual volatility that options are priced with, bar by bar; NaN where it is undefined."""

import math

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.special_functions import log


@kernel
def log_returns(
    closes: NDArray[np.float64], first: int, last: int, out: NDArray[np.float64]
) -> None:
    """Write log(close ÷ previous close) of bars first … last − 1; bar 0 has none (NaN)."""
    for bar in range(first, last):
        out[bar] = log(float(closes[bar]) / float(closes[bar - 1])) if bar > 0 else np.nan


@kernel
def sample_deviation(values: NDArray[np.float64], first: int, last: int) -> float:
    """Standard deviation (n − 1) of values first … last − 1 in two passes; NaN for fewer than two.

    Each window is summed afresh: a running sum would keep the rounding of a large return long
    after it has left the window.
    """
    count = last - first
    if count < 2:
        return np.nan
    total = 0.0
    for i in range(first, last):
        total += float(values[i])
    mean = total / count
    squares = 0.0
    for i in range(first, last):
        deviation = float(values[i]) - mean
        squares += deviation * deviation
    return math.sqrt(squares / (count - 1))


@kernel
def realized(
    returns: NDArray[np.float64],
    first: int,
    last: int,
    window: int,
    factor: float,
    out: NDArray[np.float64],
) -> None:
    """Write the deviation of each bar's last ``window`` returns × ``factor``.

    ``returns`` is as ``log_returns`` leaves it, so the first defined bar is number ``window``.
    """
    for bar in range(first, last):
        if bar < window:
            out[bar] = np.nan
        else:
            out[bar] = sample_deviation(returns, bar - window + 1, bar + 1) * factor


def from_series(
    times: NDArray[np.int64],
    series_times: NDArray[np.int64],
    series_closes: NDArray[np.float64],
    scale: float,
) -> NDArray[np.float64]:
    """A quoted index such as the VIX: its last close at or before each bar ÷ 100 × ``scale``."""
    latest = np.searchsorted(series_times, times, side="right") - 1
    known = latest >= 0
    volatility = np.full(len(times), np.nan)
    volatility[known] = series_closes[latest[known]] / 100.0 * scale
    return volatility
