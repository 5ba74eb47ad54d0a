"""The figures that no library defines: drawdown times, exposure, trades, growth by the calendar."""

import math

import numpy as np
import pytest

from engine.metrics import FullMetrics, Market, known, metrics_of
from engine.simulation import ExitReason, Simulation
from tests.support.accounts import OPEN, account
from tests.support.markets import every


def metrics(simulation: Simulation, capital: float = 100.0, timeframe: str = "1d") -> FullMetrics:
    bars = len(simulation.equity)
    market = Market(times=every(timeframe, bars), close=np.linspace(50.0, 60.0, bars))
    return metrics_of(simulation, market, capital, 252.0)


def test_return_and_last_and_highest_equity() -> None:
    found = metrics(account([100.0, 120.0, 90.0]))
    assert found.total_return == pytest.approx(-0.1)
    assert found.final_equity == 90.0
    assert found.peak_equity == 120.0
    assert found.buy_and_hold_return == pytest.approx(0.2)


def test_peak_equity_is_a_point_of_the_curve() -> None:
    assert metrics(account([99.0, 98.0])).peak_equity == 99.0


def test_starting_capital_is_the_first_peak() -> None:
    found = metrics(account([90.0, 95.0]))
    assert found.max_drawdown == pytest.approx(-0.1)
    assert found.ulcer_index == pytest.approx(math.sqrt((0.1**2 + 0.05**2) / 2))
    assert found.max_drawdown_days == 1.0


def test_a_curve_that_never_falls_has_no_drawdown() -> None:
    found = metrics(account([100.0, 100.0, 101.0]))
    assert found.max_drawdown == 0.0
    assert math.copysign(1.0, found.max_drawdown) == 1.0
    assert found.ulcer_index == 0.0
    assert found.max_drawdown_days == 0.0
    assert found.calmar is None


@pytest.mark.parametrize(
    ("equity", "days"),
    [
        ([100.0, 110.0, 105.0, 110.0, 109.0], 2.0),
        ([100.0, 110.0, 105.0, 104.0, 109.0], 3.0),
        ([100.0, 100.0, 100.0, 99.0, 100.0], 2.0),
        ([100.0, 101.0, 102.0, 103.0, 104.0], 0.0),
        ([99.0, 98.0, 97.0, 98.0, 100.0], 4.0),
    ],
    ids=["recovered", "to the end", "from the last bar at the peak", "rising", "from the start"],
)
def test_the_longest_time_below_a_peak(equity: list[float], days: float) -> None:
    assert metrics(account(equity)).max_drawdown_days == days


def test_drawdown_time_is_a_part_of_a_day_on_short_bars() -> None:
    found = metrics(account([100.0, 99.0, 98.0, 100.0]), timeframe="1h")
    assert found.max_drawdown_days == 3 / 24


def test_growth_by_the_calendar() -> None:
    found = metrics(account([100.0, 100.0, 121.0]))
    assert found.cagr == pytest.approx(1.21 ** (365.25 / 2) - 1.0, rel=1e-12)


def test_one_bar_has_no_growth_by_the_calendar() -> None:
    assert metrics(account([121.0])).cagr is None


def test_everything_lost_is_a_growth_of_minus_one() -> None:
    assert metrics(account([50.0, 0.0])).cagr == -1.0


@pytest.mark.parametrize("timeframe", ["1d", "1h", "1m"])
def test_debt_has_no_growth_rate(timeframe: str) -> None:
    """Not even where the year is a whole number of runs, and a power of it would exist."""
    assert metrics(account([50.0, -1.0]), timeframe=timeframe).cagr is None


def test_exposure_is_the_share_of_bars_that_end_with_a_position() -> None:
    found = metrics(account([100.0] * 4, holds=[False, True, True, True]))
    assert found.exposure == 0.75


def test_trade_figures() -> None:
    rows = [
        {"pnl": 30.0, "trade_return": 0.3, "exit_index": 3},
        {"pnl": -10.0, "trade_return": -0.1, "entry_index": 1, "exit_index": 2},
        {"pnl": 0.0, "trade_return": 0.0, "entry_index": 2, "exit_index": 2},
        {"pnl": 40.0, "trade_return": 0.4, **OPEN},
    ]
    found = metrics(account([100.0] * 4, rows, fees_paid=7.5))
    assert found.trade_count == 3
    assert found.open_trade_count == 1
    assert found.win_rate == pytest.approx(1 / 3)
    assert found.profit_factor == pytest.approx(3.0)
    assert found.expectancy == pytest.approx(20 / 3)
    assert found.avg_trade_return == pytest.approx(0.2 / 3)
    assert found.best_trade_return == 0.3
    assert found.worst_trade_return == -0.1
    assert found.avg_trade_days == pytest.approx((3 + 1 + 0) / 3)
    assert found.fees_paid == 7.5


def test_a_trade_that_only_paid_its_fees_did_not_win() -> None:
    found = metrics(account([100.0, 100.0], [{"pnl": 0.0}]))
    assert found.win_rate == 0.0


def test_without_losses_there_is_no_profit_factor() -> None:
    assert metrics(account([100.0, 110.0], [{"pnl": 10.0}])).profit_factor is None


def test_no_profit_at_all_is_a_profit_factor_of_zero() -> None:
    assert metrics(account([100.0, 90.0], [{"pnl": -10.0}])).profit_factor == 0.0


def test_without_closed_trades_their_figures_do_not_exist() -> None:
    found = metrics(account([100.0, 110.0], [OPEN]))
    assert found.trade_count == 0
    assert found.open_trade_count == 1
    for name in (
        "win_rate",
        "profit_factor",
        "expectancy",
        "avg_trade_return",
        "best_trade_return",
        "worst_trade_return",
        "avg_trade_days",
    ):
        assert getattr(found, name) is None, name


def test_a_ruined_trade_is_a_closed_one() -> None:
    found = metrics(account([100.0, -5.0], [{"pnl": -105.0, "exit_reason": ExitReason.RUIN}]))
    assert found.trade_count == 1
    assert found.profit_factor == 0.0


def test_days_held_are_parts_of_days_on_short_bars() -> None:
    found = metrics(account([100.0] * 7, [{"exit_index": 6}]), timeframe="1h")
    assert found.avg_trade_days == 0.25


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_none(value: float) -> None:
    assert known(value) is None


def test_minus_zero_is_zero() -> None:
    found = known(-0.0)
    assert found is not None
    assert math.copysign(1.0, found) == 1.0
