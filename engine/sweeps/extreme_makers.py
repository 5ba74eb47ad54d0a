"""Highest and lowest of a moving window, kept from one tile to the next."""

import math

from engine._jit import borrowing
from engine.simulation import FloatArray, IntArray


@borrowing
def push_extreme(
    value: float, bar: int, period: int, sign: float, values: FloatArray, places: IntArray
) -> None:
    """Let a bar's value into a window of ``period`` bars, and what has left it out.

    Args:
        sign: 1 for the highest, −1 for the lowest.
        values: where the value of bar i is found: at i, or at i modulo its length if that is
            ``period``.
        places: period + 2 numbers: a ring of the bars that can still become the extreme, best
            first, then where it begins and how many there are.
    """
    length = len(values)
    head, count = places[period], places[period + 1]
    if count > 0 and places[head] <= bar - period:
        head = head + 1 if head + 1 < period else 0
        count -= 1
    while count > 0:
        end = head + count - 1
        worst = places[end if end < period else end - period]
        if sign * values[worst if worst < length else worst % length] > sign * value:
            break
        count -= 1
    end = head + count
    places[end if end < period else end - period] = bar
    places[period], places[period + 1] = head, count + 1


@borrowing
def current_extreme(places: IntArray) -> int:
    """The bar with the extreme of the window, of equals the latest."""
    return int(places[places[len(places) - 2]])


@borrowing
def channel(
    first: int, last: int, values: FloatArray, period: int, sign: float, places: IntArray,
    out: FloatArray,
) -> None:  # fmt: skip
    """The highest (``sign`` 1) or lowest of the ``period`` bars before each bar."""
    for i in range(first, last):
        out[i - first] = values[current_extreme(places)] if i >= period else math.nan
        push_extreme(values[i], i, period, sign, values, places)
