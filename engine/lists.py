"""Long lists that are made as they are read: a year of minutes is half a million texts and rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")

#: Items that are made at a time. Making more would hold the interpreter, and with it the beats of a
#: running job, for longer.
PART_ITEMS = 1_000


class LazyList(Sequence[Item], Generic[Item]):
    """A list of which no item exists before it is read, and none stays."""

    def __init__(self, length: int, part: Callable[[int, int], list[Item]]) -> None:
        """``part`` gives the items first, …, last − 1 for 0 ≤ first ≤ last ≤ ``length``."""
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
            first, last, step = index.indices(self._length)
            if step != 1:
                return [self[place] for place in range(first, last, step)]
            return self._part(first, max(first, last))
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"no item {index} of {self._length}")
        return self._part(place, place + 1)[0]

    def __iter__(self) -> Iterator[Item]:
        for first in range(0, self._length, PART_ITEMS):
            yield from self._part(first, min(first + PART_ITEMS, self._length))
