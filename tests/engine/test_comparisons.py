"""How series stand to each other, and crosses read from it."""

import math
from typing import Any

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
from engine.indicator_outputs import outputs
from engine.indicators import sma
from engine.rules import Evaluation
from engine.rules_parameters import RulesParameters
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


def stands(close: FloatArray, fast: int, slow: int) -> tuple[bool, list[int]]:
    found = np.full(len(close), 255, np.uint8)
    return stand_averages(close, fast, slow, found), found.tolist()


@settings(deadline=None)
@given(
    cents=st.lists(st.integers(9_990, 10_010), min_size=1, max_size=60),
    fast=st.integers(1, 12),
    slow=st.integers(1, 12),
)
def test_sums_tell_how_averages_stand(cents: list[int], fast: int, slow: int) -> None:
    """Prices so close together that most averages tie."""
    close = np.array(cents) / 100.0
    assert stands(close, fast, slow) == (True, standing_of_averages(close, fast, slow))


@pytest.mark.parametrize("bars", [1_023, 1_024, 1_025, 2_048, 5_000])
@pytest.mark.parametrize("slow", [7, 1_023, 1_024, 1_025, 1_500, 4_999, 5_000, 5_001, 2**31 - 1])
def test_sums_go_on_from_part_to_part(bars: int, slow: int) -> None:
    """Windows that end, begin and lie across where one part of the bars ends."""
    close = np.random.default_rng(bars).integers(9_990, 10_010, bars) / 100.0
    for fast, other in ((3, slow), (slow, 3)):
        assert stands(close, fast, other) == (True, standing_of_averages(close, fast, other))


@pytest.mark.parametrize(
    ("price", "one", "other"),
    [(1e7, 1_000, 2_000), (math.pi, 2, 3), (1e300, 2, 3), (math.inf, 2, 3), (math.nan, 2, 3)],
    ids=["large", "no decimal", "very large", "infinite", "not a number"],
)
def test_sums_that_do_not_tell_say_so(price: float, one: int, other: int) -> None:
    assert not stands(np.full(3_000, price), one, other)[0]


@pytest.mark.parametrize("bar", [0, 1_024, 2_999])
def test_one_price_that_is_no_decimal_is_enough(bar: int) -> None:
    close = np.full(3_000, 100.0)
    assert stands(close, 2, 3)[0]
    close[bar] = math.pi
    assert not stands(close, 2, 3)[0]


def average(period: int, source: str = "close") -> dict[str, Any]:
    return {"type": "sma", "period": period, "source": source}


@pytest.mark.parametrize(
    ("price", "fast", "slow"),
    [
        (100.0, average(2), average(5)),
        (100.0 / 3.0, average(2), average(5)),
        (1e8, average(1_200), average(1_400)),
        (100.0, average(2), average(5, "open")),
    ],
    ids=["told", "no decimals", "large", "two columns"],
)
def test_rules_find_the_same_crosses_by_sums_and_by_averages(
    price: float, fast: dict[str, Any], slow: dict[str, Any]
) -> None:
    steps = np.random.default_rng(3).integers(-3, 4, 3_000)
    candles = candles_of_closes(price + np.cumsum(steps) / 100.0)
    raw = {"indicators": {"fast": fast, "slow": slow}, "entry": {"crossesAbove": ["fast", "slow"]}}
    parameters = RulesParameters.model_validate({**raw, "exit": {"above": ["slow", "fast"]}})
    given_outputs = Evaluation(parameters, candles, outputs)
    by_sums = Evaluation(parameters, candles)
    for condition in (parameters.entry, parameters.exit):
        expected_bars = given_outputs.fires(condition)
        assert expected_bars.any()
        np.testing.assert_array_equal(by_sums.fires(condition), expected_bars)
