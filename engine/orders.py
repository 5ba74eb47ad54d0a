"""Orders of a bar as one byte, eight bars to a word, so that empty ones are passed over quickly."""

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from engine._jit import borrowing
from engine.bits import lowest_bit
from engine.simulation import BoolArray

Codes = NDArray[np.uint8]
Words = NDArray[np.uint64]


class Signal(IntFlag):
    """Bits of a bar's signal code. Entries that an exit of their own side cancels are not in it."""

    LONG_ENTRY = 1
    LONG_EXIT = 2
    SHORT_ENTRY = 4
    SHORT_EXIT = 8


# Plain integers: numba would otherwise have to know the enumeration.
LONG_ENTRY = int(Signal.LONG_ENTRY)
LONG_EXIT = int(Signal.LONG_EXIT)
SHORT_ENTRY = int(Signal.SHORT_ENTRY)
SHORT_EXIT = int(Signal.SHORT_EXIT)
ENTRIES = LONG_ENTRY | SHORT_ENTRY
LEAVE_LONG = SHORT_ENTRY | LONG_EXIT
LEAVE_SHORT = LONG_ENTRY | SHORT_EXIT

WORD_CODES = 8
#: A code times this is the code in each byte of a word.
_EACH_BYTE = np.uint64(0x0101010101010101)
_ALL = ~np.uint64(0)


def empty_codes(bars: int) -> Codes:
    """Room for the codes of ``bars`` bars, and for as many more as fill the last word."""
    codes = np.empty(-(-bars // WORD_CODES) * WORD_CODES, np.uint8)
    if len(codes) > bars:
        codes[bars:] = 0
    return codes


@borrowing
def write_codes(
    long_entry: BoolArray,
    long_exit: BoolArray,
    short_entry: BoolArray,
    short_exit: BoolArray,
    codes: Codes,
) -> None:
    """Write each bar's ``Signal`` bits."""
    for i in range(np.uint64(0), np.uint64(len(long_entry))):
        codes[i] = (
            (long_entry[i] & ~long_exit[i]) * LONG_ENTRY
            + long_exit[i] * LONG_EXIT
            + (short_entry[i] & ~short_exit[i]) * SHORT_ENTRY
            + short_exit[i] * SHORT_EXIT
        )


@borrowing
def next_code(words: Words, mask: int, start: int, stop: int) -> int:
    """The first bar of start … stop − 1 whose code has a bit of ``mask``, or ``stop``."""
    if start >= stop:
        return stop
    wanted = np.uint64(mask) * _EACH_BYTE
    word = start // WORD_CODES
    found = words[word] & wanted & (_ALL << np.uint64(8 * (start % WORD_CODES)))
    while found == 0 and (word + 1) * WORD_CODES < stop:
        word += 1
        found = words[word] & wanted
    if found == 0:
        return stop
    return min(word * WORD_CODES + lowest_bit(found) // 8, stop)
