"""Lists that are made as they are read behave as lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lists import PART_ITEMS, LazyList

LETTERS = list("abcdef")


def lazy(items: list[str]) -> LazyList[str]:
    return LazyList(len(items), lambda first, last: items[first:last])


@given(
    st.lists(st.characters(), max_size=8),
    st.slices(12),
)
def test_slices_are_those_of_a_list(items: list[str], chosen: slice) -> None:
    assert lazy(items)[chosen] == items[chosen]


@pytest.mark.parametrize("index", range(-6, 6))
def test_items_are_those_of_a_list(index: int) -> None:
    assert lazy(LETTERS)[index] == LETTERS[index]


@pytest.mark.parametrize("index", [6, -7])
def test_there_is_nothing_beyond_the_ends(index: int) -> None:
    with pytest.raises(IndexError, match=f"no item {index} of 6"):
        lazy(LETTERS)[index]


@pytest.mark.parametrize("count", [0, 1, PART_ITEMS, 2 * PART_ITEMS + 1])
def test_all_items_come_in_parts(count: int) -> None:
    asked = []

    def part(first: int, last: int) -> list[int]:
        asked.append(last - first)
        return list(range(first, last))

    assert list(LazyList(count, part)) == list(range(count))
    assert sum(asked) == count
    assert max(asked, default=0) <= PART_ITEMS


def test_nothing_is_made_before_it_is_read() -> None:
    made: list[int] = []

    def part(first: int, last: int) -> list[int]:
        made.extend(range(first, last))
        return made[-(last - first) :]

    numbers = LazyList(1_000_000, part)
    assert len(numbers) == 1_000_000
    assert numbers[700_000] == 700_000
    assert made == [700_000]
