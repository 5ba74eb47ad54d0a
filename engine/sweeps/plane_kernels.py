"""Conditions of one tile as planes: one bit a bar, 16 words of 64 bars.

Every step of a program writes one plane (some two, a comparison four) from series or from earlier
planes.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine._jit import borrowing
from engine.bits import WORD_BARS, at_most, greater
from engine.return_kernels import BLOCK
from engine.simulation import FloatArray, IntArray

#: Bars of a tile: the block in which returns are summed.
TILE_BARS = BLOCK
TILE_WORDS = TILE_BARS // WORD_BARS

Planes = NDArray[np.uint64]

#: What a step does. ``COMPARE`` writes a > b, a ≤ b, a < b, a ≥ b to four planes in a row,
#: ``CROSS`` where a comes to lie above b, and below it, to two;
#: ``AND_BEFORE`` is a and, on the bar before, b; ``MOVING`` writes to two planes where the last n
#: steps of a all rose (n < 0: fell), and where they did not.
COMPARE, CROSS, AND, OR, AND_NOT, AND_BEFORE, MOVING = range(7)
#: Columns of a step: what, the plane it writes, two operands and a number.
P_CODE, P_OUT, P_LEFT, P_RIGHT, P_NUMBER = range(5)
STEP_NUMBERS = 5
#: The plane that no step writes: it is 0 on every bar.
NOWHERE = 0
FIRST_FREE = 1

_ONE = np.uint64(1)
_TOP = np.uint64(WORD_BARS - 1)


@borrowing
def _compare(left: FloatArray, right: FloatArray, is_clean: bool, out: int, planes: Planes) -> None:
    is_above, is_at_most = planes[out], planes[out + 1]
    is_below, is_at_least = planes[out + 2], planes[out + 3]
    for word in range(np.uint64(TILE_WORDS)):
        bar = int(np.int64(word)) * WORD_BARS
        above = greater(left, right, bar)
        below = greater(right, left, bar)
        is_above[word] = above
        is_below[word] = below
        is_at_most[word] = ~above if is_clean else at_most(left, right, bar)
        is_at_least[word] = ~below if is_clean else at_most(right, left, bar)


@borrowing
def _cross(
    left: FloatArray, right: FloatArray, is_clean: bool, carry: np.uint64,
    crosses_above: NDArray[np.uint64], crosses_below: NDArray[np.uint64],
) -> np.uint64:  # fmt: skip
    """Where left comes to lie above or below right, having been at most or at least as high.

    Takes and returns two bits: whether left is at most, and at least, as high on the last bar.
    """
    was_at_most, was_at_least = carry & _ONE, carry >> _ONE
    for word in range(np.uint64(TILE_WORDS)):
        bar = int(np.int64(word)) * WORD_BARS
        above = greater(left, right, bar)
        below = greater(right, left, bar)
        is_at_most = ~above if is_clean else at_most(left, right, bar)
        is_at_least = ~below if is_clean else at_most(right, left, bar)
        crosses_above[word] = above & ((is_at_most << _ONE) | was_at_most)
        crosses_below[word] = below & ((is_at_least << _ONE) | was_at_least)
        was_at_most = is_at_most >> _TOP
        was_at_least = is_at_least >> _TOP
    return was_at_most | (was_at_least << _ONE)


@borrowing
def _and_before(
    left: NDArray[np.uint64], right: NDArray[np.uint64], carry: np.uint64, out: NDArray[np.uint64]
) -> np.uint64:
    """Write left and, on the bar before, right; returns what that is for the next tile's first."""
    last: np.uint64 = right[TILE_WORDS - 1] >> _TOP
    out[0] = left[0] & ((right[0] << _ONE) | carry)
    for word in range(np.uint64(1), np.uint64(TILE_WORDS)):
        before = (right[word] << _ONE) | (right[word - _ONE] >> _TOP)
        out[word] = left[word] & before
    return last


@borrowing
def _moving(
    values: FloatArray, bars: int, sign: float, steps: int, memory: FloatArray,
    true: NDArray[np.uint64], false: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Where each of the last ``steps`` steps went the way of ``sign``, and where not all did.

    ``memory``: the last value, and for how many bars values were defined and steps went that way.
    """
    last, defined, moved = memory[0], memory[1], memory[2]
    for word in range(TILE_WORDS):
        true[word] = np.uint64(0)
        false[word] = np.uint64(0)
    for bar in range(bars):
        value = values[bar]
        moved = moved + 1.0 if sign * value > sign * last else 0.0
        defined = 0.0 if math.isnan(value) else defined + 1.0
        if defined > steps:
            bit = _ONE << np.uint64(bar % WORD_BARS)
            if moved >= steps:
                true[bar // WORD_BARS] |= bit
            else:
                false[bar // WORD_BARS] |= bit
        last = value
    memory[0], memory[1], memory[2] = last, defined, moved


@borrowing
def run_steps(
    bars: int,
    steps: IntArray,
    values: FloatArray,
    is_clean: NDArray[np.bool_],
    memory: FloatArray,
    carries: NDArray[np.uint64],
    planes: Planes,
    begin: int,
    end: int,
) -> None:
    """Run steps begin … end − 1 over a tile whose first ``bars`` bars count.

    Args:
        steps: (P, STEP_NUMBERS) in the order in which they can be run.
        values, is_clean: the tile's series, and whether each is defined throughout.
        memory: (P, 3) what MOVING keeps from tile to tile; NaN, 0, 0 before the first.
        carries: (P,) what AND_BEFORE and CROSS keep; 0 before the first.
        planes: (planes, TILE_WORDS), written. Bits past ``bars`` mean nothing.
    """
    for place in range(np.uint64(begin), np.uint64(end)):
        code = steps[place, P_CODE]
        left, right = steps[place, P_LEFT], steps[place, P_RIGHT]
        first = steps[place, P_OUT]
        if code == COMPARE:
            clean = is_clean[left] and is_clean[right]
            _compare(values[left], values[right], clean, first, planes)
            continue
        out = planes[first]
        if code == CROSS:
            clean = is_clean[left] and is_clean[right]
            carries[place] = _cross(
                values[left], values[right], clean, carries[place], out, planes[first + 1]
            )
        elif code == AND_BEFORE:
            carries[place] = _and_before(planes[left], planes[right], carries[place], out)
        elif code == AND:
            for word in range(np.uint64(TILE_WORDS)):
                out[word] = planes[left, word] & planes[right, word]
        elif code == OR:
            for word in range(np.uint64(TILE_WORDS)):
                out[word] = planes[left, word] | planes[right, word]
        elif code == AND_NOT:
            for word in range(np.uint64(TILE_WORDS)):
                out[word] = planes[left, word] & ~planes[right, word]
        else:
            number = steps[place, P_NUMBER]
            sign = 1.0 if number > 0 else -1.0
            _moving(values[left], bars, sign, abs(number), memory[place], out, planes[first + 1])
