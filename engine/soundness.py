"""Whether a run can make numbers of candles, in one pass over them."""

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.candles import Candles
from engine.simulation import IntArray

Bits = NDArray[np.uint64]


#: The bits of infinity: those of finite positive floats are fewer, those of others more.
_INFINITY = np.uint64(0x7FF0000000000000)


@kernel
def _are_usable(
    times: IntArray, open_: Bits, high: Bits, low: Bits, close: Bits, volume: Bits
) -> bool:
    """Whether all is well. False is no proof of the opposite: a volume of −0.0 is well."""
    one = np.uint64(1)
    unordered = np.int64(0)
    for i in range(one, np.uint64(len(times))):
        unordered |= np.int64(times[i] <= times[i - one])
    largest = np.uint64(0)
    crossed = np.int64(0)
    for i in range(np.uint64(0), np.uint64(len(times))):
        # Zero less one is the largest of all. Positive floats are in the order of their bits.
        largest = max(largest, open_[i] - one)
        largest = max(largest, close[i] - one)
        largest = max(largest, low[i] - one)
        largest = max(largest, high[i] - one)
        crossed |= np.int64(high[i] < low[i])
    most = np.uint64(0)
    for i in range(np.uint64(0), np.uint64(len(times))):
        most = max(most, volume[i])
    is_ordered = unordered == 0 and crossed == 0
    return bool(is_ordered and largest < _INFINITY - one and most < _INFINITY)


def check_usable(candles: Candles) -> None:
    """As :meth:`Candles.validate_usable`, which is asked only if something is wrong.

    Candles that were found usable before are not looked at again.

    Raises:
        DataError: names the first bad bar.
    """
    if candles.is_usable:
        return
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    with np.errstate(over="ignore"):  # the wrap of zero, of which NumPy warns in plain Python
        is_usable = _are_usable(candles.times, *(column.view(np.uint64) for column in columns))
    if is_usable:
        candles.mark_usable()
    else:
        candles.validate_usable()
