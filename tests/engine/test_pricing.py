"""Prices, deltas and strikes against QuantLib and against what must hold without any oracle."""

import itertools
import math

import pytest

from engine.pricing import option_value, spot_delta, strike_of_delta

ql = pytest.importorskip("QuantLib", reason="QuantLib is a development dependency")

GRID = list(
    itertools.product(
        (True, False),
        (60.0, 95.0, 100.0, 140.0),
        (1 / 365, 30 / 365, 2.0),
        (0.0, 0.05, -0.01),
        (0.0, 0.03),
        (0.05, 0.25, 1.2),
    )
)


def oracle(
    is_put: bool, strike: float, years: float, r: float, q: float, sigma: float
) -> ql.BlackCalculator:
    payoff = ql.PlainVanillaPayoff(ql.Option.Put if is_put else ql.Option.Call, strike)
    forward = 100.0 * math.exp((r - q) * years)
    return ql.BlackCalculator(payoff, forward, sigma * math.sqrt(years), math.exp(-r * years))


def test_values_equal_quantlib() -> None:
    for is_put, strike, years, r, q, sigma in GRID:
        expected = oracle(is_put, strike, years, r, q, sigma).value()
        value = option_value(is_put, 100.0, strike, years, r, q, sigma)
        assert value == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_deltas_equal_quantlib() -> None:
    for is_put, strike, years, r, q, sigma in GRID:
        expected = oracle(is_put, strike, years, r, q, sigma).delta(100.0)
        delta = spot_delta(is_put, 100.0, strike, years, r, q, sigma)
        assert delta == pytest.approx(expected, rel=1e-11, abs=1e-13)


def test_delta_is_the_slope_of_the_value() -> None:
    for is_put, strike, years, r, q, sigma in GRID:
        if sigma * math.sqrt(years) < 0.05:
            continue
        up = option_value(is_put, 100.0 + 1e-3, strike, years, r, q, sigma)
        down = option_value(is_put, 100.0 - 1e-3, strike, years, r, q, sigma)
        delta = spot_delta(is_put, 100.0, strike, years, r, q, sigma)
        assert (up - down) / 2e-3 == pytest.approx(delta, abs=1e-6)


def test_put_call_parity() -> None:
    for is_put, strike, years, r, q, sigma in GRID:
        if is_put:
            continue
        call = option_value(False, 100.0, strike, years, r, q, sigma)
        put = option_value(True, 100.0, strike, years, r, q, sigma)
        forward = 100.0 * math.exp(-q * years) - strike * math.exp(-r * years)
        assert call - put == pytest.approx(forward, abs=1e-12)


@pytest.mark.parametrize(("is_put", "strike", "paid"), [(True, 110.0, 10.0), (False, 90.0, 10.0)])
def test_without_time_an_option_is_its_intrinsic_value(
    is_put: bool, strike: float, paid: float
) -> None:
    assert option_value(is_put, 100.0, strike, 0.0, 0.05, 0.02, 0.3) == paid
    assert option_value(not is_put, 100.0, strike, 0.0, 0.05, 0.02, 0.3) == 0.0
    assert option_value(is_put, 100.0, strike, -1.0, 0.05, 0.02, 0.3) == paid


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_without_volatility_an_option_is_its_discounted_intrinsic_value(sigma: float) -> None:
    forward = 110.0 * math.exp(-0.05) - 100.0 * math.exp(-0.02)
    assert option_value(True, 100.0, 110.0, 1.0, 0.05, 0.02, sigma) == pytest.approx(forward)
    assert option_value(False, 100.0, 110.0, 1.0, 0.05, 0.02, sigma) == 0.0


def test_small_time_and_small_volatility_lead_to_the_limits() -> None:
    for is_put, strike in itertools.product((True, False), (90.0, 100.0, 110.0)):
        for years, sigma in ((1e-12, 0.3), (1.0, 1e-9)):
            near = option_value(is_put, 100.0, strike, years, 0.0, 0.0, sigma)
            limit = option_value(is_put, 100.0, strike, years, 0.0, 0.0, 0.0)
            assert near == pytest.approx(limit, abs=1e-4)


def test_an_option_without_time_value_is_not_worth_less_than_its_intrinsic_value() -> None:
    """Rounding alone would put many of these a little below strike − spot."""
    for step in range(3_000):
        spot = 60.0 + step * 0.0131
        for days, sigma in ((1, 0.25), (2, 0.1), (4, 0.25)):
            years = days / 365
            assert option_value(True, spot, 100.0, years, 0.0, 0.0, sigma) >= 100.0 - spot
            assert option_value(False, 100.0, spot, years, 0.0, 0.0, sigma) >= 100.0 - spot


def test_delta_without_time() -> None:
    assert spot_delta(False, 100.0, 90.0, 0.0, 0.0, 0.0, 0.3) == 1.0
    assert spot_delta(False, 100.0, 110.0, 0.0, 0.0, 0.0, 0.3) == 0.0
    assert spot_delta(False, 100.0, 100.0, 0.0, 0.0, 0.0, 0.3) == 0.5
    assert spot_delta(True, 100.0, 110.0, 0.0, 0.0, 0.0, 0.3) == -1.0
    assert spot_delta(True, 100.0, 90.0, 1.0, 0.0, 0.05, 0.0) == 0.0


@pytest.mark.parametrize("is_put", [True, False])
@pytest.mark.parametrize("delta", [0.001, 0.05, 0.3, 0.5, 0.8, 0.95])
def test_the_strike_of_a_delta_has_that_delta(is_put: bool, delta: float) -> None:
    for years, r, q, sigma in itertools.product(
        (7 / 365, 0.5), (0.0, 0.05), (0.0, 0.04), (0.1, 0.8)
    ):
        strike = strike_of_delta(is_put, 250.0, delta, years, r, q, sigma)
        back = spot_delta(is_put, 250.0, strike, years, r, q, sigma)
        assert abs(back) == pytest.approx(delta, rel=1e-10)


def test_a_smaller_delta_is_farther_out_of_the_money() -> None:
    puts = [strike_of_delta(True, 100.0, d, 0.1, 0.0, 0.0, 0.2) for d in (0.1, 0.3, 0.5)]
    calls = [strike_of_delta(False, 100.0, d, 0.1, 0.0, 0.0, 0.2) for d in (0.1, 0.3, 0.5)]
    assert puts == sorted(puts)
    assert calls == sorted(calls, reverse=True)


def test_a_delta_beyond_the_dividend_discount_has_no_strike() -> None:
    """With q = 30 % a spot delta reaches e^(−0.3) = 0.7408 in a year at most."""
    assert math.isnan(strike_of_delta(True, 100.0, 0.75, 1.0, 0.0, 0.3, 0.2))
    assert strike_of_delta(True, 100.0, 0.74, 1.0, 0.0, 0.3, 0.2) > 100.0
    assert math.isnan(strike_of_delta(False, 100.0, 0.3, 1.0, 0.0, 0.0, 0.0))
    assert math.isnan(strike_of_delta(False, 100.0, 0.3, 0.0, 0.0, 0.0, 0.2))
    assert math.isnan(strike_of_delta(False, 100.0, 0.001, 10.0, 0.0, 0.0, 100.0))
