"""Annual and risk figures equal empyrical-reloaded 0.7.1 wherever it has a number."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.metrics import LEAST_DEVIATION, FullMetrics, Market, metrics_of
from tests.support.accounts import account
from tests.support.markets import every, walk

TOLERANCE = 1e-9


def ours(
    equity: NDArray[np.float64], close: NDArray[np.float64], capital: float, yearly: float
) -> FullMetrics:
    market = Market(times=every("1d", len(equity)), close=close)
    return metrics_of(account(equity), market, capital, yearly)


def theirs(
    equity: NDArray[np.float64], close: NDArray[np.float64], capital: float, yearly: float
) -> dict[str, Any]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        values = np.concatenate(([capital], equity))
        returns = values[1:] / values[:-1] - 1.0
        market = close[1:] / close[:-1] - 1.0
        year = {"annualization": yearly}
        figures = {
            "annualized_return": empyrical.annual_return(returns, **year),
            "annualized_volatility": empyrical.annual_volatility(returns, **year),
            "sharpe": empyrical.sharpe_ratio(returns, **year),
            "sortino": empyrical.sortino_ratio(returns, **year),
            "calmar": empyrical.calmar_ratio(returns, **year),
            "max_drawdown": empyrical.max_drawdown(returns),
            "alpha": empyrical.alpha(returns[1:], market, **year),
            "beta": empyrical.beta(returns[1:], market),
            "var95": empyrical.value_at_risk(returns),
            "cvar95": empyrical.conditional_value_at_risk(returns),
            "tail_ratio": empyrical.tail_ratio(returns),
            "omega": empyrical.omega_ratio(returns),
        }
        deviation = np.nanstd(returns, ddof=1) if len(returns) > 1 else math.nan
    if not deviation >= LEAST_DEVIATION:
        quiet = ("sharpe", "sortino", "alpha", "beta", "annualized_volatility")
        figures.update(dict.fromkeys(quiet, math.nan))
    return figures


def assert_same(equity: Sequence[float], close: Sequence[float], yearly: float) -> None:
    curve, prices = np.array(equity, np.float64), np.array(close, np.float64)
    found, expected = ours(curve, prices, 1000.0, yearly), theirs(curve, prices, 1000.0, yearly)
    for name, value in expected.items():
        figure = getattr(found, name)
        if not math.isfinite(value):
            assert figure is None, name
        else:
            assert figure is not None, name
            assert abs(figure - value) <= TOLERANCE * max(1.0, abs(value)), name


@pytest.mark.parametrize("yearly", [52.0, 252.0, 365.0, 1638.0, 98_280.0, 525_600.0])
@pytest.mark.parametrize("seed", range(4))
def test_random_walks(seed: int, yearly: float) -> None:
    market, strategy = walk(700, seed), walk(700, seed + 100)
    assert_same(10.0 * strategy.close, market.close, yearly)


def test_a_long_curve_of_small_returns() -> None:
    market = walk(200_000, 5, volatility=2e-4)
    strategy = walk(200_000, 6, volatility=2e-4)
    assert_same(10.0 * strategy.close, market.close, 98_280.0)


@settings(max_examples=200, deadline=None)
@given(
    factors=st.lists(st.tuples(st.floats(0.5, 1.6), st.floats(0.5, 1.6)), min_size=1, max_size=60),
    yearly=st.sampled_from([52.0, 252.0, 365.0, 1638.0]),
)
def test_any_curve(factors: list[tuple[float, float]], yearly: float) -> None:
    """Up to plus 60 % or minus half a bar; wilder ones are lost in rounding before any formula."""
    equity = 1000.0 * np.cumprod([factor for factor, _ in factors])
    close = 50.0 * np.cumprod([factor for _, factor in factors])
    assert_same(equity.tolist(), close.tolist(), yearly)


@pytest.mark.parametrize(
    "equity",
    [
        [1000.0],
        [1000.0] * 5,
        [999.0] + [999.0] * 5,
        [1001.0, 1002.0, 1003.0],
        [990.0, 985.0],
        [1000.0 * 1.01**n for n in range(1, 30)],
    ],
    ids=["one bar", "flat", "fee at once", "only gains", "only losses", "constant growth"],
)
def test_degenerate_curves(equity: list[float]) -> None:
    prices = [100.0 + n % 3 for n in range(len(equity))]
    assert_same(equity, prices, 252.0)


def test_a_drawdown_that_is_only_rounding() -> None:
    equity = [1000.0]
    for bar in range(200):
        equity.append(np.nextafter(equity[-1], 0.0) if bar % 7 == 0 else equity[-1] + 0.3)
    assert_same(equity, walk(201, 4).close.tolist(), 252.0)


def test_a_market_that_does_not_move_has_no_alpha_and_no_beta() -> None:
    found = ours(np.array([1000.0, 1010.0, 990.0]), np.full(3, 50.0), 1000.0, 252.0)
    assert (found.alpha, found.beta) == (None, None)
    assert found.sharpe is not None


@pytest.mark.parametrize("yearly", [252.0, 251.0])
@pytest.mark.parametrize("last", [0.0, -50.0])
def test_ruin(last: float, yearly: float) -> None:
    equity = [1100.0, 700.0] + [last] * 124
    assert_same(equity, walk(126, 9).close.tolist(), yearly)


def test_returns_that_hardly_vary_have_no_ratios() -> None:
    equity = 1000.0 + 1e-10 * np.arange(50)
    found = ours(equity, walk(50, 2).close, 1000.0, 252.0)
    assert found.sharpe is None
    assert found.sortino is None
    assert found.annualized_volatility is None
    assert found.alpha is None
    assert found.beta is None
    assert found.annualized_return is not None
