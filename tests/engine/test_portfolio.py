"""Sleeves run side by side on their own money, added up on the union of their bars."""

from typing import Any

import numpy as np
import pytest

from engine import BacktestResult, DataNotFoundError, parse_config, required_series, run_backtest
from tests.support.markets import DAY, NEW_YEAR, config, walk

SPY = walk(120)
QQQ = walk(100, 2, symbol="QQQ", first=NEW_YEAR + 10 * DAY)
CANDLES = {"SPY": SPY, "QQQ": QQQ}


def sleeve(weight: float, strategy: str = "smaCross", **changes: Any) -> dict[str, Any]:
    return {"weight": weight, "config": {"strategyId": strategy, **changes}}


def portfolio(*sleeves: dict[str, Any], **changes: Any) -> BacktestResult:
    raw = config("portfolio", parameters={"sleeves": list(sleeves)}, **changes)
    return run_backtest(raw, CANDLES)


def single(strategy: str, capital: float, **changes: Any) -> BacktestResult:
    return run_backtest(config(strategy, startingCapital=capital, **changes), CANDLES)


def test_one_sleeve_with_all_the_money_is_the_single_run() -> None:
    whole, alone = portfolio(sleeve(1.0)), single("smaCross", 10_000)
    assert whole.equity_curve == pytest.approx(alone.equity_curve, rel=1e-12)
    assert [trade.pnl for trade in whole.trades] == [trade.pnl for trade in alone.trades]
    assert whole.metrics.sharpe == pytest.approx(alone.metrics.sharpe)
    assert whole.regime_segments == alone.regime_segments
    assert whole.cycles_completed == alone.cycles_completed


def test_sleeves_are_added_up_on_the_union_of_their_bars() -> None:
    found = portfolio(sleeve(0.5), sleeve(0.3, "buyAndHold", symbol="QQQ"))
    one, two = single("smaCross", 5_000), single("buyAndHold", 3_000, symbol="QQQ")
    assert found.bars == 120
    assert found.equity_timestamps == one.equity_timestamps
    before = [3_000.0] * 10
    after = [two.equity_curve[-1]] * 10
    expected = 2_000 + np.array(one.equity_curve) + [*before, *two.equity_curve, *after]
    assert found.equity_curve == pytest.approx(expected.tolist(), rel=1e-12)
    assert found.metrics.fees_paid == one.metrics.fees_paid + two.metrics.fees_paid


def test_money_in_no_sleeve_stays_cash() -> None:
    found = portfolio(sleeve(0.25, "buyAndHold", maxCycles=1))
    alone = single("buyAndHold", 2_500)
    assert found.equity_curve[-1] == pytest.approx(7_500 + alone.equity_curve[-1])


def test_indices_count_the_portfolios_bars() -> None:
    found = portfolio(sleeve(0.5, symbol="QQQ"), sleeve(0.5))
    alone = single("smaCross", 5_000, symbol="QQQ")
    moved = [trade for trade in found.trades if trade.sleeve == 0]
    assert len(moved) == len(alone.trades) > 0
    for there, here in zip(moved, alone.trades, strict=True):
        assert there.entry_index == here.entry_index + 10
        assert there.entry_time == here.entry_time
        assert there.exit_time == here.exit_time


def test_trades_and_cycles_are_ordered_by_time_then_sleeve() -> None:
    found = portfolio(sleeve(0.4), sleeve(0.3), sleeve(0.3, symbol="QQQ"))
    trades = [(trade.entry_index, trade.sleeve) for trade in found.trades]
    cycles = [(cycle.start_index, cycle.sleeve) for cycle in found.cycles]
    assert trades == sorted(trades)
    assert cycles == sorted(cycles)
    assert {row[1] for row in trades} == {0, 1, 2}
    assert [cycle.index for cycle in found.cycles] == list(range(len(cycles)))
    assert len({cycle.cycle_id for cycle in found.cycles}) == len(cycles)


def test_the_market_is_the_portfolios_own_symbol() -> None:
    found = portfolio(sleeve(1.0, "buyAndHold", symbol="QQQ"), symbol="SPY")
    assert found.metrics.buy_and_hold_return == pytest.approx(SPY.close[109] / SPY.close[10] - 1.0)
    reference = run_backtest(config("buyAndHold"), SPY.rows(10, 110))
    assert found.regime_segments == reference.regime_segments


def test_before_the_markets_first_bar_it_does_not_move() -> None:
    found = portfolio(sleeve(1.0, "buyAndHold", symbol="SPY"), symbol="QQQ")
    assert found.metrics.buy_and_hold_return == pytest.approx(QQQ.close[-1] / QQQ.close[0] - 1.0)
    assert found.regime_segments[0].regime == "sideways"


def test_a_bar_is_exposed_when_any_sleeve_holds_something() -> None:
    found = portfolio(
        sleeve(0.5, "buyAndHold", endDate="2020-01-20", execution={"closeAtEnd": True}),
        sleeve(0.5, "buyAndHold", symbol="QQQ"),
    )
    one = single("buyAndHold", 5_000, endDate="2020-01-20", execution={"closeAtEnd": True})
    assert one.metrics.exposure == 18 / 20
    assert found.bars == 110
    assert found.metrics.exposure == 109 / 110


def test_an_unfinished_cycle_lasts_to_the_portfolios_end() -> None:
    found = portfolio(sleeve(0.5, "buyAndHold", endDate="2020-02-01"), sleeve(0.5))
    (cycle,) = [cycle for cycle in found.cycles if cycle.sleeve == 0]
    assert not cycle.completed
    assert cycle.end_index == 119


def test_one_symbol_may_run_on_bars_of_several_lengths() -> None:
    hours = walk(200, 3, timeframe="1h")
    raw = config(
        "portfolio",
        parameters={"sleeves": [sleeve(0.5), sleeve(0.5, "rsi", timeframe="1h")]},
    )
    found = run_backtest(raw, {("SPY", "1d"): SPY, ("SPY", "1h"): hours})
    days = run_backtest(config("smaCross", startingCapital=5_000), SPY)
    fine = run_backtest(config("rsi", startingCapital=5_000, timeframe="1h"), hours)
    assert found.equity_curve[-1] == pytest.approx(days.equity_curve[-1] + fine.equity_curve[-1])
    assert found.metrics.buy_and_hold_return == days.metrics.buy_and_hold_return


def test_notes_name_their_sleeve() -> None:
    found = portfolio(sleeve(0.5), sleeve(0.5, "wheel", parameters={"contracts": 10}))
    assert all(note.startswith("Sleeve ") for note in found.notes)
    assert sum(note.startswith("Sleeve 1 (wheel on SPY): ") for note in found.notes) >= 2


def test_the_echo_has_each_sleeves_own_number_of_bars_a_year() -> None:
    found = portfolio(sleeve(0.5), sleeve(0.5, annualization=200))
    configs = [part["config"] for part in found.config_used["parameters"]["sleeves"]]
    assert [part["annualization"] for part in configs] == [365, 200]
    assert found.config_used["annualization"] == 365


def test_the_shortest_bars_decide_the_year() -> None:
    raw = config(
        "portfolio",
        parameters={"sleeves": [sleeve(0.5), sleeve(0.5, symbol="QQQ", timeframe="1h")]},
    )
    hourly = walk(200, 3, symbol="QQQ", timeframe="1h")
    found = run_backtest(raw, {"SPY": SPY, "QQQ": hourly})
    assert found.config_used["annualization"] == 8_760


def test_every_sleeves_candles_are_asked_for_once() -> None:
    parts = [sleeve(0.3), sleeve(0.3, startDate="2019-01-01"), sleeve(0.4, symbol="QQQ")]
    requests = required_series(parse_config(config("portfolio", parameters={"sleeves": parts})))
    assert [request.symbol for request in requests] == ["SPY", "QQQ"]
    assert requests[0].start is not None
    assert requests[0].start.year == 2019


def test_the_data_of_every_sleeve_is_in_the_fingerprint() -> None:
    one = portfolio(sleeve(0.5), sleeve(0.5, symbol="QQQ"))
    two = run_backtest(
        config("portfolio", parameters={"sleeves": [sleeve(0.5), sleeve(0.5, symbol="QQQ")]}),
        {"SPY": SPY, "QQQ": walk(100, 9, symbol="QQQ")},
    )
    assert one.data_fingerprint != two.data_fingerprint


def test_a_sleeve_without_candles_ends_the_run() -> None:
    with pytest.raises(DataNotFoundError, match="GLD"):
        portfolio(sleeve(1.0, symbol="GLD"))


def test_candles_that_come_alone_are_the_portfolios_own() -> None:
    raw = config("portfolio", parameters={"sleeves": [sleeve(0.5), sleeve(0.5, symbol="QQQ")]})
    with pytest.raises(DataNotFoundError, match="QQQ"):
        run_backtest(raw, SPY)


def test_progress_goes_through_the_sleeves() -> None:
    heard: list[float] = []
    raw = config("portfolio", parameters={"sleeves": [sleeve(0.5), sleeve(0.5)]})
    run_backtest(raw, CANDLES, heard.append)
    assert heard == sorted(heard)
    assert 0.5 in heard
    assert heard[-1] == 1.0


def test_a_price_path_portfolio_needs_no_candles() -> None:
    raw = config(
        "portfolio",
        pricePath=[100.0, 100.0, 110.0],
        parameters={"sleeves": [sleeve(0.5, "buyAndHold"), sleeve(0.5, pricePath=[5.0, 6.0])]},
    )
    found = run_backtest(raw)
    assert found.equity_curve == [10_000.0, 10_000.0, 10_500.0]
    assert found.config_used["annualization"] == 252
