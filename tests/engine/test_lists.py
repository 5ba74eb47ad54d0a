"""Lists that are made as they are read behave as lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lists import PART_ITEMS, Chosen, LazyList, Numbers

LETTERS = list("abcdef")


def lazy(items: list[str]) -> LazyList[str]:
    def part(chosen: Chosen) -> list[str]:
        if isinstance(chosen, slice):
            return items[chosen]
        return [items[place] for place in chosen.tolist()]

    return LazyList(len(items), part)


@given(
    st.lists(st.characters(), max_size=8),
    st.slices(12),
)
def test_slices_are_those_of_a_list(items: list[str], chosen: slice) -> None:
    assert lazy(items)[chosen] == items[chosen]


@pytest.mark.parametrize("index", range(-6, 6))
def test_items_are_those_of_a_list(index: int) -> None:
    assert lazy(LETTERS)[index] == LETTERS[index]


def test_items_at_some_places() -> None:
    assert lazy(LETTERS).at([5, 0, 0]) == ["f", "a", "a"]
    assert lazy(LETTERS).at([]) == []


@pytest.mark.parametrize("index", [6, -7])
def test_there_is_nothing_beyond_the_ends(index: int) -> None:
    with pytest.raises(IndexError, match=f"no item {index} of 6"):
        lazy(LETTERS)[index]


@pytest.mark.parametrize("count", [0, 1, PART_ITEMS, 2 * PART_ITEMS + 1])
def test_all_items_come_in_parts(count: int) -> None:
    asked = []

    def part(chosen: Chosen) -> list[int]:
        made: list[int] = np.arange(count)[chosen].tolist()
        asked.append(len(made))
        return made

    assert list(LazyList(count, part)) == list(range(count))
    assert sum(asked) == count
    assert max(asked, default=0) <= PART_ITEMS


def test_nothing_is_made_before_it_is_read() -> None:
    made: list[int] = []

    def part(chosen: Chosen) -> list[int]:
        made.extend(np.arange(1_000_000)[chosen].tolist())
        return made

    numbers = LazyList(1_000_000, part)
    assert len(numbers) == 1_000_000
    assert numbers[700_000] == 700_000
    assert made == [700_000]


def test_numbers_are_an_array_where_one_is_wanted() -> None:
    column = np.array([1.0, 2.5, -3.0])
    numbers = Numbers(column)
    assert list(numbers) == [1.0, 2.5, -3.0]
    assert numbers.at([2, 0]) == [-3.0, 1.0]
    assert {type(number) for number in numbers[1:]} == {float}
    np.testing.assert_array_equal(np.asarray(numbers), column)
    assert np.shares_memory(np.asarray(numbers), column)
    assert not np.shares_memory(np.array(numbers), column)
