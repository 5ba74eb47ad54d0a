"""Where the accounts of a tile have something to do: one bit a bar."""

import numpy as np

from engine._jit import inlined, kernel
from engine.simulation import IntArray
from engine.sweeps.accounts import (
    A_PENDING,
    R_LONG_ENTRY,
    R_LONG_EXIT,
    R_ON_CLOSE,
    R_SHORT_ENTRY,
    R_SHORT_EXIT,
)
from engine.sweeps.bits import WORD_BARS, lowest_bit
from engine.sweeps.plane_kernels import TILE_WORDS, Planes

#: Rows of a variant's orders in a tile.
TO_LONG, TO_SHORT, FROM_FLAT, LEAVE_LONG, LEAVE_SHORT = range(5)
ORDER_ROWS = 5

_ONE = np.uint64(1)
_TOP = np.uint64(WORD_BARS - 1)
_ALL = ~np.uint64(0)


@kernel
def place_orders(choices: IntArray, counts: IntArray, planes: Planes, orders: Planes) -> None:
    """Where a flat account, a long and a short one have something to do, at the bar that fills.

    Under ``nextOpen`` that is one bar after the signal; ``counts`` keep the last one's.
    """
    long_entry, long_exit = choices[R_LONG_ENTRY], choices[R_LONG_EXIT]
    short_entry, short_exit = choices[R_SHORT_ENTRY], choices[R_SHORT_EXIT]
    pending = counts[A_PENDING]
    delay = choices[R_ON_CLOSE] == 0
    carry_long = np.uint64(pending & 1)
    carry_short = np.uint64((pending >> 1) & 1)
    carry_leave_long = np.uint64((pending >> 2) & 1)
    carry_leave_short = np.uint64((pending >> 3) & 1)
    for word in range(TILE_WORDS):
        leave_long = planes[long_exit, word]
        leave_short = planes[short_exit, word]
        long = planes[long_entry, word] & ~leave_long
        short = planes[short_entry, word] & ~leave_short
        leave_long |= short
        leave_short |= long
        if delay:
            orders[TO_LONG, word] = (long << _ONE) | carry_long
            orders[TO_SHORT, word] = (short << _ONE) | carry_short
            orders[LEAVE_LONG, word] = (leave_long << _ONE) | carry_leave_long
            orders[LEAVE_SHORT, word] = (leave_short << _ONE) | carry_leave_short
            carry_long = long >> _TOP
            carry_short = short >> _TOP
            carry_leave_long = leave_long >> _TOP
            carry_leave_short = leave_short >> _TOP
        else:
            orders[TO_LONG, word] = long
            orders[TO_SHORT, word] = short
            orders[LEAVE_LONG, word] = leave_long
            orders[LEAVE_SHORT, word] = leave_short
        orders[FROM_FLAT, word] = orders[TO_LONG, word] ^ orders[TO_SHORT, word]
    if delay:
        counts[A_PENDING] = int(
            carry_long
            | (carry_short << np.uint64(1))
            | (carry_leave_long << np.uint64(2))
            | (carry_leave_short << np.uint64(3))
        )


@inlined
def next_bit(orders: Planes, row: int, start: int, bars: int) -> int:
    """The first set bit of a row from ``start`` on, or ``bars`` if there is none before that."""
    place = bars
    if start < bars:
        word = start // WORD_BARS
        found = orders[row, word] & (_ALL << np.uint64(start % WORD_BARS))
        while found == 0 and (word + 1) * WORD_BARS < bars:
            word += 1
            found = orders[row, word]
        if found != 0:
            place = min(word * WORD_BARS + lowest_bit(found), bars)
    return place


@inlined
def has_bit(orders: Planes, row: int, place: int) -> bool:
    """Whether a row has the bit of a bar."""
    return bool((orders[row, place // WORD_BARS] >> np.uint64(place % WORD_BARS)) & _ONE)
