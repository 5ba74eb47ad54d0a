"""Running sums in units, and means from them, against exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.indicators import sma
from engine.indicators.averages import rolling_mean
from engine.indicators.exact_sums import totals_of

cents = st.lists(st.integers(-10_000, 1_000_000), min_size=1, max_size=50)


@settings(deadline=None)
@given(prices=cents, first=st.integers(0, 60))
def test_sums_begin_where_the_values_do(prices: list[int], first: int) -> None:
    values = np.array(prices) / 100.0
    values[:first] = math.nan
    totals = totals_of(values, first)
    counted = [0] * min(first, len(prices)) + prices[first:]
    assert totals.sums.tolist() == [sum(counted[:bar]) * 10**6 for bar in range(len(prices) + 1)]
    assert totals.largest == max((abs(one) * 10**6 for one in prices[first:]), default=0)


@pytest.mark.parametrize("odd", [math.pi, 1e-9, 1e300, math.inf, math.nan])
def test_what_is_no_whole_number_of_units_is_not_summed(odd: float) -> None:
    totals = totals_of(np.array([1.0, odd, 2.0]))
    assert totals.largest >= 2.0**53
    assert not totals.hold(1)


def test_sums_hold_as_long_as_floats_hold_them() -> None:
    totals = totals_of(np.array([90_000.0]))
    assert totals.hold(1_000)
    assert not totals.hold(1_001)


def test_sums_over_many_bars_must_fit_too() -> None:
    prices = np.full(3_000, 2.0**25)
    assert totals_of(prices[:1_000]).hold(2)
    assert not totals_of(prices).hold(2)
    np.testing.assert_array_equal(sma(prices, 2)[1:], 2.0**25)


@settings(deadline=None)
@given(prices=cents, first=st.integers(0, 5), period=st.integers(1, 12))
def test_a_mean_is_rounded_once(prices: list[int], first: int, period: int) -> None:
    values = np.array(prices) / 100.0
    values[:first] = math.nan
    found = rolling_mean(values, period, first)
    for bar, mean in enumerate(found.tolist()):
        if bar < first + period - 1:
            assert math.isnan(mean)
        else:
            window = prices[bar - period + 1 : bar + 1]
            assert mean == float(Fraction(sum(window), 100 * period))


def meant(price: float) -> Fraction:
    """The decimal that a price stands for, if it has at most eight places; else what it is."""
    decimal = Fraction(round(price * 10**8), 10**8)
    return decimal if float(decimal) == price else Fraction(price)


@settings(deadline=None)
@given(prices=st.lists(st.floats(0.01, 1e5), min_size=1, max_size=40), period=st.integers(1, 12))
@example(prices=[1.0, 1.9, 1.9], period=3)
@example(prices=[1.0, 1.9, 1 / 3], period=3)
def test_so_is_one_of_prices_that_are_no_decimals(prices: list[float], period: int) -> None:
    found = sma(np.array(prices), period)
    for bar in range(period - 1, len(prices)):
        window = [meant(one) for one in prices[bar - period + 1 : bar + 1]]
        assert found[bar] == float(sum(window) / period)


@settings(deadline=None)
@given(prices=cents, period=st.integers(1, 12), source=st.booleans())
def test_sums_at_hand_change_nothing(prices: list[int], period: int, source: bool) -> None:
    values = np.array(prices) / 100.0 if source else np.array(prices) / 3.0
    np.testing.assert_array_equal(sma(values, period, totals_of(values)), sma(values, period))
