"""What must hold of every run, whatever the market: no look into the future, no unit of money."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import BacktestResult, Candles, run_backtest
from engine.simulation import ExitReason
from tests.support.markets import DAY, NEW_YEAR, config, walk

RULES = {
    "indicators": {
        "fast": {"type": "ema", "period": 5},
        "bands": {"type": "bollinger", "period": 12},
        "strength": {"type": "rsi", "period": 7},
    },
    "entry": {"any": [{"crossesAbove": ["close", "fast"]}, {"below": ["strength", 30]}]},
    "exit": {"any": [{"above": ["close", "bands.upper"]}, {"falling": ["close", 3]}]},
}
STOPS = {"stopLoss": 0.04, "takeProfit": 0.06, "trailingStop": 0.05, "direction": "both"}
REALIZED = {"volatility": {"model": "realized", "window": 10}, "dte": 14}
BY_DELTA = {"put": {"delta": 0.3}, "call": {"delta": 0.3}, "dte": 10, "cashRate": 0.03}

RUNS = {
    "buyAndHold": config("buyAndHold"),
    "smaCross": config(parameters={"fast": 3, "slow": 8}, execution={"feeRate": 0.001}),
    "both ways with stops": config(parameters={"fast": 3, "slow": 8}, execution=STOPS),
    "at the close": config("rsi", parameters={"period": 5}, execution={"fillOn": "close"}),
    "rules": config("rules", parameters=RULES),
    "supertrend": config("supertrend", parameters={"period": 5, "multiplier": 2}),
    "donchian": config("donchian", parameters={"entry": 8, "exit": 4}),
    "wheel": config("wheel", parameters=REALIZED),
    "wheel by delta": config("wheel", parameters=BY_DELTA),
    "early close": config("wheel", parameters={"dte": 12, "closeAtProfit": 0.5, "spread": 0.02}),
}
every_run = pytest.mark.parametrize("raw", RUNS.values(), ids=RUNS.keys())


def run(raw: dict[str, Any], candles: Candles, **changes: Any) -> BacktestResult:
    return run_backtest({"annualization": 252, **raw, **changes}, candles)


@every_run
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), kept=st.integers(1, 119))
def test_the_past_does_not_know_the_future(raw: dict[str, Any], seed: int, kept: int) -> None:
    candles = walk(120, seed)
    whole, prefix = run(raw, candles), run(raw, candles.rows(0, kept))
    assert whole.equity_curve[:kept] == prefix.equity_curve
    ended = [trade for trade in prefix.trades if trade.exit_index is not None]
    assert ended == [
        trade for trade in whole.trades if trade.exit_index is not None and trade.exit_index < kept
    ]
    for one, other in zip(whole.regime_segments, prefix.regime_segments, strict=False):
        assert one.start_index == other.start_index
        assert one.regime == other.regime


def scaled(candles: Candles, factor: float) -> Candles:
    columns = {name: getattr(candles, name) * factor for name in ("open", "high", "low", "close")}
    return replace(candles, **columns)


@every_run
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.integers(-6, 10))
def test_a_change_of_currency_changes_money_only(
    raw: dict[str, Any], seed: int, power: int
) -> None:
    """Powers of two, because they scale every price without rounding."""
    factor = 2.0**power
    candles = walk(120, seed)
    one = run(raw, candles)
    other = run(raw, scaled(candles, factor), startingCapital=10_000 * factor)
    assert other.equity_curve == [equity * factor for equity in one.equity_curve]
    assert other.metrics.sharpe == one.metrics.sharpe
    assert other.max_drawdown == one.max_drawdown
    assert [trade.trade_return for trade in other.trades] == [
        trade.trade_return for trade in one.trades
    ]


@every_run
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), weeks=st.integers(-500, 500))
def test_the_calendar_date_makes_no_difference(raw: dict[str, Any], seed: int, weeks: int) -> None:
    candles = walk(100, seed)
    moved = replace(candles, times=candles.times + weeks * 7 * DAY)
    dates = {"startDate": "2000-01-01", "endDate": "2040-01-01"}
    one, other = run(raw, candles, **dates), run(raw, moved, **dates)
    assert other.equity_curve == one.equity_curve
    assert [cycle.cycle_return for cycle in other.cycles] == [
        cycle.cycle_return for cycle in one.cycles
    ]
    assert other.metrics == one.metrics


@every_run
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_profits_of_trades_are_what_the_account_gained(raw: dict[str, Any], seed: int) -> None:
    found = run(raw, walk(120, seed))
    interest = raw["parameters"].get("cashRate") if "parameters" in raw else None
    if interest:
        return
    gained = sum(trade.pnl for trade in found.trades)
    assert found.equity_curve[-1] - 10_000 == pytest.approx(gained, abs=1e-6)
    assert found.metrics.fees_paid == pytest.approx(sum(trade.fees for trade in found.trades))


@every_run
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_cycles_follow_one_another(raw: dict[str, Any], seed: int) -> None:
    found = run(raw, walk(120, seed))
    assert all(cycle.completed for cycle in found.cycles[:-1])
    for one, following in zip(found.cycles, found.cycles[1:], strict=False):
        assert one.start_index <= one.end_index <= following.start_index
        if "cashRate" not in str(raw):
            assert following.start_equity == pytest.approx(one.end_equity)
    compound = 1.0
    for cycle in found.cycles:
        compound *= 1.0 + cycle.cycle_return
    if found.cycles and "cashRate" not in str(raw):
        assert compound == pytest.approx(found.equity_curve[-1] / 10_000)


@every_run
def test_regimes_do_not_touch_the_account(raw: dict[str, Any]) -> None:
    one = run(raw, walk(120))
    other = run(raw, walk(120), regime={"lookback": 3, "upThreshold": 0.5, "downThreshold": -0.5})
    assert other.equity_curve == one.equity_curve
    assert other.metrics == one.metrics


@every_run
def test_exits_come_after_entries(raw: dict[str, Any]) -> None:
    found = run(raw, walk(400, 7))
    assert found.trades
    for trade in found.trades:
        if trade.exit_index is not None:
            assert trade.exit_index >= trade.entry_index
            assert trade.exit_reason != ExitReason.OPEN
        assert trade.mae <= 0.0 <= trade.mfe


def test_bars_after_the_end_date_make_no_difference() -> None:
    candles = walk(200)
    raw = config(endDate="2020-04-09", startDate="2020-01-01")
    assert run_backtest(raw, candles).result_digest == (
        run_backtest(raw, candles.rows(0, 100)).result_digest
    )


def test_the_curve_is_finite_and_starts_from_the_capital() -> None:
    for raw in RUNS.values():
        found = run(raw, walk(120, 3))
        assert np.isfinite(found.equity_curve).all()
        assert found.equity_curve[0] == pytest.approx(10_000, rel=0.05)
        assert found.equity_timestamps[0] == str(np.datetime64(NEW_YEAR, "ms"))[:19] + "Z"
