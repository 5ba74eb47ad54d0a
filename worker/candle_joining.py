"""Several files as one series: they may follow each other or overlap, but must not disagree."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from engine.candles import from_milliseconds
from worker.candle_rows import Bar, Rows


class Disagreement(ValueError):
    """Two files hold different bars for the same stretch of time; both rows are named."""


@dataclass(frozen=True, slots=True)
class NamedRows:
    """What one file holds, and the name that messages give it."""

    name: str
    rows: Rows


def join(files: Sequence[NamedRows]) -> list[Bar]:
    """The bars of all files, oldest first, each once.

    Where two files cover the same time they must hold the same bars with the same numbers: a bar
    that differs, or that only one of them has, is refused rather than chosen.

    Raises:
        Disagreement: names the file and row of the first such bar.
    """
    joined = _Series()
    for file in sorted(files, key=lambda file: file.rows.bars[0].time):
        joined.add(file)
    return joined.bars


class _Series:
    """Bars joined so far, and where each came from."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self._times: list[int] = []
        self._places: list[tuple[str, int]] = []

    def add(self, file: NamedRows) -> None:
        """Append what is new in a file that begins no earlier than any before it."""
        bars, numbers = file.rows.bars, file.rows.numbers
        shared = 0
        if self.bars:
            shared = bisect_right(bars, self._times[-1], key=lambda bar: bar.time)
            self._check(file, shared)
        self.bars += bars[shared:]
        self._times += [bar.time for bar in bars[shared:]]
        self._places += [(file.name, number) for number in numbers[shared:]]

    def _check(self, file: NamedRows, shared: int) -> None:
        """Hold the first ``shared`` bars of the file against those of the same time."""
        if not shared:
            return
        bars = file.rows.bars
        first = bisect_left(self._times, bars[0].time)
        last = bisect_right(self._times, bars[-1].time)
        for offset in range(max(shared, last - first)):
            theirs = bars[offset] if offset < shared else None
            held = self.bars[first + offset] if first + offset < last else None
            if theirs != held:
                self._refuse(file, offset, theirs, first + offset, held)

    def _refuse(
        self, file: NamedRows, offset: int, theirs: Bar | None, position: int, held: Bar | None
    ) -> None:
        if held is None or (theirs is not None and theirs.time < held.time):
            assert theirs is not None
            other = self._places[min(position, len(self._places) - 1)][0]
            raise Disagreement(
                f"{file.name}, row {file.rows.numbers[offset]}: {other} covers "
                f"{_text(theirs)} and has no such bar"
            )
        name, row = self._places[position]
        if theirs is None or theirs.time > held.time:
            raise Disagreement(
                f"{name}, row {row}: {file.name} covers {_text(held)} and has no such bar"
            )
        raise Disagreement(
            f"{file.name}, row {file.rows.numbers[offset]}: {_difference(theirs, held)} in row "
            f"{row} of {name}"
        )


def _difference(theirs: Bar, held: Bar) -> str:
    name = next(name for name in Bar._fields if getattr(theirs, name) != getattr(held, name))
    return f"{name} is {getattr(theirs, name)!r}, and {getattr(held, name)!r}"


def _text(bar: Bar) -> str:
    return f"{from_milliseconds(bar.time):%Y-%m-%dT%H:%M:%SZ}"
