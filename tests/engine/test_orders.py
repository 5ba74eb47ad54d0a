"""Orders as bytes and words: nothing is lost between the two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fills import Signals
from engine.orders import (
    ENTRIES,
    LEAVE_LONG,
    LEAVE_SHORT,
    LONG_ENTRY,
    LONG_EXIT,
    SHORT_ENTRY,
    SHORT_EXIT,
    WORD_CODES,
    empty_codes,
    next_code,
)

masks = st.integers(0, 40).flatmap(
    lambda bars: st.lists(
        st.lists(st.booleans(), min_size=bars, max_size=bars), min_size=4, max_size=4
    )
)


def signals_of(rows: list[list[bool]]) -> Signals:
    long_entry, long_exit, short_entry, short_exit = (np.array(row, np.bool_) for row in rows)
    return Signals(
        long_entry=long_entry,
        long_exit=long_exit,
        short_entry=short_entry,
        short_exit=short_exit,
    )


@settings(deadline=None)
@given(rows=masks)
def test_a_code_says_what_the_masks_say(rows: list[list[bool]]) -> None:
    codes = signals_of(rows).codes()
    bars = len(rows[0])
    for bar, (enter, leave, sell, cover) in enumerate(zip(*rows, strict=True)):
        expected = LONG_ENTRY * (enter and not leave) + LONG_EXIT * leave
        expected += SHORT_ENTRY * (sell and not cover) + SHORT_EXIT * cover
        assert codes[bar] == expected
    assert len(codes) % WORD_CODES == 0
    assert not codes[bars:].any()


@settings(deadline=None)
@given(rows=masks, mask=st.sampled_from([ENTRIES, LEAVE_LONG, LEAVE_SHORT]), data=st.data())
def test_the_next_code_is_the_first_with_a_wanted_bit(
    rows: list[list[bool]], mask: int, data: st.DataObject
) -> None:
    codes = signals_of(rows).codes()
    bars = len(rows[0])
    start, stop = data.draw(st.integers(0, bars)), data.draw(st.integers(0, bars))
    found = next_code(codes.view(np.uint64), mask, start, stop)
    expected = [bar for bar in range(start, stop) if codes[bar] & mask]
    assert found == (expected[0] if expected else stop)


@pytest.mark.parametrize(("bars", "room"), [(0, 0), (1, 8), (8, 8), (9, 16)])
def test_codes_fill_their_last_word(bars: int, room: int) -> None:
    codes = empty_codes(bars)
    assert len(codes) == room
    assert len(codes.view(np.uint64)) == room // WORD_CODES
    assert not codes[bars:].any()
