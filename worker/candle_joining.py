"""Several files as one series: they may follow each other or overlap, but must not disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from engine.candles import from_milliseconds
from worker.candle_rows import Bar, Rows


class Disagreement(ValueError):
    """Two files hold different bars for the same stretch of time; both rows are named."""


@dataclass(frozen=True, slots=True)
class NamedRows:
    """What one file holds, or a part of it, and the name that messages give it."""

    name: str
    rows: Rows

    def since(self, first: int) -> "NamedRows":
        """The part that begins with the bar ``first``."""
        rows = self.rows
        return NamedRows(
            self.name, Rows(rows.times[first:], rows.values[:, first:], rows.numbers[first:])
        )

    def place(self, index: int) -> str:
        return f"row {self.rows.numbers[index]} of {self.name}"


def join(files: Sequence[NamedRows]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and values (as :class:`Rows` has them) of all files, oldest first, each bar once.

    Where two files cover the same time they must hold the same bars with the same numbers: a bar
    that differs, or that only one of them has, is refused rather than chosen.

    Raises:
        Disagreement: names the file and row of the first such bar.
    """
    parts: list[NamedRows] = []
    for file in sorted(files, key=lambda file: int(file.rows.times[0])):
        fresh = 0
        if parts:
            fresh = int(np.searchsorted(file.rows.times, parts[-1].rows.times[-1], side="right"))
            _compare(file, fresh, _Held(parts, since=int(file.rows.times[0])))
        if fresh < len(file.rows):
            parts.append(file.since(fresh))
    return (
        np.concatenate([part.rows.times for part in parts]),
        np.concatenate([part.rows.values for part in parts], axis=1),
    )


class _Held:
    """The bars joined so far that open at ``since`` or later, and where each came from."""

    def __init__(self, parts: Sequence[NamedRows], since: int) -> None:
        reached = [part for part in parts if part.rows.times[-1] >= since]
        self._parts = [part.since(int(np.searchsorted(part.rows.times, since))) for part in reached]
        self._starts = np.cumsum([0, *(len(part.rows) for part in self._parts)])
        self.times = np.concatenate([np.empty(0, np.int64), *(p.rows.times for p in self._parts)])
        self.values = np.concatenate([np.empty((5, 0)), *(p.rows.values for p in self._parts)], 1)

    def bar(self, index: int) -> tuple[NamedRows, int]:
        """The file of a bar and its place there."""
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._parts[part], index - int(self._starts[part])


def _compare(file: NamedRows, shared: int, held: _Held) -> None:
    """Hold the first ``shared`` bars of the file against those of the same stretch of time."""
    covered = int(np.searchsorted(held.times, file.rows.times[-1], side="right"))
    both = min(shared, covered)
    differs = (file.rows.times[:both] != held.times[:both]) | (
        file.rows.values[:, :both] != held.values[:, :both]
    ).any(axis=0)
    if differs.any():
        index = int(np.argmax(differs))
        _refuse(file, index, *held.bar(index))
    if shared > covered:
        _missing(file, covered, held.bar(max(covered - 1, 0))[0])
    if covered > shared:
        _missing(*held.bar(shared), file)


def _refuse(file: NamedRows, index: int, other: NamedRows, place: int) -> NoReturn:
    theirs, held = file.rows.bar(index), other.rows.bar(place)
    if theirs.time < held.time:
        _missing(file, index, other)
    if theirs.time > held.time:
        _missing(other, place, file)
    name = next(name for name in Bar._fields if getattr(theirs, name) != getattr(held, name))
    raise Disagreement(
        f"{file.name}, row {file.rows.numbers[index]}: {name} is {getattr(theirs, name)!r}, and "
        f"{getattr(held, name)!r} in {other.place(place)}"
    )


def _missing(file: NamedRows, index: int, other: NamedRows) -> NoReturn:
    moment = from_milliseconds(file.rows.times[index])
    raise Disagreement(
        f"{file.name}, row {file.rows.numbers[index]}: {other.name} covers "
        f"{moment:%Y-%m-%dT%H:%M:%SZ} and has no such bar"
    )
