"""Several files as one series: what follows, what overlaps, what disagrees."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.candle_rows import rows_of_bars
from worker.candle_joining import Disagreement, NamedRows, join
from worker.candle_rows import Bar

MINUTE = 60_000


def bar(minute: int, price: float = 10.0) -> Bar:
    return Bar(minute * MINUTE, price, price, price, price, float(minute))


def file(name: str, *minutes: int, price: float = 10.0) -> NamedRows:
    bars = [bar(minute, price) for minute in minutes]
    return NamedRows(name, rows_of_bars(bars, range(2, len(bars) + 2)))


def minutes(joined: tuple[NDArray[np.int64], NDArray[np.float64]]) -> list[int]:
    times, values = joined
    assert (values[4] * MINUTE == times).all(), "each bar keeps its own numbers"
    return (times // MINUTE).tolist()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([file("a", 1, 2), file("b", 3, 4)], [1, 2, 3, 4]),
        ([file("b", 9), file("a", 1, 2)], [1, 2, 9]),
        ([file("a", 1, 2, 3), file("b", 2, 3, 4)], [1, 2, 3, 4]),
        ([file("a", 1, 2), file("b", 1, 2)], [1, 2]),
        ([file("a", 1, 2, 3, 4), file("b", 2, 3)], [1, 2, 3, 4]),
        ([file("a", 2, 3), file("b", 1, 2, 3, 4)], [1, 2, 3, 4]),
        ([file("a", 1, 2, 3), file("b", 3, 4), file("c", 2, 3, 4, 5)], [1, 2, 3, 4, 5]),
        ([file("a", 7)], [7]),
    ],
)
def test_files_that_agree(files: list[NamedRows], expected: list[int]) -> None:
    assert minutes(join(files)) == expected


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            [file("a", 1, 2, 3), file("b", 3, 4, price=11.0)],
            "b, row 2: open is 11.0, and 10.0 in row 4 of a",
        ),
        (
            [file("a", 1, 2, 4), file("b", 2, 3, 4, 5)],
            "b, row 3: a covers 1970-01-01T00:03:00Z and has no such bar",
        ),
        (
            [file("a", 1, 2, 3, 4), file("b", 2, 4, 5)],
            "a, row 4: b covers 1970-01-01T00:03:00Z and has no such bar",
        ),
        (
            [file("a", 1, 5), file("b", 2, 3)],
            "b, row 2: a covers 1970-01-01T00:02:00Z and has no such bar",
        ),
        (
            [file("a", 1, 2), file("b", 3, 5), file("c", 2, 3, 4, 5)],
            "c, row 4: b covers 1970-01-01T00:04:00Z and has no such bar",
        ),
        (
            [file("a", 1, 2), file("b", 3, 4), file("c", 2, 4, 5)],
            "b, row 2: c covers 1970-01-01T00:03:00Z and has no such bar",
        ),
    ],
)
def test_files_that_disagree(files: list[NamedRows], told: str) -> None:
    with pytest.raises(Disagreement) as caught:
        join(files)
    assert str(caught.value) == told


def test_a_bar_that_only_differs_in_volume_is_another_bar() -> None:
    short = NamedRows("b", rows_of_bars([bar(2)._replace(volume=1.0)], [2]))
    with pytest.raises(Disagreement, match=r"volume is 1\.0, and 2\.0 in row 3 of a"):
        join([file("a", 1, 2), short])


@pytest.mark.parametrize("seed", range(20))
def test_any_pieces_of_one_series_join_to_it(seed: int) -> None:
    chance = random.Random(seed)
    whole = sorted(chance.sample(range(1000), 200))
    pieces = [file("whole-ends", *whole[:1]), file("other-end", *whole[-1:])]
    covered = 0
    while covered < len(whole):
        first = max(0, covered - chance.randrange(30))
        covered = first + chance.randrange(30, 60)
        pieces.append(file(f"piece-{covered}", *whole[first:covered]))
    chance.shuffle(pieces)
    assert minutes(join(pieces)) == whole
