"""Highest and lowest of a moving window in one pass."""

import numpy as np

from engine._jit import kernel
from engine.simulation import FloatArray


@kernel
def rolling_highest(values: FloatArray, period: int, sign: float, first: int) -> FloatArray:
    """Highest of the last ``period`` values (``sign`` 1) or lowest (−1); values begin at ``first``.

    Keeps the bars that can still become the extreme, best first, in a ring.
    """
    bars = len(values)
    result = np.full(bars, np.nan)
    if first + period > bars:
        return result
    ring = np.empty(period, np.int64)
    head = 0
    count = 0
    for i in range(first, bars):
        if count > 0 and ring[head] <= i - period:
            head = (head + 1) % period
            count -= 1
        while count > 0 and sign * values[ring[(head + count - 1) % period]] <= sign * values[i]:
            count -= 1
        ring[(head + count) % period] = i
        count += 1
        if i - first >= period - 1:
            result[i] = values[ring[head]]
    return result
