"""Sound but unusual inputs: the account stays finite and balanced."""

import itertools
import random
from datetime import date

import numpy as np
import pytest

from engine import run_backtest
from tests.support.random_wheels import random_parameters
from tests.support.wheel_runs import bars, every_day, run, trades


@pytest.mark.parametrize("price", [1e-300, 1e-8, 0.01, 1e6, 1e12])
def test_every_account_stays_finite(price: float) -> None:
    for number, capital in itertools.product(range(15), (1e-3, 1e4, 1e15)):
        chance = random.Random(f"extreme {price} {number}")
        raw = random_parameters(chance)
        raw["volatility"] = chance.choice(
            [
                {"model": "constant", "value": chance.choice([1e-12, 0.3, 100.0])},
                {"model": "realized", "window": 2, "scale": 100.0},
            ]
        )
        raw["contractSize"] = chance.choice([1e-8, 1, 100, 1e6])
        closes = [price * chance.choice([0.01, 0.5, 1.0, 1.0, 2.0, 50.0]) for _ in range(80)]
        simulation = run(raw, closes, capital=capital)
        assert np.isfinite(simulation.equity).all(), raw
        assert np.isfinite(simulation.trades.pnl).all(), raw
        assert np.isfinite(simulation.trades.trade_return).all(), raw
        assert np.isfinite(simulation.trades.mae).all(), raw
        assert np.isfinite(simulation.trades.mfe).all(), raw
        assert np.isfinite(simulation.cycles.end_equity).all(), raw


def test_a_price_that_never_moves_assigns_and_calls_away_at_the_money() -> None:
    simulation = run({"dte": 1, "call": {"moneyness": 0.0}}, [100.0] * 9)
    assert [trade["exitReason"] for trade in trades(simulation)] == [
        "assigned",
        "calledAway",
        "calledAway",
        "assigned",
        "calledAway",
        "calledAway",
        None,
    ]
    assert simulation.equity[-1] > 10_000.0


def test_a_crash_to_almost_nothing_leaves_the_premium() -> None:
    simulation = run({"dte": 5}, [100.0] + [1e-6] * 8)
    premium = trades(simulation)[0]["entryPrice"]
    assert simulation.equity[-1] == pytest.approx(100 * premium, abs=1e-3)


def test_a_window_longer_than_the_run_trades_nothing_and_says_so() -> None:
    chosen = {"volatility": {"model": "realized", "window": 500}}
    simulation = run(chosen, [100.0 + bar % 3 for bar in range(100)])
    assert len(simulation.trades) == 0
    assert len(simulation.notes) == 2
    assert "(100 bars): nothing sold: the volatility is undefined" in simulation.notes[1]


def test_gaps_of_years_settle_on_the_next_bar() -> None:
    dates = [date(1969, 12, 1), date(1999, 1, 1), date(2030, 1, 1)]
    simulation = run({"dte": 30, "cashRate": 0.1}, [100.0, 90.0, 95.0], dates=dates)
    put, shares, call = trades(simulation)
    assert put["expiry"] == date(1969, 12, 31)
    assert (put["exitIndex"], shares["entryIndex"], call["entryIndex"]) == (1, 1, 2)


def test_expiries_before_1970_are_dates_like_others() -> None:
    raw = {
        "strategyId": "wheel",
        "symbol": "X",
        "startDate": "1929-10-01",
        "endDate": "1929-12-31",
        "startingCapital": 10_000,
    }
    candles = bars(every_day(60, date(1929, 10, 1)), [100.0] * 60)
    put, shares, *_ = run_backtest(raw, candles).to_document()["trades"]
    assert (put["entryTime"], put["expiry"]) == ("1929-10-01T00:00:00Z", "1929-10-31T00:00:00Z")
    assert "expiry" not in shares
