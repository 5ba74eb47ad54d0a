"""The sums behind the metrics, against exact arithmetic where rounding allows."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.return_kernels import (
    BLOCK,
    alpha_and_beta,
    deepest_drawdown,
    drawdowns,
    gains_and_losses,
    moments,
    power,
    simple_returns,
    sum_of,
)
from tests.support.markets import every

NAN = math.nan
returns = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=50)


@settings(deadline=None)
@given(base=st.floats(0.01, 100.0), exponent=st.floats(-50.0, 50.0))
def test_powers(base: float, exponent: float) -> None:
    assert power(base, exponent) == pytest.approx(math.pow(base, exponent), rel=1e-12)


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [
        (1.0, 1e6, 1.0),
        (0.0, 0.5, 0.0),
        (-2.0, 2.0, 4.0),
        (-2.0, 3.0, -8.0),
        (-2.0, 1e300, math.inf),
        (1e300, 2.0, math.inf),
        (1e-300, 2.0, 0.0),
    ],
)
def test_powers_at_the_edges(base: float, exponent: float, expected: float) -> None:
    assert power(base, exponent) == pytest.approx(expected, rel=1e-14)


def test_a_fraction_of_a_turn_of_sign_is_no_number() -> None:
    assert math.isnan(power(-2.0, 0.5))


def test_returns_begin_with_the_value_before() -> None:
    assert simple_returns(np.array([110.0, 99.0]), 100.0).tolist() == [110 / 100 - 1, 99 / 110 - 1]


def test_nothing_has_no_return() -> None:
    found = simple_returns(np.array([0.0, 0.0, 5.0]), 100.0)
    assert found[0] == -1.0
    assert math.isnan(found[1])
    assert found[2] == math.inf


@settings(deadline=None)
@given(values=returns)
def test_moments_are_those_of_exact_arithmetic(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / (len(exact) - 1)
    losses = sum(value**2 for value in exact if value < 0) / len(exact)
    growth = math.prod(1 + value for value in exact)
    found = moments(np.array(values))
    assert found[0] == pytest.approx(float(mean), abs=1e-15)
    assert found[1] == pytest.approx(math.sqrt(variance), abs=1e-14)
    assert found[2] == pytest.approx(float(losses), abs=1e-15)
    assert found[3] == pytest.approx(float(growth), rel=1e-13)


@settings(deadline=None)
@given(values=returns, holes=st.sets(st.integers(0, 49)))
def test_what_is_no_number_is_left_out_of_moments(values: list[float], holes: set[int]) -> None:
    with_holes = np.insert(np.array(values), [hole % len(values) for hole in holes], NAN)
    assert moments(with_holes) == moments(np.array(values))


def test_blocks_that_begin_with_a_hole_are_summed_around_their_first_return() -> None:
    """A shift by far more than the spread: around 0 nothing of the deviation would be left."""
    values = 1e6 + np.random.default_rng(3).normal(0.0, 1e-6, 2 * BLOCK)
    values[0] = values[BLOCK] = NAN
    _, deviation, _, _ = moments(values)
    known = [Fraction(value) for value in values.tolist() if not math.isnan(value)]
    mean = sum(known) / len(known)
    variance = sum((value - mean) ** 2 for value in known) / (len(known) - 1)
    assert deviation == pytest.approx(math.sqrt(variance), rel=1e-6)


def test_one_return_has_no_deviation_and_none_has_no_mean() -> None:
    mean, deviation, _, growth = moments(np.array([0.25]))
    assert (mean, growth) == (0.25, 1.25)
    assert math.isnan(deviation)
    assert math.isnan(moments(np.array([NAN]))[0])


def test_gains_and_losses_are_summed_apart() -> None:
    assert gains_and_losses(np.array([3.0, -1.0, 0.0, 2.0, -0.5])) == (5.0, 1.5)
    assert gains_and_losses(np.array([], dtype=np.float64)) == (0.0, 0.0)


@settings(deadline=None)
@given(values=st.lists(st.floats(width=16), max_size=40))
def test_each_sign_is_summed_in_its_order_and_what_is_no_number_left_out(
    values: list[float],
) -> None:
    gains = losses = 0.0
    for value in values:
        if value > 0.0:
            gains += value
        elif value < 0.0:
            losses -= value
    assert gains_and_losses(np.array(values)) == (gains, losses)


@settings(deadline=None)
@given(values=st.lists(st.floats(-0.9, 0.9) | st.just(NAN), max_size=2 * BLOCK // 100))
def test_the_mean_squared_loss_is_summed_from_first_to_last(values: list[float]) -> None:
    losses = 0.0
    for value in values:
        if value < 0.0:
            losses += value * value
    counted = sum(not math.isnan(value) for value in values)
    _, _, downside, _ = moments(np.array(values))
    assert downside == losses / counted if counted else math.isnan(downside)


def test_sums_run_from_first_to_last() -> None:
    assert sum_of(np.array([1e16, 1.0, -1e16])) == 0.0
    assert sum_of(np.array([1e16, -1e16, 1.0])) == 1.0


def test_a_leveraged_market_has_its_leverage_as_beta() -> None:
    market = np.array([0.01, -0.02, 0.005, 0.03])
    alpha, beta = alpha_and_beta(2.0 * market, market, 252.0)
    assert beta == pytest.approx(2.0)
    assert alpha == pytest.approx(0.0, abs=1e-12)


def test_a_constant_advantage_is_alpha_compounded_over_a_year() -> None:
    market = np.array([0.01, -0.02, 0.005, 0.03])
    alpha, beta = alpha_and_beta(market + 0.001, market, 252.0)
    assert beta == pytest.approx(1.0)
    assert alpha == pytest.approx(1.001**252 - 1.0)


@settings(deadline=None)
@given(values=returns)
def test_both_ways_to_the_deepest_drawdown_agree(values: list[float]) -> None:
    equity = 100.0 * np.cumprod(1.0 + np.array(values))
    found = drawdowns(equity, every("1d", len(values)), 100.0)[0]
    assert deepest_drawdown(np.array(values)) == pytest.approx(found, abs=1e-13)
    highest = np.maximum.accumulate(np.concatenate(([100.0], equity)))[1:]
    assert found == pytest.approx((equity / highest - 1.0).min(), abs=1e-15)
