"""Average true range (Wilder)."""

import numpy as np

from engine._jit import kernel
from engine.simulation import FloatArray


@kernel
def average_true_range(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int
) -> FloatArray:
    """TA_ATR: the mean of the first ``period`` true ranges (from bar 1), then Wilder's average."""
    bars = len(close)
    result = np.full(bars, np.nan)
    average = 0.0
    for i in range(1, bars):
        true_range = high[i] - low[i]
        true_range = max(true_range, abs(close[i - 1] - high[i]))
        true_range = max(true_range, abs(close[i - 1] - low[i]))
        if i <= period:
            average += true_range
            if i < period:
                continue
        else:
            average = average * (period - 1.0) + true_range
        average /= period
        result[i] = average
    return result


def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Average true range; defined from bar ``period``."""
    return average_true_range(high, low, close, period)
