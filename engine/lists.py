"""Long lists that are made as they are read: a year of minutes is half a million texts and rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from engine.simulation import FloatArray, IntArray

Item = TypeVar("Item")
#: Which items: those of a slice, or those at some places.
Chosen = slice | IntArray

#: Items that are made at a time. Making more would hold the interpreter, and with it the beats of a
#: running job, for longer.
PART_ITEMS = 1_000


class LazyList(Sequence[Item], Generic[Item]):
    """A list of which no item exists before it is read, and none stays."""

    def __init__(self, length: int, part: Callable[[Chosen], list[Item]]) -> None:
        """``part`` gives the items that a slice or an array of places chooses of ``length``."""
        self._length = length
        self._part = part

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return self._part(index)
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"no item {index} of {self._length}")
        return self._part(slice(place, place + 1))[0]

    def __iter__(self) -> Iterator[Item]:
        for first in range(0, self._length, PART_ITEMS):
            yield from self._part(slice(first, first + PART_ITEMS))

    def at(self, places: Sequence[int]) -> list[Item]:
        """The items at some places, all made at once."""
        return self._part(np.array(places, np.int64))


class Numbers(LazyList[float]):
    """The floats of an array, which reads as that array where one is wanted."""

    def __init__(self, column: FloatArray) -> None:
        super().__init__(len(column), self._floats)
        self._column = column

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._column, dtype=dtype, copy=copy)

    def _floats(self, chosen: Chosen) -> list[float]:
        floats: list[float] = self._column[chosen].tolist()
        return floats
