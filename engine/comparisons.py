"""How two series stand to each other, one byte a bar, and what follows from it.

A byte has one of three bits, or none where a series is undefined. So a condition and its opposite,
a cross and the one the other way are read from the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.simulation import BoolArray, FloatArray, IntArray

Standings = NDArray[np.uint8]

LESS, EQUAL, GREATER = 1, 2, 4
KNOWN = LESS | EQUAL | GREATER
UNDEFINED = 0


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
def stand_averages(sums: IntArray, period: int, other: int, standings: Standings) -> None:
    """Write how the mean of the last ``period`` values stands to that of the last ``other`` ones.

    ``sums`` are running sums of whole numbers. Multiplied crosswise they tell what two quotients
    would, for less than two divisions.
    """
    defined_from = max(period, other) - 1
    for i in range(min(defined_from, len(standings))):
        standings[i] = UNDEFINED
    late, early, other_early = np.uint64(1), np.uint64(period - 1), np.uint64(other - 1)
    weight, other_weight = float(period), float(other)
    for i in range(np.uint64(defined_from), np.uint64(len(standings))):
        left = np.float64(sums[i + late] - sums[i - early]) * other_weight
        right = np.float64(sums[i + late] - sums[i - other_early]) * weight
        standings[i] = (left < right) * LESS + (left == right) * EQUAL + (left > right) * GREATER


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
