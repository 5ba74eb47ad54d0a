"""Conditions of one tile as planes: one bit a bar, 16 words of 64 bars.

Every step of a program writes one plane (a comparison: four) from series or earlier planes.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine._jit import borrowing
from engine.return_kernels import BLOCK
from engine.simulation import FloatArray, IntArray
from engine.sweeps.bits import WORD_BARS, at_most, greater

#: Bars of a tile: the block in which returns are summed.
TILE_BARS = BLOCK
TILE_WORDS = TILE_BARS // WORD_BARS

Planes = NDArray[np.uint64]

#: What a step does. ``COMPARE`` writes a > b, a ≤ b, a < b, a ≥ b to four planes in a row;
#: ``AND_BEFORE`` is a and, on the bar before, b; ``MOVING`` writes to two planes where the last n
#: steps of a all rose (n < 0: fell), and where they did not.
COMPARE, AND, OR, AND_NOT, AND_BEFORE, MOVING = range(6)
#: Columns of a step: what, the plane it writes, two operands and a number.
P_CODE, P_OUT, P_LEFT, P_RIGHT, P_NUMBER = range(5)
STEP_NUMBERS = 5
#: The plane that no step writes: it is 0 on every bar.
NOWHERE = 0
FIRST_FREE = 1

_ONE = np.uint64(1)
_TOP = np.uint64(WORD_BARS - 1)


@borrowing
def _compare(
    left: FloatArray, right: FloatArray, is_clean: bool, out: int, words: int, planes: Planes
) -> None:
    for word in range(words):
        bar = word * WORD_BARS
        above = greater(left, right, bar)
        below = greater(right, left, bar)
        planes[out, word] = above
        planes[out + 2, word] = below
        if is_clean:
            planes[out + 1, word] = ~above
            planes[out + 3, word] = ~below
        else:
            planes[out + 1, word] = at_most(left, right, bar)
            planes[out + 3, word] = at_most(right, left, bar)


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
        carries: (P,) what AND_BEFORE keeps; 0 before the first.
        planes: (planes, TILE_WORDS), written. Bits past ``bars`` mean nothing.
    """
    words = (bars + WORD_BARS - 1) // WORD_BARS
    for place in range(begin, end):
        code = steps[place, P_CODE]
        out = steps[place, P_OUT]
        left = steps[place, P_LEFT]
        right = steps[place, P_RIGHT]
        if code == COMPARE:
            clean = is_clean[left] and is_clean[right]
            _compare(values[left], values[right], clean, out, words, planes)
        elif code == AND:
            for word in range(words):
                planes[out, word] = planes[left, word] & planes[right, word]
        elif code == OR:
            for word in range(words):
                planes[out, word] = planes[left, word] | planes[right, word]
        elif code == AND_NOT:
            for word in range(words):
                planes[out, word] = planes[left, word] & ~planes[right, word]
        elif code == AND_BEFORE:
            carry = carries[place]
            carries[place] = planes[right, TILE_WORDS - 1] >> _TOP
            planes[out, 0] = planes[left, 0] & ((planes[right, 0] << _ONE) | carry)
            for word in range(1, words):
                before = (planes[right, word] << _ONE) | (planes[right, word - 1] >> _TOP)
                planes[out, word] = planes[left, word] & before
        else:
            number = steps[place, P_NUMBER]
            sign = 1.0 if number > 0 else -1.0
            _moving(
                values[left], bars, sign, abs(number), memory[place], planes[out], planes[out + 1]
            )
