import math
import random
from statistics import stdev

import numpy as np
import pytest

from engine.volatility import from_series, log_returns, realized, sample_deviation


def closes(count: int = 120) -> np.ndarray:
    chance = random.Random("volatility")
    price, path = 100.0, []
    for _ in range(count):
        price *= math.exp(chance.gauss(0, 0.02))
        path.append(price)
    return np.array(path)


def test_log_returns_of_a_range_leave_other_bars_alone() -> None:
    path = closes(6)
    out = np.full(6, -7.0)
    log_returns(path, 0, 2, out)
    assert math.isnan(out[0])
    assert out[1] == pytest.approx(math.log(path[1] / path[0]), rel=1e-13)
    assert (out[2:] == -7.0).all()


@pytest.mark.parametrize("window", [2, 3, 30])
def test_realized_volatility_is_the_sample_deviation_of_its_window(window: int) -> None:
    path = closes()
    returns, out = np.empty(len(path)), np.empty(len(path))
    log_returns(path, 0, len(path), returns)
    realized(returns, 0, len(path), window, math.sqrt(252.0) * 1.1, out)
    assert np.isnan(out[:window]).all()
    for bar in range(window, len(path)):
        own = [math.log(path[i] / path[i - 1]) for i in range(bar - window + 1, bar + 1)]
        assert out[bar] == pytest.approx(stdev(own) * math.sqrt(252.0) * 1.1, rel=1e-12)


def test_a_crash_leaves_no_trace_once_it_is_out_of_the_window() -> None:
    """A running sum of squares would be off by far more than the calm days' own volatility."""
    calm = [100.0 * (1.0 + 1e-7 * (bar % 2)) for bar in range(40)]
    path = np.array([1e6, 1.0, *calm])
    returns, out = np.empty(len(path)), np.empty(len(path))
    log_returns(path, 0, len(path), returns)
    realized(returns, 0, len(path), 10, 1.0, out)
    own = [math.log(path[i] / path[i - 1]) for i in range(len(path) - 10, len(path))]
    assert out[-1] == pytest.approx(stdev(own), rel=1e-8)


def test_a_flat_price_has_exactly_no_volatility() -> None:
    path = np.full(20, 101.3)
    returns, out = np.empty(20), np.empty(20)
    log_returns(path, 0, 20, returns)
    realized(returns, 0, 20, 5, 15.9, out)
    assert (out[5:] == 0.0).all()


def test_the_deviation_of_fewer_than_two_values_is_undefined() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert math.isnan(sample_deviation(values, 0, 0))
    assert math.isnan(sample_deviation(values, 1, 2))
    assert sample_deviation(values, 0, 3) == pytest.approx(stdev([1.0, 2.0, 4.0]))


def test_a_series_counts_with_its_last_close_at_or_before_the_bar() -> None:
    bars = np.array([10, 20, 30, 40])
    volatility = from_series(bars, np.array([15, 20, 39, 41]), np.array([10.0, 20, 30, 99]), 0.5)
    assert math.isnan(volatility[0])
    assert volatility[1:].tolist() == [0.1, 0.1, 0.15]


def test_a_series_without_values_is_undefined_everywhere() -> None:
    volatility = from_series(np.array([10, 20]), np.empty(0, np.int64), np.empty(0), 1.0)
    assert np.isnan(volatility).all()
