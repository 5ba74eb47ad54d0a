"""How series stand to each other, and crosses read from it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.comparisons import (
    EQUAL,
    GREATER,
    KNOWN,
    LESS,
    UNDEFINED,
    has_crossed,
    has_not_crossed,
    is_one_of,
    stand,
    stand_averages,
    stand_to_number,
    turned,
)
from engine.indicator_outputs import Outputs
from engine.indicator_parameters import Average
from engine.indicators import sma
from engine.indicators.exact_sums import totals_of
from engine.simulation import FloatArray
from tests.support.markets import candles_of_closes

values = st.lists(st.sampled_from([1.0, 2.0, 3.0, math.nan]), max_size=40)
standings = st.lists(st.sampled_from([UNDEFINED, LESS, EQUAL, GREATER]), max_size=40)


def expected(left: float, right: float) -> int:
    return LESS if left < right else GREATER if left > right else EQUAL if left == right else 0


@settings(deadline=None)
@given(left=values, right=values)
def test_a_bar_stands_in_one_way_or_in_none(left: list[float], right: list[float]) -> None:
    bars = min(len(left), len(right))
    one, other = np.array(left[:bars]), np.array(right[:bars])
    found = np.full(bars, 255, np.uint8)
    stand(one, other, found)
    assert found.tolist() == [expected(a, b) for a, b in zip(one, other, strict=True)]
    stand_to_number(one, 2.0, found)
    assert found.tolist() == [expected(a, 2.0) for a in one]


@pytest.mark.parametrize("bits", range(KNOWN + 1))
def test_turned_bits_say_the_same_the_other_way_round(bits: int) -> None:
    one, other = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    there, back = np.zeros(3, np.uint8), np.zeros(3, np.uint8)
    stand(one, other, there)
    stand(other, one, back)
    found, mirrored = np.zeros(3, np.bool_), np.zeros(3, np.bool_)
    is_one_of(there, bits, found)
    is_one_of(back, turned(bits), mirrored)
    assert found.tolist() == mirrored.tolist()
    assert turned(turned(bits)) == bits


@settings(deadline=None)
@given(bars=standings, beyond=st.sampled_from([LESS, GREATER]))
def test_a_cross_and_its_opposite_part_the_bars_that_are_defined(
    bars: list[int], beyond: int
) -> None:
    column = np.array(bars, np.uint8)
    crossed, not_crossed = np.ones(len(bars), np.bool_), np.ones(len(bars), np.bool_)
    has_crossed(column, beyond, crossed)
    has_not_crossed(column, beyond, not_crossed)
    for bar, now in enumerate(bars):
        before = bars[bar - 1] if bar else UNDEFINED
        is_known = now != UNDEFINED and before != UNDEFINED
        assert crossed[bar] == (is_known and now == beyond and before != beyond)
        assert not_crossed[bar] == (is_known and not crossed[bar])


def standing_of_averages(close: FloatArray, fast: int, slow: int) -> list[int]:
    found = np.zeros(len(close), np.uint8)
    stand(sma(close, fast), sma(close, slow), found)
    return found.tolist()


@settings(deadline=None)
@given(
    cents=st.lists(st.integers(9_990, 10_010), min_size=1, max_size=60),
    fast=st.integers(1, 12),
    slow=st.integers(1, 12),
)
def test_sums_tell_how_averages_stand(cents: list[int], fast: int, slow: int) -> None:
    """Prices so close together that most averages tie."""
    close = np.array(cents) / 100.0
    found = np.full(len(close), 255, np.uint8)
    stand_averages(totals_of(close).sums, fast, slow, found)
    assert found.tolist() == standing_of_averages(close, fast, slow)


def average(period: int, source: str = "close") -> Average:
    return Average.model_validate({"type": "sma", "period": period, "source": source})


@pytest.mark.parametrize(
    ("price", "one", "other"),
    [
        (1e7, average(1_000), average(2_000)),
        (math.pi, average(2), average(3)),
        (100.0, average(2), average(3, "open")),
    ],
    ids=["large", "no decimal", "two columns"],
)
def test_sums_that_do_not_tell_are_not_given(price: float, one: Average, other: Average) -> None:
    outputs = Outputs(candles_of_closes(np.full(10, price)))
    assert outputs.comparable(one, other) is None


def test_sums_of_one_column_are_made_once() -> None:
    outputs = Outputs(candles_of_closes(np.arange(1.0, 11.0)))
    assert outputs.comparable(average(2), average(3)) is outputs.comparable(average(3), average(5))
    np.testing.assert_array_equal(outputs.of(average(4))[""], sma(np.arange(1.0, 11.0), 4))
