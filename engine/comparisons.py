"""How two series stand to each other, one byte a bar, and what follows from it.

A byte has one of three bits, or none where a series is undefined. So a condition and its opposite,
a cross and the one the other way are read from the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.indicators.exact_sums import PART_BARS, add_up
from engine.simulation import BoolArray, FloatArray, IntArray

Standings = NDArray[np.uint8]

LESS, EQUAL, GREATER = 1, 2, 4
KNOWN = LESS | EQUAL | GREATER
UNDEFINED = 0
#: Two sums times the other's period below this differ by more than the rounding of their means.
_TOLD_APART = 2.0**50


@kernel
def stand(left: FloatArray, right: FloatArray, standings: Standings) -> None:
    """Write how each value of ``left`` stands to that of ``right``."""
    for i in range(np.uint64(0), np.uint64(len(standings))):
        standings[i] = (
            (left[i] < right[i]) * LESS
            + (left[i] == right[i]) * EQUAL
            + (left[i] > right[i]) * GREATER
        )


@kernel
def stand_to_number(left: FloatArray, right: float, standings: Standings) -> None:
    """Write how each value of ``left`` stands to a number."""
    for i in range(np.uint64(0), np.uint64(len(standings))):
        standings[i] = (
            (left[i] < right) * LESS + (left[i] == right) * EQUAL + (left[i] > right) * GREATER
        )


@kernel
def _stand_averages(
    values: FloatArray, period: int, other: int, sums: IntArray, standings: Standings
) -> float:
    """Write how the mean of the last ``period`` values stands to that of the last ``other`` ones.

    Multiplied crosswise, sums tell what two quotients would, for less than two divisions. Returns
    the largest size of a value in units of 1e-8, infinity if one is no whole number of them.

    Args:
        sums: scratch of more than the longer period: first that many sums before a part of the
            bars, and one, then those of the part.
    """
    longest = max(period, other)
    part = len(sums) - longest - 1
    late, early = np.uint64(longest + 1), np.uint64(longest + 1 - period)
    other_early = np.uint64(longest + 1 - other)
    weight, other_weight = float(period), float(other)
    largest = 0.0
    for i in range(longest + 1):
        sums[i] = 0
    for begin in range(0, len(values), part):
        count = min(part, len(values) - begin)
        largest = max(largest, add_up(values, begin, begin + count, sums, longest))
        undefined = min(max(longest - 1 - begin, 0), count)
        for i in range(begin, begin + undefined):
            standings[i] = UNDEFINED
        first = np.uint64(begin)
        for i in range(np.uint64(undefined), np.uint64(count)):
            left = np.float64(sums[i + late] - sums[i + early]) * other_weight
            right = np.float64(sums[i + late] - sums[i + other_early]) * weight
            standings[first + i] = (
                (left < right) * LESS + (left == right) * EQUAL + (left > right) * GREATER
            )
        for i in range(longest + 1):
            sums[i] = sums[i + count]
    return largest


def stand_averages(values: FloatArray, period: int, other: int, standings: Standings) -> bool:
    """Write how two simple averages of ``values`` stand to each other, from their exact sums.

    False where only the averages themselves tell it to the last bit; what is written then means
    nothing.
    """
    longest = max(period, other)
    if longest > len(values):
        standings.fill(UNDEFINED)
        return True
    sums = np.empty(longest + 1 + max(longest, PART_BARS), np.int64)
    largest = _stand_averages(values, period, other, sums, standings)
    return largest * period * other < _TOLD_APART


def turned(bits: int) -> int:
    """The bits that say the same of two series the other way round."""
    return (bits & EQUAL) | (LESS if bits & GREATER else 0) | (GREATER if bits & LESS else 0)


# Bytes are compared with bytes: with anything wider a vector holds an eighth as many.


@kernel
def is_one_of(standings: Standings, bits: int, found: BoolArray) -> None:
    """Write where one of ``bits`` is set."""
    wanted, nothing = np.uint8(bits), np.uint8(0)
    for i in range(np.uint64(0), np.uint64(len(found))):
        found[i] = np.uint8(standings[i] & wanted) != nothing


@kernel
def has_crossed(standings: Standings, beyond: int, found: BoolArray) -> None:
    """Write where the series stand like ``beyond`` and did not on the bar before."""
    there, elsewhere, nothing = np.uint8(beyond), np.uint8(KNOWN & ~beyond), np.uint8(0)
    one = np.uint64(1)
    if len(found) > 0:
        found[0] = False
    for i in range(one, np.uint64(len(found))):
        found[i] = (np.uint8(standings[i] & there) != nothing) & (
            np.uint8(standings[i - one] & elsewhere) != nothing
        )


@kernel
def has_not_crossed(standings: Standings, beyond: int, found: BoolArray) -> None:
    """Write where the opposite is known: both bars are defined."""
    there, elsewhere, nothing = np.uint8(beyond), np.uint8(KNOWN & ~beyond), np.uint8(0)
    one = np.uint64(1)
    if len(found) > 0:
        found[0] = False
    for i in range(one, np.uint64(len(found))):
        now, before = standings[i], standings[i - one]
        is_elsewhere = (np.uint8(now & elsewhere) != nothing) & (before != nothing)
        found[i] = is_elsewhere | (np.uint8(now & before & there) != nothing)
