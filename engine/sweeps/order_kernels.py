"""Where the accounts of a tile have something to do: one bit a bar."""

import numpy as np
from numpy.typing import NDArray

from engine._jit import borrowing, inlined
from engine.bits import WORD_BARS, lowest_bit
from engine.simulation import IntArray
from engine.sweeps.accounts import (
    A_PENDING,
    R_LONG_ENTRY,
    R_LONG_EXIT,
    R_ON_CLOSE,
    R_SHORT_ENTRY,
    R_SHORT_EXIT,
)
from engine.sweeps.plane_kernels import NOWHERE, TILE_WORDS, Planes

#: Rows of a variant's orders in a tile; the last column of a row tells which words have any.
TO_LONG, TO_SHORT, FROM_FLAT, LEAVE_LONG, LEAVE_SHORT = range(5)
ORDER_ROWS = 5
ORDER_COLUMNS = TILE_WORDS + 1
BUSY = TILE_WORDS

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_TOP = np.uint64(WORD_BARS - 1)
_ALL = ~np.uint64(0)


@borrowing
def _place_side(
    entries: NDArray[np.uint64], exits: NDArray[np.uint64], other_entries: NDArray[np.uint64],
    other_exits: NDArray[np.uint64], delay: bool, pending: int, to: NDArray[np.uint64],
    leave: NDArray[np.uint64],
) -> int:  # fmt: skip
    """Write where one side is opened and left; returns the two bits that wait for the next tile.

    A side is left where its exit says so, and where the other side is to be opened.
    """
    carry = np.uint64(pending & 1)
    carry_leave = np.uint64((pending >> 1) & 1)
    busy = _NONE
    busy_leave = _NONE
    for word in range(np.uint64(TILE_WORDS)):
        opens = entries[word] & ~exits[word]
        leaves = exits[word] | (other_entries[word] & ~other_exits[word])
        opens_at = opens
        leaves_at = leaves
        if delay:
            opens_at = (opens << _ONE) | carry
            leaves_at = (leaves << _ONE) | carry_leave
            carry = opens >> _TOP
            carry_leave = leaves >> _TOP
        to[word] = opens_at
        leave[word] = leaves_at
        busy |= np.uint64(opens_at != _NONE) << np.uint64(word)
        busy_leave |= np.uint64(leaves_at != _NONE) << np.uint64(word)
    to[BUSY] = busy
    leave[BUSY] = busy_leave
    return int(np.int64(carry | (carry_leave << _ONE)))


@borrowing
def place_orders(choices: IntArray, counts: IntArray, planes: Planes, orders: Planes) -> bool:
    """Where a flat account, a long and a short one have something to do, at the bar that fills.

    Under ``nextOpen`` that is one bar after the signal; ``counts`` keep the last one's. Returns
    whether shorts may be opened: without them only TO_LONG and LEAVE_LONG are written.
    """
    long_entries, long_exits = planes[choices[R_LONG_ENTRY]], planes[choices[R_LONG_EXIT]]
    short_entries, short_exits = planes[choices[R_SHORT_ENTRY]], planes[choices[R_SHORT_EXIT]]
    delay = choices[R_ON_CLOSE] == 0
    pending = counts[A_PENDING]
    counts[A_PENDING] = _place_side(
        long_entries, long_exits, short_entries, short_exits, delay, pending & 3,
        orders[TO_LONG], orders[LEAVE_LONG],
    )  # fmt: skip
    if choices[R_SHORT_ENTRY] == NOWHERE:
        return False
    counts[A_PENDING] |= 4 * _place_side(
        short_entries, short_exits, long_entries, long_exits, delay, pending >> 2,
        orders[TO_SHORT], orders[LEAVE_SHORT],
    )  # fmt: skip
    busy = _NONE
    for word in range(np.uint64(TILE_WORDS)):
        opens_at = orders[TO_LONG, word] ^ orders[TO_SHORT, word]
        orders[FROM_FLAT, word] = opens_at
        busy |= np.uint64(opens_at != _NONE) << np.uint64(word)
    orders[FROM_FLAT, BUSY] = busy
    return True


@inlined
def next_bit(orders: Planes, row: int, start: int, bars: int) -> int:
    """The first set bit of a row from ``start`` on, or ``bars`` if there is none before that."""
    place = bars
    if start < bars:
        word = start // WORD_BARS
        found = orders[row, word] & (_ALL << np.uint64(start % WORD_BARS))
        if found == _NONE:
            later = orders[row, BUSY] & (_ALL << np.uint64(word)) & ~(_ONE << np.uint64(word))
            if later != _NONE:
                word = lowest_bit(later)
                found = orders[row, word]
        if found != _NONE:
            place = min(word * WORD_BARS + lowest_bit(found), bars)
    return place


@inlined
def has_bit(orders: Planes, row: int, place: int) -> bool:
    """Whether a row has the bit of a bar."""
    return bool((orders[row, place // WORD_BARS] >> np.uint64(place % WORD_BARS)) & _ONE)
